"""Two selections compared, opened by its key and chosen with the mouse."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.hands import click, press
from tvae_gui.main_window import MainWindow


def test_a_set_and_the_rest_differ_in_what_made_the_set(window: MainWindow, qtbot: QtBot) -> None:
    z = window.state.values("z1")
    window.state.select({"kind": "range", "column": "z1", "low": 1.0, "high": None})
    window.state.add_set("open")
    press(window, Qt.Key.Key_D, Qt.KeyboardModifier.ShiftModifier)
    settle(qtbot, window)
    drawer = window.compare_drawer
    assert drawer.isVisible()
    assert drawer.table.item(0, 0).text() == "z1"
    assert drawer.table.item(0, 1).text() == "+1.00"
    medians = [float(np.median(z[z >= 1])), float(np.median(z[z < 1]))]
    shown = [float(drawer.table.item(0, c).text().replace("−", "-")) for c in (2, 3)]
    np.testing.assert_allclose(shown, medians, rtol=0.01)  # three figures
    assert drawer.pictures[0].caption.text() == f"{int((z >= 1).sum())} images"
    images = [picture.pixmap.toImage() for picture in drawer.pictures]
    assert not any(image.isNull() for image in images)
    assert images[0] != images[1]
    click(drawer.table.viewport(), drawer.table.visualItemRect(drawer.table.item(0, 0)).center())
    assert window.state.colour.key == "z1"


def test_with_nothing_to_compare_it_says_so(window: MainWindow, qtbot: QtBot) -> None:
    press(window, Qt.Key.Key_D, Qt.KeyboardModifier.ShiftModifier)
    settle(qtbot, window)
    assert "nothing to compare" in window.compare_drawer._note.text()
