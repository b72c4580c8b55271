"""Five thousand random events: nothing is raised, nothing is warned of, memory does not grow.

benchmarks/long_use.py does 20,000, and opens stores 200 times.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.random_events import memory_grown_mb
from tvae_gui.main_window import MainWindow

EVENTS = 5_000


@pytest.mark.slow
def test_random_use(window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    raised: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda _, error, __: raised.append(error))
    said: list[str] = []
    window.messages.said.connect(
        lambda level, text, _: said.append(text) if level == "error" else 0
    )
    grown = memory_grown_mb(window, rng, EVENTS, lambda: settle(qtbot, window))
    assert raised == []
    assert said == []
    assert grown < 50
