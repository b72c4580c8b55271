"""The gallery: what the selection looks like, upright, with its average, spread and residual."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from PyQt6.QtCore import QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QImage, QPainter, QPaintEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from tvae_core.words import count, share
from tvae_gui.theme import GRID, SMALL_PX, colour, font, set_role
from tvae_gui.widgets.controls import muted, panel, row, title
from tvae_gui.widgets.image_panel import PictureRow
from tvae_gui.words import NO_RUN

Array = NDArray[Any]
SIDE = 96
LINE = 40
_HINT = "Draw around images (L), or click a cluster or a set"


class Captioned(QWidget):
    """One picture with its name below; nothing but the name when there is none."""

    def __init__(self, name: str, explanation: str) -> None:
        super().__init__()
        self._name = name
        self._image: QImage | None = None
        self.words = name
        self.setToolTip(explanation)
        self.setAccessibleName(name)
        self.setFixedSize(QSize(SIDE, SIDE + 20))

    def set_image(self, image: QImage | None, words: str = "") -> None:
        """Show a picture; below it its name, or words that say more."""
        self._image, self.words = image, words or self._name
        self.update()

    @property
    def image(self) -> QImage | None:
        """The picture shown."""
        return self._image

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        square = QRectF(0, 0, SIDE, SIDE)
        painter.fillRect(square, colour("plane"))
        painter.setFont(font(SMALL_PX))
        painter.setPen(colour("muted"))
        if self._image is not None:
            painter.drawImage(square, self._image)
        else:
            painter.drawText(square, int(Qt.AlignmentFlag.AlignCenter), "–")
        words = QRectF(0, SIDE + 4, SIDE, 16)
        painter.drawText(words, int(Qt.AlignmentFlag.AlignLeft), self.words)


class Gallery(QWidget):
    """The strip at the bottom.

    Signals: image_picked(number), save_wanted(), export_wanted(), clear_wanted().
    """

    image_picked = pyqtSignal(int)
    save_wanted = pyqtSignal()
    export_wanted = pyqtSignal()
    clear_wanted = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Selection")
        self.average = Captioned("average", "Pose-aligned mean of the selected images")
        self.spread = Captioned("spread", "Standard deviation of the upright images at each pixel")
        self.residual = Captioned(
            "residual", "Average less the decoded image: blue is less, orange is more than drawn"
        )
        self.images = PictureRow(46, rows=2)
        self.images.clicked.connect(self.image_picked)
        frame, column = panel(margins=12)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(frame)
        line = QHBoxLayout()
        line.setSpacing(2 * GRID)
        line.addLayout(self._summary())
        for picture in (self.average, self.spread, self.residual):
            line.addWidget(picture)
        right = QVBoxLayout()
        right.setSpacing(6)
        right.addWidget(self.images)
        self._caption = muted()
        right.addWidget(self._caption)
        right.addStretch(1)
        line.addLayout(right, 1)
        column.addLayout(line)
        self.show_room(False)

    def show_room(self, full: bool) -> None:
        """Take the room that pictures need, or that of a line: there is nothing to show."""
        self._hint.setVisible(not full)
        for widget in (self._of, self.save, self.export, self.average, self.spread, self.residual,
                       self.images, self._caption):  # fmt: skip
            widget.setVisible(full)
        self.setFixedHeight(SIDE + 20 + 24 if full else LINE)

    @property
    def is_full(self) -> bool:
        """Whether pictures have room."""
        return self.height() > LINE

    def _summary(self) -> QVBoxLayout:
        self._count = QLabel("0")
        set_role(self._count, "strong")
        self._of = muted()
        self._of.setWordWrap(True)
        self.save = QPushButton("Save as set…")
        self.save.clicked.connect(lambda: self.save_wanted.emit())
        self.export = QPushButton("Export…")
        self.export.clicked.connect(lambda: self.export_wanted.emit())
        for button in (self.save, self.export):
            button.setMinimumWidth(136)
        made = QVBoxLayout()
        made.setSpacing(4)
        self._hint = muted(_HINT)
        head = row(title("Selection"), self._count, self._hint)
        head.addStretch(1)
        made.addLayout(head)
        made.addWidget(self._of)
        made.addStretch(1)
        made.addWidget(self.save)
        made.addWidget(self.export)
        return made

    def show_count(self, selected: int, total: int) -> None:
        """Say how many of all images are selected."""
        some = selected > 0
        self._count.setText(count(selected) if some else "none")
        of = f"of {count(total, 'image')} · {share(selected, total)}"
        self._of.setText(of if some else "Draw around images (L)")
        self.save.setEnabled(some)
        self.save.setToolTip("Save the selection under a name (Ctrl+S)" if some else _WHY)
        self.export.setEnabled(total > 0)
        words = f"Export {count(selected, 'image')}…" if some else "Export…"
        self.export.setText(words)
        why = "Write images, tables or figures (Ctrl+E)" if total else NO_RUN
        self.export.setToolTip(why)

    @property
    def count_text(self) -> str:
        """The count as it is written."""
        return self._count.text()

    def show_pictures(
        self, numbers: Array | list[int], images: list[QImage], caption: str, words: str = ""
    ) -> None:
        """Show upright images of the selection."""
        self.images.set_pictures(numbers, images, words)
        self._caption.setText(caption)

    def show_average(self, average: QImage | None, spread: QImage | None) -> None:
        """Show average and spread."""
        self.average.set_image(average)
        self.spread.set_image(spread)


_WHY = "Select images first: press L and draw around them, or click a cluster"
