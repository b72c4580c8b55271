"""Filters as chips over the plane, with the mouse on a shown window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.hands import CTRL, click, press
from tvae_gui.main_window import MainWindow


def drag_histogram(window: MainWindow, start: int, end: int) -> None:
    histogram = window.filter_popup.histogram
    QTest.mousePress(histogram, Qt.MouseButton.LeftButton, pos=QPoint(start, 20))
    for x in np.linspace(start, end, 5).astype(int).tolist():
        QTest.mouseMove(histogram, QPoint(x, 20))
    QTest.mouseRelease(histogram, Qt.MouseButton.LeftButton, pos=QPoint(end, 20))


def add(window: MainWindow, title: str) -> None:
    (action,) = [a for a in window.filter_chips.menu.actions() if a.text() == title]
    action.trigger()
    assert window.filter_popup.isVisible()


def test_a_range_is_a_chip_with_a_cross_and_a_count(window: MainWindow) -> None:
    chips = window.filter_chips
    assert chips.isVisible()
    assert chips.count.text() == "600 images"
    add(window, "reconstruction error")
    drag_histogram(window, 10, 120)
    low, high = window.state.filters["error"]
    error = window.state.values("error")
    passing = int(((error >= np.float32(low)) & (error <= np.float32(high))).sum())
    assert chips.count.text() == f"{passing} of 600"
    (chip,) = chips.chips
    assert chip.text().startswith("reconstruction error ")
    window.filter_popup.hide()
    click(chips.crosses[0])
    assert (window.state.filters, chips.chips, chips.count.text()) == ({}, [], "600 images")
    assert window.state.stack.undo_name == "remove the filter by reconstruction error"
    press(window.plane, Qt.Key.Key_Z, CTRL)
    assert len(chips.chips) == 1


def test_classes_are_ticks(window: MainWindow) -> None:
    add(window, "label")
    ticks = dict(window.filter_popup.ticks)
    assert [tick.isChecked() for tick in ticks.values()] == [True] * 3
    click(ticks[1], QPoint(8, ticks[1].height() // 2))
    labels = window.state.values("label")
    assert window.state.visible is not None
    np.testing.assert_array_equal(window.state.visible, labels != 1)
    assert window.filter_chips.chips[0].text() == "label: closed, open"
    click(ticks[1], QPoint(8, ticks[1].height() // 2))
    assert window.state.filters == {}
    window.filter_popup.hide()


def test_filters_are_seen_again_when_the_run_is_reopened(
    window: MainWindow, own_store: Path, qtbot: QtBot
) -> None:
    window.state.set_filter("label", frozenset({0, 2}))
    window.state.set_filter("error", (0.0, 0.05))
    window.close_run()
    assert window.open(own_store)
    settle(qtbot, window)
    assert window.state.filters == {"label": frozenset({0, 2}), "error": (0.0, 0.05)}
    assert [chip.text() for chip in window.filter_chips.chips] == [
        "label: closed, open", "reconstruction error 0.00 to 0.0500"
    ]  # fmt: skip
    add(window, "label")
    assert [tick.isChecked() for _, tick in window.filter_popup.ticks] == [True, False, True]
    window.filter_popup.hide()


def test_colour_by_set_membership_follows_the_sets(window: MainWindow) -> None:
    state = window.state
    for name, start in (("one", 0), ("two", 50)):
        state.select_indices(range(start, start + 100))
        state.add_set(name)
    state.clear_selection()
    state.colour_by("sets")
    QApplication.processEvents()
    labels = state.values("sets")
    assert np.bincount(labels + 1).tolist() == [450, 50, 50, 50]
    assert state.colour.names == ("one", "two", "several sets")
    state.delete_set("one")
    assert state.colour.names == ("two", "several sets")
    assert np.bincount(state.values("sets") + 1).tolist() == [500, 100]
    state.delete_set("two")
    assert state.colour.key == "density"
    state.undo()
    state.undo()
    assert np.bincount(state.values("sets") + 1).tolist() == [450, 50, 50, 50]
