"""Numbers are written as the reader's language writes them, in one way everywhere in the window."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tvae_core.words import count, figure, fixed, share, signed, size, use_decimal_comma
from tvae_gui.main_window import MainWindow

WINDOW = Path(__file__).resolve().parents[2] / "tvae_gui"
# A format of its own would keep the English signs beside numbers that have the reader's.
_OWN = re.compile(r"\{[^{}]*:[+]?(,|,?\.[1-9]f)\}")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    use_decimal_comma(False)


def test_german_figures_have_a_comma_and_points() -> None:
    use_decimal_comma(True)
    assert figure(-1234.5) == "−1.234"
    assert figure(0.25, "px") == "0,250 px"
    assert count(1_234_567, "image") == "1.234.567 images"
    assert signed(0.5) == "+0,50"
    assert fixed(-1234.5) == "−1.234,50"
    assert share(1, 3) == "33,3 %"
    assert size(2.5e9) == "2,50 GB"
    use_decimal_comma(False)
    assert figure(0.25, "px") == "0.250 px"
    assert count(1_234_567) == "1,234,567"


def test_no_place_of_the_window_writes_numbers_its_own_way() -> None:
    found = [
        f"{path.relative_to(WINDOW)}:{number}"
        for path in sorted(WINDOW.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if _OWN.search(line)
    ]
    assert found == []


def test_a_german_window_shows_and_takes_commas(window: MainWindow, qtbot: QtBot) -> None:
    use_decimal_comma(True)
    window.state.move_probe(0.31, -0.52)
    settle(qtbot, window)
    assert "," in window.probe.numbers().partition(";")[0]
    window.plane.fit()
    words = window.plane.getAxis("bottom").tickStrings([0.5, -1.5], 1.0, 0.5)
    assert words == ["0,5", "−1,5"]
