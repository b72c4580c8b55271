"""The keyboard reaches all that the mouse does, and each has a name for a screen reader."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QScrollBar,
    QTabBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tvae_gui.main_window import MainWindow
from tvae_gui.widgets.histogram import RangeHistogram
from tvae_gui.widgets.image_panel import PictureRow
from tvae_gui.widgets.legend import ClassList

STOCK = (QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox,
         QLineEdit)  # fmt: skip
# Qt's own parts: a scroll bar's arrows do what those of its area do, a dock's are in its menu,
# a tab that overflows is reached from the tab before it.
QTS_OWN = ("qt_", "ScrollLeftButton", "ScrollRightButton", "qt_spinbox_lineedit")
# What is clicked here has other keys: Alt and the letters of a menu, the arrows of a tab.
# The decoded image is turned by its dial, the chips' frame only keeps presses from the plane.
OTHER_WAYS = ("QMenuBar", "QTabBar", "QDockWidgetTitleButton", "QHeaderView", "ImagePanel",
              "FilterChips")  # fmt: skip


def hands(window: QWidget) -> Iterator[QWidget]:
    """The widgets in view that a click does something on."""
    for widget in window.findChildren(QWidget):
        own = type(widget).__module__.startswith("tvae_gui")
        clicked = own and "mousePressEvent" in vars(type(widget))
        stock = isinstance(widget, STOCK) and not isinstance(widget, QScrollBar | QTabBar)
        named_by_qt = widget.objectName().startswith(QTS_OWN)
        if widget.isVisible() and (clicked or stock) and not named_by_qt:
            kinds = {kind.__name__ for kind in type(widget).__mro__}
            parents = {widget.parentWidget().__class__.__name__}
            if not kinds & set(OTHER_WAYS) and not parents & {"QTabBar", "QDockWidget"}:
                yield widget


def name_of(widget: QWidget) -> str:
    words = widget.text() if isinstance(widget, QAbstractButton) else ""
    return widget.accessibleName() or words or widget.toolTip()


def test_what_can_be_clicked_takes_the_keyboard_and_has_a_name(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.resize(1920, 1080)
    labels = np.arange(window.state.images) % 3
    from tvae_gui.state.made import Clusters

    window.state.set_clusters(Clusters(labels, ("a", "b", "c"), ("#111111", "#222222", "#333333")))
    window.commands.run("walk")
    wrong, seen = [], 0
    for card in ("", *window.cards):
        if card:
            window.commands.run(card)
        settle(qtbot, window)
        for widget in hands(window):
            seen += 1
            tab = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
            if widget.isEnabled() and not (tab and name_of(widget).strip()):
                wrong.append(f"{type(widget).__name__} {name_of(widget)!r} {tab} on {card}")
    assert seen > 100
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_pictures_classes_and_ranges_are_used_by_keys(qtbot: QtBot) -> None:
    row, classes, plot = PictureRow(20), ClassList(), RangeHistogram()
    for widget in (row, classes, plot):
        qtbot.addWidget(widget)
        widget.resize(200, 60)
    from PyQt6.QtGui import QImage

    from tvae_gui.state.scatter_frame import LegendRow

    row.set_pictures([4, 7, 9], [QImage(4, 4, QImage.Format.Format_RGB32)] * 3)
    classes.set_classes(tuple(LegendRow(n, f"c{n}", "#ff0000", n) for n in range(3)))
    plot.set_values(np.linspace(0, 1, 1001), "")
    clicked: list[int] = []
    picked: list[tuple[int, bool]] = []
    ranges: list[tuple[float, float]] = []
    row.clicked.connect(clicked.append)
    classes.picked.connect(lambda number, adds: picked.append((number, adds)))
    plot.range_changed.connect(lambda low, high: ranges.append((low, high)))
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Space):
        QTest.keyClick(row, key)
    assert clicked == [9]
    QTest.keyClick(classes, Qt.Key.Key_Down)
    QTest.keyClick(classes, Qt.Key.Key_Down)
    QTest.keyClick(classes, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert picked == [(1, True)]
    QTest.keyClick(plot, Qt.Key.Key_Left)
    QTest.keyClick(plot, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    step = 1 / 64
    assert np.allclose(ranges, [(0, 1 - step), (step, 1 - step)], atol=2e-3)
    QTest.keyClick(plot, Qt.Key.Key_Delete)
    assert plot.range is None
