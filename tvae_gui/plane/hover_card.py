"""A card beside the cursor: the hovered image raw, upright, decoded and as residual."""

from __future__ import annotations

from PyQt6.QtCore import QPoint, QRectF, QSize, Qt
from PyQt6.QtGui import QImage, QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from tvae_gui.theme import GRID, SMALL_PX, colour, font

_CLEAR_PX = 28  # leaves the thumbnail under the cursor free
_SIDE = 72
_NAMES = ("raw", "upright", "decoded", "residual")


class HoverCard(QWidget):
    """Four pictures with their names and a line or two of numbers."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._pictures: dict[str, QImage] = {}
        self._words: dict[str, str] = {}
        self._lines: tuple[str, ...] = ()
        self.number = -1
        width = 4 * _SIDE + 3 * 4 + 2 * GRID
        self.setFixedSize(QSize(width, _SIDE + 16 + 40 + 2 * GRID))
        self.hide()

    def show_card(
        self, number: int, pictures: dict[str, QImage], lines: tuple[str, ...], at: QPoint
    ) -> None:
        """Show image `number` beside a place of the parent, kept within it."""
        self.number, self._pictures, self._lines = number, pictures, lines
        parent = self.parentWidget()
        if parent is not None:
            x = (
                at.x() + _CLEAR_PX
                if at.x() + _CLEAR_PX + 8 + self.width() < parent.width()
                else at.x() - _CLEAR_PX - self.width()
            )
            y = min(max(8, at.y() - self.height() // 2), parent.height() - self.height() - 8)
            self.move(max(8, x), y)
        self.show()
        self.raise_()
        self.update()

    def put_picture(self, name: str, image: QImage, words: str = "") -> None:
        """Replace one picture by a better one, with words below it if not its name."""
        self._pictures[name] = image
        self._words[name] = words or name
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(colour("line"))
        painter.setBrush(colour("panel", 244))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setFont(font(SMALL_PX))
        for place, name in enumerate(_NAMES):
            square = QRectF(GRID + place * (_SIDE + 4), GRID, _SIDE, _SIDE)
            painter.fillRect(square, colour("plane"))
            if name in self._pictures:
                painter.drawImage(square, self._pictures[name])
            painter.setPen(colour("muted"))
            words = QRectF(square.left(), square.bottom() + 2, _SIDE, 14)
            painter.drawText(words, int(Qt.AlignmentFlag.AlignLeft), self._words.get(name, name))
        painter.setPen(colour("text"))
        for place, line in enumerate(self._lines[:2]):
            top = GRID + _SIDE + 20 + place * 17
            words = QRectF(GRID, top, self.width() - 2 * GRID, 16)
            painter.drawText(words, int(Qt.AlignmentFlag.AlignLeft), line)
