"""Classes as cards, with keys and the mouse on a shown window."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.hands import CTRL, click, press
from tvae_core.colours import class_colours
from tvae_gui.gallery.class_grid import ClassGrid
from tvae_gui.main_window import MainWindow
from tvae_gui.state.gallery_state import Subject
from tvae_gui.state.made import Clusters

Key = Qt.Key


@pytest.fixture
def cards(window: MainWindow, qtbot: QtBot) -> ClassGrid:
    assert window.state.store is not None
    labels = window.state.store.labels.astype(np.int32)
    labels[:30] = -1
    names = ("closed", "half open", "open")
    window.state.set_clusters(Clusters(labels, names, class_colours(3), "k-means"))
    window.state.stack.clear()
    press(window, Key.Key_G, CTRL)
    press(window.gallery_page.grid, Key.Key_C)
    settle(qtbot, window)
    assert window.gallery_page.classes.isVisible()
    return window.gallery_page.classes


def marked(window: MainWindow, name: str) -> int:
    named = window.state.named_set(name)
    return 0 if named is None else named.count


def drag(cards: ClassGrid, source: int, target: int, release: bool = True) -> None:
    start, end = cards.place_of(source).center(), cards.place_of(target).center()
    view = cards.viewport()
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=start)
    for share in (0.1, 0.5, 1.0):
        QTest.mouseMove(view, start + (end - start) * share)
    if release:
        QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=end)


def test_each_class_shows_average_count_resolution_and_first_images(
    window: MainWindow, cards: ClassGrid
) -> None:
    assert window.state.clusters is not None
    sizes = np.bincount(window.state.clusters.labels[window.state.clusters.labels >= 0])
    assert [(f.card.name, f.card.count) for f in cards.faces] == list(
        zip(("closed", "half open", "open"), sizes.tolist(), strict=True)
    )
    for face in cards.faces:
        assert face.average is not None
        assert len(face.first) == 6
        assert face.resolution.endswith("Å") or face.resolution == "not resolved"


def test_keys_keep_and_reject_whole_classes(window: MainWindow, cards: ClassGrid) -> None:
    sizes = [face.card.count for face in cards.faces]
    press(cards, Key.Key_K)
    press(cards, Key.Key_X)
    assert (marked(window, "kept"), marked(window, "rejected")) == (sizes[0], sizes[1])
    assert [face.card.mark for face in cards.faces] == ["kept", "rejected", ""]
    press(cards, Key.Key_Z, CTRL)
    assert [face.card.mark for face in cards.faces] == ["kept", "", ""]
    click(cards.viewport(), cards.place_of(0).center(), CTRL)
    click(cards.viewport(), cards.place_of(2).center(), CTRL)
    press(cards, Key.Key_X)
    assert [face.card.mark for face in cards.faces] == ["rejected", "", "rejected"]
    press(cards, Key.Key_U)
    assert marked(window, "rejected") == 0


def test_a_card_dragged_onto_another_merges_and_undo_parts_them(
    window: MainWindow, cards: ClassGrid, qtbot: QtBot
) -> None:
    before = window.state.clusters
    assert before is not None
    drag(cards, 2, 0)
    clusters = window.state.clusters
    assert clusters is not None
    assert clusters.names == ("closed", "half open")
    assert int((clusters.labels == 0).sum()) == int(np.isin(before.labels, (0, 2)).sum())
    assert int((clusters.labels == -1).sum()) == 30
    settle(qtbot, window)
    assert all(face.average is not None for face in cards.faces)
    press(cards, Key.Key_Z, CTRL)
    assert window.state.clusters is before
    assert len(cards.faces) == 3


def test_a_drag_let_go_beside_the_cards_merges_nothing(
    window: MainWindow, cards: ClassGrid
) -> None:
    before = window.state.clusters
    drag(cards, 1, 2, release=False)
    beside = QPoint(cards.viewport().width() - 2, cards.viewport().height() - 2)
    QTest.mouseMove(cards.viewport(), beside)
    QTest.mouseRelease(cards.viewport(), Qt.MouseButton.LeftButton, pos=beside)
    drag(cards, 1, 2, release=False)
    press(cards, Key.Key_Escape)
    QTest.mouseRelease(cards.viewport(), Qt.MouseButton.LeftButton, pos=cards.place_of(2).center())
    assert window.state.clusters is before


def test_a_double_click_or_enter_lists_the_images(window: MainWindow, cards: ClassGrid) -> None:
    QTest.mouseDClick(cards.viewport(), Qt.MouseButton.LeftButton, pos=cards.place_of(1).center())
    assert window.gallery_page.grid.isVisible()
    assert window.gallery_state.subject == Subject("cluster", "half open", 1)
    assert window.state.clusters is not None
    assert (window.state.clusters.labels[window.gallery_state.order] == 1).all()
    press(window.gallery_page.grid, Key.Key_C)
    press(cards, Key.Key_Right)
    press(cards, Key.Key_Return)
    assert window.gallery_state.subject.name == "open"


def test_sets_are_cards_too_and_merge(window: MainWindow, cards: ClassGrid) -> None:
    for name, start in (("one", 0), ("two", 50)):
        window.state.select_indices(range(start, start + 60))
        window.state.add_set(name)
    box = window.gallery_page.grouping_box
    box.setCurrentText("sets")
    box.textActivated.emit("sets")
    assert [(f.card.name, f.card.count) for f in cards.faces] == [("one", 60), ("two", 60)]
    drag(cards, 1, 0)
    assert [(s.name, s.count) for s in window.state.sets] == [("one", 110)]
    assert sorted(d.named.name for d in window.state.deleted) == ["one", "two"]
    press(cards, Key.Key_Z, CTRL)
    assert [(s.name, s.count) for s in window.state.sets] == [("one", 60), ("two", 60)]


def test_a_class_without_images_has_a_picture_of_nothing(window: MainWindow, qtbot: QtBot) -> None:
    found: list[int] = []
    failed: list[object] = []
    window.tiles.class_ready.connect(lambda picture: found.append(picture.number))
    window.tiles.failed.connect(failed.append)
    store = window.state.store
    assert store is not None
    none, few = np.empty(0, np.int64), np.arange(5)
    window.tiles.ask_classes([none, few], "tag", store.angle_rad, store.shift_px, store.images)
    qtbot.waitUntil(lambda: len(found) == 2 or bool(failed), timeout=20_000)
    assert failed == []
    assert found == [0, 1]
