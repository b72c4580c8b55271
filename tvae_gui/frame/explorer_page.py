"""The page of an open run: panels left and right of the plane, the gallery below."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from tvae_gui.theme import GRID


class ExplorerPage(QWidget):
    """Lays out the panels; the first widget of the centre takes the room that is left.

    Signals: none.
    """

    def __init__(
        self, left: QWidget, centre: Sequence[QWidget], right: QWidget, foot: QWidget
    ) -> None:
        super().__init__()
        self._columns = QSplitter(Qt.Orientation.Horizontal)
        self._columns.setHandleWidth(GRID)
        self._columns.setChildrenCollapsible(False)
        middle = QWidget()
        stacked = QVBoxLayout(middle)
        stacked.setContentsMargins(0, 0, 0, 0)
        stacked.setSpacing(GRID)
        for place, widget in enumerate(centre):
            stacked.addWidget(widget, int(place == 0))
        for place, widget in enumerate((left, middle, right)):
            self._columns.addWidget(widget)
            self._columns.setStretchFactor(place, int(widget is middle))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID)
        column.addWidget(self._columns, 1)
        column.addWidget(foot)

    def share_out(self, width: int, height: int) -> None:
        """Give the side panels a share of a window of this size."""
        left = int(min(max(232, 0.16 * width), 320))
        right = int(min(max(296, 0.24 * width), 0.52 * height, 640))
        self._columns.setSizes([left, max(200, width - left - right - 4 * GRID), right])
