"""How clusters share out the known labels: shares, the large ones in stronger ink."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QIcon, QPixmap
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from tvae_core.words import count
from tvae_gui.theme import colour
from tvae_gui.widgets.controls import muted, title

_ROW_PX = 24
_MOST_ROWS = 6
_MANY = 0.5  # a label's share that is written in the stronger ink

_MATCHED = ", clusters matched to labels one to one"


class ConfusionTable(QWidget):
    """One row a label, one column a cluster: how many per cent of the label are in the cluster.

    Signals: none.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = QTableWidget()
        self.table.setAccessibleName("Labels by cluster")
        self.table.setShowGrid(False)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # the arrows scroll it
        self._agreement = muted()
        self._agreement.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(title("Labels by cluster, %"))
        column.addWidget(self.table)
        column.addWidget(self._agreement)
        self.hide()

    def show_counts(
        self,
        counts: NDArray[Any] | None,
        labels: tuple[str, ...],
        clusters: tuple[str, ...],
        colours: tuple[str, ...],
        agreement: float,
    ) -> None:
        """Show how many images of each label are in each cluster; None hides the table.

        Parameters
        ----------
        counts : (labels, clusters) int
        agreement : float
            The share of the images in the cluster matched with their label, 0..1.
        """
        self.setVisible(counts is not None)
        if counts is None:
            return
        self.table.setRowCount(len(labels))
        self.table.setColumnCount(len(clusters))
        self.table.setVerticalHeaderLabels(list(labels))
        for place, (name, ink) in enumerate(zip(clusters, colours, strict=True)):
            self.table.setHorizontalHeaderItem(place, _head(name, ink, len(clusters) <= 3))
        total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
        for (row, place), number in np.ndenumerate(counts):
            words = f"{count(int(number), 'image')} of {labels[row]} in {clusters[place]}"
            self.table.setItem(row, place, _cell(float(number) / float(total[row, 0]), words))
        self._fit()
        self._agreement.setText(f"{100 * agreement:.0f} % of the images agree{_MATCHED}")

    def _fit(self) -> None:
        head, side = self.table.horizontalHeader(), self.table.verticalHeader()
        assert head is not None
        assert side is not None
        few = self.table.columnCount() <= 6
        mode = QHeaderView.ResizeMode
        head.setSectionResizeMode(mode.Stretch if few else mode.Interactive)
        head.setMinimumSectionSize(36)
        if not few:
            head.setDefaultSectionSize(40)
        side.setDefaultSectionSize(_ROW_PX)
        side.setMaximumWidth(104)
        rows = min(self.table.rowCount(), _MOST_ROWS)
        self.table.setFixedHeight(rows * _ROW_PX + 28 + (0 if few else 8))


def _head(name: str, ink: str, with_name: bool) -> QTableWidgetItem:
    item = QTableWidgetItem(name if with_name else "")
    swatch = QPixmap(10, 10)
    swatch.fill(colour(ink))
    item.setIcon(QIcon(swatch))
    item.setToolTip(name)
    return item


def _cell(share: float, words: str) -> QTableWidgetItem:
    item = QTableWidgetItem("–" if share == 0 else f"{100 * share:.0f}")
    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    item.setForeground(colour("text" if share >= _MANY else "muted"))
    item.setToolTip(words)
    return item
