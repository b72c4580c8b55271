"""No words and no numbers are cut, on any page and card, in the smallest window that is meant."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QAbstractButton, QLabel, QTableWidget, QWidget
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.hands import press
from tvae_gui.frame.start_page import StartPage
from tvae_gui.inspector.inspector import Inspector
from tvae_gui.main_window import MainWindow
from tvae_gui.widgets.controls import ElidedLabel, title
from tvae_gui.words import CLUSTER_METHODS

CARDS = ("clusters", "export", "averages", "compare", "poses")
_PADDING_PX = 4  # of a cell, by the style sheet


def cut(root: QWidget) -> Iterator[str]:
    """Name the words below a widget for which there is no room."""
    for label in root.findChildren(QLabel):
        if not label.isVisible() or isinstance(label, ElidedLabel) or not label.text():
            continue
        if label.wordWrap() and label.height() < label.heightForWidth(label.width()):
            yield f"label {label.text()!r}: {label.height()} px high"
        elif not label.wordWrap() and label.width() < label.sizeHint().width():
            yield f"label {label.text()!r}: {label.width()} px wide"
        elif not label.wordWrap() and label.height() < label.fontMetrics().height():
            yield f"label {label.text()!r}: {label.height()} px high"
    for button in root.findChildren(QAbstractButton):
        if (
            button.isVisible()
            and button.text()
            and button.width() < button.minimumSizeHint().width()
        ):
            yield f"button {button.text()!r}: {button.width()} px wide"
    for table in root.findChildren(QTableWidget):
        if table.isVisible():
            yield from _cut_numbers(table)


def _cut_numbers(table: QTableWidget) -> Iterator[str]:
    for row in range(table.rowCount()):
        for column in range(table.columnCount()):
            item = table.item(row, column)
            if item is None or not item.textAlignment() & int(Qt.AlignmentFlag.AlignRight):
                continue
            words = table.fontMetrics().horizontalAdvance(item.text()) + 2 * _PADDING_PX
            if words > table.columnWidth(column):
                yield f"number {item.text()!r} in {table.accessibleName()!r}"


def test_the_start_page_cuts_no_words(qtbot: QtBot) -> None:
    page = StartPage()
    qtbot.addWidget(page)
    page.resize(1264, 600)
    page.show()
    assert list(cut(page)) == []


@pytest.mark.parametrize("card", CARDS)
def test_a_card_cuts_no_words_and_no_numbers(window: MainWindow, qtbot: QtBot, card: str) -> None:
    window.resize(1280, 720)
    window.state.select({"kind": "range", "column": "z1", "low": 1.0, "high": None})
    window.clusters.run("k-means", 3, False)
    settle(qtbot, window)
    window.commands.run(card)
    settle(qtbot, window)
    assert window.cards[card].isVisible()
    assert list(cut(window)) == []


def test_the_gallery_and_its_classes_cut_no_words(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(1280, 720)
    press(window, Qt.Key.Key_G, Qt.KeyboardModifier.ControlModifier)
    settle(qtbot, window)
    assert list(cut(window)) == []
    window.gallery_page.classes_wanted.emit(True)
    settle(qtbot, window)
    assert list(cut(window)) == []


def test_the_foot_says_what_hands_can_do_until_there_is_a_message(
    window: MainWindow, qtbot: QtBot
) -> None:
    press(window.plane, Qt.Key.Key_L)
    assert window.hint.text().startswith("Drag around the images to select")
    press(window, Qt.Key.Key_G, Qt.KeyboardModifier.ControlModifier)
    assert window.hint.text().startswith("K: keep")
    window.message_bar.show_message("notice", "Written")
    assert not window.hint.isVisible()
    window.message_bar.hide()
    assert window.hint.isVisible()
    window.close_run()
    assert window.hint.text() == ""


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("Five nearest in z", "FIVE NEAREST IN z"),
        ("How turned: q(r)", "HOW TURNED: q(r)"),
        ("z1 and q(t, r)", "z1 AND q(t, r)"),
        ("Show a set", "SHOW A SET"),
        ("Größe", "GRÖSSE"),
    ],
)
def test_titles_keep_their_symbols(qapp: object, words: str, shown: str) -> None:
    assert title(words).text() == shown


def test_axes_write_the_minus_of_all_figures(window: MainWindow) -> None:
    for side in ("left", "bottom"):
        words = window.plane.getAxis(side).tickStrings([-2.0, 0.0, 2.0], 1.0, 2.0)
        assert words == ["−2", "0", "2"]


def test_one_image_has_no_spread(window: MainWindow, qtbot: QtBot) -> None:
    window.state.select({"kind": "indices", "indices": [3]})
    settle(qtbot, window)
    assert window.gallery.average.image is not None
    assert window.gallery.spread.image is None


def test_long_numbers_are_whole_in_the_comparison(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(1280, 720)
    drawer = window.compare_drawer
    drawer.open_drawer()
    drawer.show_columns([("elbo", "ELBO of a long name", -0.52, -3283.0, -1234567.0)])
    settle(qtbot, window)
    assert drawer.table.item(0, 3).text() == "−1,234,567"
    assert list(cut(drawer)) == []


@pytest.mark.parametrize("words", [words for words, _ in CLUSTER_METHODS])
def test_long_words_beside_buttons_do_not_widen_the_inspector(
    window: MainWindow, qtbot: QtBot, words: str
) -> None:
    """Of what is wider than the inspector the right end is cut, in every row of it."""
    window.resize(1280, 720)
    (inspector,) = window.findChildren(Inspector)
    inspector.show_clusters(f"24 by {words}")
    inspector.show_poses("some are mirror images of others")
    settle(qtbot, window)
    frame, room = inspector.widget(), inspector.viewport()
    assert frame is not None
    assert room is not None
    assert frame.minimumSizeHint().width() <= room.width()
