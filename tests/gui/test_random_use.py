"""Five thousand random events: nothing is raised, nothing is warned of, memory does not grow.

benchmarks/long_use.py does 20,000, and opens stores 200 times.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.random_events import act, memory_mb
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
    before = 0.0
    for number in range(EVENTS):
        act(window, rng)
        if number % 40 == 0:
            QApplication.processEvents()
        if number == EVENTS // 3:
            settle(qtbot, window)
            before = memory_mb()
    window.path_state.play(False)
    settle(qtbot, window)
    assert raised == []
    assert said == []
    assert memory_mb() - before < 50
