"""The evaluation of a run: its figures as a table, its pictures one at a time."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from tvae_gui.state.evaluation_view import EvaluationView, Line
from tvae_gui.theme import SMALL_PX, colour, font
from tvae_gui.widgets.controls import muted
from tvae_gui.widgets.drawer import Drawer
from tvae_gui.widgets.picture_view import PictureView

_ROW_PX = 24
_FEWEST_ROWS = 5
_PICTURE_PX = 230


class EvaluationDrawer(Drawer):
    """The evaluation card.

    Signals: those of `Drawer`.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Evaluation", parent)
        self._headline, self._note = muted(), muted()
        self._headline.setWordWrap(True)
        self._note.setWordWrap(True)
        self.table = self._table()
        self.choice = QComboBox()
        self.choice.setAccessibleName("Picture")
        self.choice.currentIndexChanged.connect(self._on_choice)
        self.picture = PictureView()
        self.picture.setFixedHeight(_PICTURE_PX)
        self._files: tuple[Path, ...] = ()
        self.column.addWidget(self._headline)
        self.column.addWidget(self._note)
        self.column.addWidget(self.table, 1)
        self.column.addWidget(self.choice)
        self.column.addWidget(self.picture)

    def show_evaluation(self, view: EvaluationView) -> None:
        """Show an evaluation on the open card."""
        self._headline.setText(view.headline)
        self._note.setText(view.note)
        self.table.setRowCount(len(view.lines))
        self.table.clearSpans()
        for row, line in enumerate(view.lines):
            self._fill(row, line)
        self.choice.blockSignals(True)
        self.choice.clear()
        self.choice.addItems([caption for _, caption in view.pictures])
        self.choice.blockSignals(False)
        self._files = tuple(path for path, _ in view.pictures)
        for widget in (self.choice, self.picture):
            widget.setVisible(bool(self._files))
        self._on_choice(0)
        self.open_drawer()

    def _table(self) -> QTableWidget:
        table = QTableWidget(0, 2)
        table.setAccessibleName("Evaluation metrics")
        table.setShowGrid(False)
        table.setMinimumHeight(_FEWEST_ROWS * _ROW_PX)
        table.setSizeAdjustPolicy(QTableWidget.SizeAdjustPolicy.AdjustToContents)
        table.setWordWrap(False)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        head, side = table.horizontalHeader(), table.verticalHeader()
        assert head is not None
        assert side is not None
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        head.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        head.hide()
        side.setDefaultSectionSize(_ROW_PX)
        side.hide()
        return table

    def _fill(self, row: int, line: Line) -> None:
        name, value = QTableWidgetItem(line.name), QTableWidgetItem(line.value)
        name.setToolTip(line.note or line.name)
        value.setToolTip(line.note)
        value.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if not line.value:
            name.setText(line.name.upper())
            name.setFont(font(SMALL_PX, strong=True))
            name.setForeground(colour("muted"))
            self.table.setSpan(row, 0, 1, 2)
        self.table.setItem(row, 0, name)
        self.table.setItem(row, 1, value)

    def _on_choice(self, number: int) -> None:
        if 0 <= number < len(self._files):
            self.picture.show_file(self._files[number])
