"""Undo with keys and mouse on a shown window: merge, forget, delete; sets recently deleted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.hands import CTRL, NONE, SHIFT, click, drag, press, ring
from tvae_core.colours import class_colours
from tvae_gui.main_window import MainWindow
from tvae_gui.state.made import Clusters


def click_row(window: MainWindow, row: int, held: Qt.KeyboardModifier = NONE) -> None:
    table = window.cluster_drawer.table
    item = table.item(row, 3)
    assert item is not None
    at = table.visualItemRect(item).center()
    click(table.viewport(), at, held)


def entry(window: MainWindow, key: str) -> tuple[str, str]:
    """What a command is called now, and why it cannot run."""
    found = next(e for e in window.commands.entries() if e.key == key)
    return found.title, found.why_not


@pytest.fixture
def clustered(window: MainWindow, qtbot: QtBot) -> MainWindow:
    labels = (np.arange(600) % 5).astype(np.int32)
    window.state.set_clusters(Clusters(labels, tuple("abcde"), class_colours(5), "k-means"))
    window.state.stack.clear()
    press(window, Qt.Key.Key_K)
    settle(qtbot, window)
    assert window.cluster_drawer.isVisible()
    return window


def test_a_second_click_on_merge_merges_no_others(clustered: MainWindow) -> None:
    window, drawer = clustered, clustered.cluster_drawer
    merge = drawer.button("Merge")
    click_row(window, 1)
    click_row(window, 2, CTRL)
    for _ in range(2):
        click(merge)
    assert window.state.clusters is not None
    assert window.state.clusters.names == ("a", "b", "d", "e")
    assert drawer.table.selectedItems() == []
    assert not merge.isEnabled()


def test_ctrl_z_takes_back_merge_rename_and_remove(clustered: MainWindow) -> None:
    window, drawer = clustered, clustered.cluster_drawer
    before = window.state.clusters
    assert before is not None
    click_row(window, 0)
    click_row(window, 1, CTRL)
    click(drawer.button("Merge"))
    click(drawer.button("Remove"))
    assert window.state.clusters is None
    assert entry(window, "undo")[0] == "Undo remove the clustering"
    press(window, Qt.Key.Key_Z, CTRL)
    assert window.state.clusters is not None
    assert len(window.state.clusters.names) == 4
    assert entry(window, "undo")[0] == "Undo merge 2 clusters"
    press(window, Qt.Key.Key_Z, CTRL)
    assert window.state.clusters is before
    assert drawer.table.rowCount() == 5
    press(window, Qt.Key.Key_Z, CTRL)  # the clicks on rows: selections of their images
    press(window, Qt.Key.Key_Z, CTRL)
    assert window.state.selection.count == 0
    assert entry(window, "undo")[1] == "Nothing to undo"
    for _ in range(4):
        press(window, Qt.Key.Key_Z, CTRL | SHIFT)
    assert window.state.clusters is None
    assert entry(window, "redo")[1] == "Nothing to redo"


def test_ctrl_z_brings_a_deleted_set_back(window: MainWindow, qtbot: QtBot) -> None:
    press(window, Qt.Key.Key_L)
    drag(window, ring(-1.7, -0.5, 0.6, 0.6))
    held = window.state.selection.count
    assert held > 0
    window.sets.ask = lambda *_: "open"
    press(window, Qt.Key.Key_S, CTRL)
    assert [s.count for s in window.state.sets] == [held]
    window.sets.delete("open")
    assert window.inspector.deleted_button.text() == "Recently deleted (1)…"
    press(window, Qt.Key.Key_Z, CTRL)
    assert [s.name for s in window.state.sets] == ["open"]
    assert not window.inspector.deleted_button.isVisible()


def test_a_deleted_set_is_there_after_one_closing_and_gone_after_two(
    window: MainWindow, own_store: Path, qtbot: QtBot
) -> None:
    window.state.select_indices(range(10))
    window.state.add_set("good", "kept for the paper")
    window.sets.delete("good")
    for closings in (1, 2):
        window.close_run()
        assert window.open(own_store)
        settle(qtbot, window)
        assert [d.closings for d in window.state.deleted] == [1][: 2 - closings]
    window.state.select_indices(range(20))
    window.state.add_set("again")
    window.sets.delete("again")
    window.close_run()
    assert window.open(own_store)
    settle(qtbot, window)
    button = window.inspector.deleted_button
    window.inspector.ensureWidgetVisible(button)
    click(button)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    (action,) = menu.actions()
    assert action.text() == "Restore “again” (20 images)"
    click(menu, menu.actionGeometry(action).center())
    assert [(s.name, s.count) for s in window.state.sets] == [("again", 20)]
    assert window.state.deleted == ()


def test_a_drag_of_the_filter_is_taken_back_at_once(window: MainWindow) -> None:
    histogram = window.inspector.histogram
    window.inspector.ensureWidgetVisible(histogram)
    QTest.mousePress(histogram, Qt.MouseButton.LeftButton, pos=QPoint(20, 20))
    for x in (40, 60, 90):
        QTest.mouseMove(histogram, QPoint(x, 20))
    QTest.mouseRelease(histogram, Qt.MouseButton.LeftButton, pos=QPoint(90, 20))
    assert window.state.visible is not None
    press(window, Qt.Key.Key_Z, CTRL)
    assert window.state.visible is None
    assert histogram.range is None
    press(window, Qt.Key.Key_Z, CTRL | SHIFT)
    assert window.state.visible is not None
