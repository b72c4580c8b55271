"""Filters as chips over the plane: each with its words and a cross, and a count of what passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from PyQt6.QtCore import QEvent, QObject, QPoint, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from tvae_core.columns import Column
from tvae_core.words import count
from tvae_gui.state.filter_words import Chip
from tvae_gui.theme import GRID, set_role
from tvae_gui.widgets.controls import muted, tool_button
from tvae_gui.widgets.histogram import RangeHistogram

_AXIS_PX = 52  # what the axes of the plane take at its left and its foot


class FilterChips(QFrame):
    """A row of chips at the foot of the plane.

    Signals: removed(key), edited(key), added(key).
    """

    removed = pyqtSignal(str)
    edited = pyqtSignal(str)
    added = pyqtSignal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.setAccessibleName("Filters")
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(GRID, 4, 4, 4)
        self._row.setSpacing(4)
        self.count = QLabel()
        set_role(self.count, "small")
        self._row.addWidget(self.count)
        self.chips: list[QToolButton] = []
        self.crosses: list[QToolButton] = []
        self.add = tool_button("+ Filter")
        set_role(self.add, "quiet")
        self.add.setToolTip("Show only some images: choose a column")
        self.menu = QMenu(self.add)
        self.add.setMenu(self.menu)
        self.add.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._row.addWidget(self.add)
        parent.installEventFilter(self)
        self.hide()

    def show_chips(self, chips: Sequence[Chip], words: str) -> None:
        """Show a chip for each filter, and how many images pass."""
        for button in (*self.chips, *self.crosses):
            self._row.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.chips, self.crosses = [], []
        for chip in chips:
            edit, cross = tool_button(chip.words), tool_button("×")
            edit.setToolTip("Change this filter")
            cross.setAccessibleName(f"Remove the filter by {chip.words}")
            cross.setToolTip("Remove this filter")
            set_role(cross, "quiet")
            edit.clicked.connect(lambda _=False, key=chip.key: self.edited.emit(key))
            cross.clicked.connect(lambda _=False, key=chip.key: self.removed.emit(key))
            for button in (edit, cross):
                self._row.insertWidget(self._row.count() - 1, button)
                button.show()
            self.chips.append(edit)
            self.crosses.append(cross)
        self.count.setText(words)
        self.place()

    def show_columns(self, columns: Sequence[Column]) -> None:
        """List what can be filtered by."""
        self.menu.clear()
        for column in columns:
            action = self.menu.addAction(column.title)
            assert action is not None
            action.triggered.connect(lambda _=False, key=column.key: self.added.emit(key))

    def place(self) -> None:
        """Stand at the foot of the plane, above its axis."""
        parent = self.parentWidget()
        if parent is not None:
            self._row.activate()
            self.adjustSize()
            self.resize(min(self.width(), parent.width() - _AXIS_PX - GRID), self.height())
            self.move(_AXIS_PX, parent.height() - _AXIS_PX - self.height())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the plane's size."""
        if event is not None and event.type() == QEvent.Type.Resize:
            self.place()
        return super().eventFilter(watched, event)

    def mousePressEvent(self, event: object) -> None:
        """Keep presses from the plane below."""


class FilterPopup(QFrame):
    """The range or the classes of one column.

    Signals: range_changed(key, low, high), classes_changed(key, frozenset), cleared(key),
    settled() when the hand lets go.
    """

    range_changed = pyqtSignal(str, float, float)
    classes_changed = pyqtSignal(str, object)
    cleared = pyqtSignal(str)
    settled = pyqtSignal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("card")
        self.setAccessibleName("Filter")
        self._key = ""
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, GRID, 2 * GRID, 2 * GRID)
        self._title = QLabel()
        set_role(self._title, "strong")
        self.histogram = RangeHistogram()
        self.histogram.setMinimumWidth(260)
        self.histogram.range_changed.connect(
            lambda low, high: self.range_changed.emit(self._key, low, high)
        )
        self.histogram.range_cleared.connect(lambda: self.cleared.emit(self._key))
        self.histogram.range_settled.connect(self.settled)
        self._hint = muted("Drag across the histogram; double-click for all")
        self._list = QScrollArea()
        self._list.setWidgetResizable(True)
        self.ticks: list[tuple[int, QCheckBox]] = []
        for widget in (self._title, self.histogram, self._hint, self._list):
            column.addWidget(widget)

    def open_range(
        self, column: Column, values: NDArray[Any], kept: tuple[float, float] | None, at: QPoint
    ) -> None:
        """Show the histogram of a column and the range that is shown."""
        self.histogram.set_values(values, column.unit)
        self.histogram.set_range(kept)
        self._open(column, False, at)

    def open_classes(
        self,
        column: Column,
        classes: Sequence[tuple[int, str, int]],
        kept: frozenset[int] | None,
        at: QPoint,
    ) -> None:
        """Show the classes of a column with a tick for each that is shown."""
        body = QWidget()
        lines = QVBoxLayout(body)
        lines.setContentsMargins(0, 0, 0, 0)
        self.ticks = []
        for number, name, images in classes:
            tick = QCheckBox(f"{name}   {count(images)}")
            tick.setChecked(kept is None or number in kept)
            tick.toggled.connect(lambda _: self._on_ticked())
            lines.addWidget(tick)
            self.ticks.append((number, tick))
        lines.addStretch(1)
        self._list.setWidget(body)
        self._list.setFixedHeight(min(320, 26 * len(classes) + 8))
        self._open(column, True, at)

    def _open(self, column: Column, classes: bool, at: QPoint) -> None:
        self._key = column.key
        self._title.setText(column.title)
        self.histogram.setVisible(not classes)
        self._hint.setVisible(not classes)
        self._list.setVisible(classes)
        self.adjustSize()
        self.move(at - QPoint(0, self.height() + GRID))
        self.show()

    def _on_ticked(self) -> None:
        kept = frozenset(number for number, tick in self.ticks if tick.isChecked())
        if len(kept) == len(self.ticks):
            self.cleared.emit(self._key)
        else:
            self.classes_changed.emit(self._key, kept)
        self.settled.emit()
