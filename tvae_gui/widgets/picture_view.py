"""A picture that keeps its proportions, in the middle of the room it is given."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QRect, QSize, Qt
from PyQt6.QtGui import QImage, QPainter, QPaintEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from tvae_gui.widgets import ink

_SHARP_FROM = 4


class PictureView(QWidget):
    """Shows an image as large as fits, or words when there is none.

    Signals: none.
    """

    def __init__(self, words: str = "") -> None:
        super().__init__()
        self._image = QImage()
        self._words = words
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(120, 120)
        self.setAccessibleName(words)

    @property
    def has_image(self) -> bool:
        """Whether there is an image."""
        return not self._image.isNull()

    def sizeHint(self) -> QSize:
        """Return the size that a layout starts from."""
        return QSize(280, 280)

    def show_file(self, path: Path, words: str = "") -> None:
        """Show an image file; say so when it cannot be read."""
        self._image = QImage(str(path))
        if self._image.isNull():
            self._words = f"{path.name} is missing or damaged"
        elif words:
            self._words = words
        self.update()

    def show_image(self, image: QImage) -> None:
        """Show an image."""
        self._image = image
        self.update()

    def show_words(self, words: str) -> None:
        """Show words in place of an image."""
        self._image, self._words = QImage(), words
        self.setAccessibleDescription(words)
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        painter = QPainter(self)
        if self._image.isNull():
            painter.setPen(ink.muted(self.palette()))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(8, 8, -8, -8), flags, self._words)
        else:
            place = self._place()
            enlarged = place.width() / max(1, self._image.width())
            smooth = QPainter.RenderHint.SmoothPixmapTransform
            painter.setRenderHint(smooth, enlarged < _SHARP_FROM)
            painter.drawImage(place, self._image)
        painter.end()

    def _place(self) -> QRect:
        size = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        place = QRect(0, 0, size.width(), size.height())
        place.moveCenter(self.rect().center())
        return place
