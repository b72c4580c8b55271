"""The card that compares two groups of images."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QImage, QPixmap
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from tvae_core.words import count, figure, signed
from tvae_gui.state.comparison import REST, Group
from tvae_gui.theme import GRID
from tvae_gui.widgets.controls import muted, row
from tvae_gui.widgets.drawer import Drawer

SIDE_PX = 96
_EFFECT = (
    "Rank-biserial correlation: +1 where every image of the first group has the larger value, "
    "−1 where every one has the smaller, 0 where neither group tends to"
)


class CompareDrawer(Drawer):
    """Two groups, their averages and the difference, and the columns sorted by how they differ.

    Signals: groups_chosen(first, second), column_picked(key).
    """

    groups_chosen = pyqtSignal(object, object)
    column_picked = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Compare", parent)
        self.first, self.second = self._box("First group"), self._box("Second group")
        self.column.addLayout(row(self.first, muted("with"), self.second, spacing=4))
        self.pictures = [_Picture(name) for name in ("first", "second", "difference")]
        self.column.addLayout(row(*self.pictures, spacing=GRID))
        self._note = muted()
        self._note.setWordWrap(True)
        self.column.addWidget(self._note)
        self.table = self._table()
        self.column.addWidget(self.table, 1)
        self._keys: list[str] = []

    def _box(self, name: str) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName(name)
        box.setMinimumContentsLength(10)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.activated.connect(
            lambda: self.groups_chosen.emit(self.first.currentData(), self.second.currentData())
        )
        return box

    def _table(self) -> QTableWidget:
        table = QTableWidget(0, 4)
        table.setHorizontalHeaderLabels(["column", "differs", "first", "second"])
        for place, tip in ((1, _EFFECT), (2, "Median"), (3, "Median")):
            if (item := table.horizontalHeaderItem(place)) is not None:
                item.setToolTip(tip)
        table.setAccessibleName("Columns by how they differ")
        table.setToolTip("Click a column to colour the plane by it")
        table.setShowGrid(False)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        head, side = table.horizontalHeader(), table.verticalHeader()
        assert head is not None
        assert side is not None
        side.hide()
        side.setDefaultSectionSize(26)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for place in (1, 2, 3):  # a number is never cut; a name may be
            head.setSectionResizeMode(place, QHeaderView.ResizeMode.ResizeToContents)
        table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        table.setMinimumHeight(8 * 26 + 34)
        table.cellClicked.connect(lambda line, _: self.column_picked.emit(self._keys[line]))
        return table

    def show_groups(
        self, groups: Sequence[tuple[str, Group, int]], first: Group, second: Group
    ) -> None:
        """List what can be compared."""
        rest = [("all others", REST, 0)]
        for box, entries, chosen in (
            (self.first, list(groups), first),
            (self.second, [*rest, *groups], second),
        ):
            box.blockSignals(True)
            box.clear()
            for words, group, _ in entries:
                box.addItem(words, group)
            found = [group for _, group, _ in entries]
            box.setCurrentIndex(found.index(chosen) if chosen in found else 0)
            box.blockSignals(False)

    def show_counts(self, first: int, second: int) -> None:
        """Say how many images each group has."""
        for picture, images in zip(self.pictures, (first, second), strict=False):
            picture.caption.setText(count(images, "image"))
        self.pictures[2].caption.setText("first − second")

    def show_pictures(self, images: Sequence[QImage | None], reach: float | None = None) -> None:
        """Show both averages and their difference, whose colours reach to ± `reach`."""
        named = "first − second" if reach is None else f"difference ±{figure(reach)}"
        self.pictures[2].caption.setText(named)
        self.pictures[2].setToolTip("First less second: blue is less, orange is more")
        for picture, image in zip(self.pictures, images, strict=True):
            picture.show_image(image)

    def show_columns(self, lines: Sequence[tuple[str, str, float, float, float]]) -> None:
        """List columns: key, title, effect and both medians."""
        self._keys = [line[0] for line in lines]
        self.table.setRowCount(len(lines))
        for number, (_, title, effect, first, second) in enumerate(lines):
            words = (title, signed(effect), figure(first), figure(second))
            for place, text in enumerate(words):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                if place:
                    right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    item.setTextAlignment(right)
                self.table.setItem(number, place, item)
        self.place()

    def show_running(self, running: bool, words: str = "") -> None:
        """Say that the groups are being compared, or how that ended."""
        self._note.setText("Comparing …" if running else words)
        self._note.setVisible(running or bool(words))

    def show_progress(self, share: float, words: str = "") -> None:
        """Show nothing: it takes a moment."""


class _Picture(QWidget):
    """One picture with its caption."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self._image = QLabel("–")
        self._image.setFixedSize(QSize(SIDE_PX, SIDE_PX))
        self._image.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.caption = muted(name)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self._image)
        column.addWidget(self.caption)

    @property
    def pixmap(self) -> QPixmap:
        """What is shown."""
        return self._image.pixmap()

    def show_image(self, image: QImage | None) -> None:
        """Show an image."""
        if image is None:
            self._image.setText("–")
            return
        size, smooth = QSize(SIDE_PX, SIDE_PX), Qt.TransformationMode.SmoothTransformation
        keep = Qt.AspectRatioMode.KeepAspectRatio
        self._image.setPixmap(QPixmap.fromImage(image.scaled(size, keep, smooth)))
