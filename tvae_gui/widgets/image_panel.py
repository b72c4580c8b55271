"""The decoded image, large and square, and pictures in a row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QWidget

from tvae_core.colours import colour_map, to_bytes
from tvae_core.words import count, local
from tvae_gui.theme import GRID, SMALL_PX, colour, font
from tvae_gui.words import SEE_DECODED

Array = NDArray[Any]


def picture_of(values: Array, low: float, high: float, map_name: str = "grey") -> QImage:
    """Return image values (h, w[, 3]) as an image, low and high at the ends of the colour map."""
    levels = to_bytes(values, low, high)
    rgb = levels if levels.ndim == 3 else colour_map(map_name)[levels]
    rgb = np.ascontiguousarray(rgb)
    height, width = rgb.shape[:2]
    made = QImage(rgb.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    return QImage(made.copy())


class ImagePanel(QWidget):
    """The decoded image with its state (preview or exact), its support and a scale bar.

    Signals: dropped on it nothing; double_clicked() asks to put the pose back to zero.
    """

    double_clicked = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Decoded image")
        self.setMinimumSize(QSize(160, 160))
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self._image: QImage | None = None
        self._overlay: QImage | None = None
        self._state = ""
        self._support = 1.0
        self._smooth = True
        self._bar: tuple[float, str] | None = None
        self._words = SEE_DECODED
        self._most_px = 1 << 15

    def set_most(self, height_px: int) -> None:
        """Be no higher than that."""
        height_px = max(height_px, self.minimumHeight())
        if height_px != self._most_px:
            self._most_px = height_px
            self.updateGeometry()

    def heightForWidth(self, width: int) -> int:
        """Stay square, as long as there is room below."""
        return min(width, self._most_px)

    def sizeHint(self) -> QSize:
        """Return a good size."""
        return QSize(320, 320)

    @property
    def image(self) -> QImage | None:
        """The image shown, in its own pixels."""
        return self._image

    @property
    def state(self) -> str:
        """`preview`, `exact` or nothing."""
        return self._state

    def show_image(self, image: QImage | None, state: str, support: float) -> None:
        """Show an image; `support` 0..1 fades it where no data stand behind it."""
        self._image, self._state, self._support = image, state, support
        self.update()

    def show_overlay(self, image: QImage | None) -> None:
        """Lay a raw image half transparent over the decoded one."""
        self._overlay = image
        self.update()

    @property
    def overlay(self) -> QImage | None:
        """What is laid over the decoded image, if anything."""
        return self._overlay

    def show_words(self, words: str) -> None:
        """Say why there is no image."""
        self._image, self._words = None, words
        self.update()

    def set_smooth(self, smooth: bool) -> None:
        """Interpolate when enlarging, or show pixels as squares."""
        self._smooth = smooth
        self.update()

    def set_scale_bar(self, share: float, words: str) -> None:
        """Draw a bar of that share of the image's width; zero draws none."""
        self._bar = (share, words) if share > 0 else None
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Ask for pose zero."""
        self.double_clicked.emit()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        painter = QPainter(self)
        side = min(self.width(), self.height())
        square = QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)
        painter.fillRect(square, colour("plane"))
        painter.setFont(font(SMALL_PX))
        if self._image is None:
            painter.setPen(colour("muted"))
            inside = square.adjusted(24, 24, -24, -24)
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(inside, int(flags), self._words)
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._smooth)
        painter.setOpacity(0.3 + 0.7 * self._support)
        painter.drawImage(square, self._image)
        if self._overlay is not None:
            painter.setOpacity(0.5)
            painter.drawImage(square, self._overlay)
        painter.setOpacity(1.0)
        self._draw_state(painter, square)
        self._draw_bar(painter, square)

    def _draw_state(self, painter: QPainter, square: QRectF) -> None:
        if not self._state:
            return
        painter.setFont(font(SMALL_PX, strong=True))
        exact = self._state.endswith("exact")
        width = painter.fontMetrics().horizontalAdvance(self._state) + 26
        chip = QRectF(square.right() - width - GRID, square.top() + GRID, width, 20)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("#000000", 150))
        painter.drawRoundedRect(chip, 10, 10)
        dot = QPointF(chip.left() + 11, chip.center().y())
        painter.setPen(QPen(colour("accent"), 1.5))
        painter.setBrush(colour("accent") if exact else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(dot, 3.0, 3.0)
        painter.setPen(colour("#ffffff", 235))
        words = chip.adjusted(18, 0, 0, 0)
        painter.drawText(words, int(Qt.AlignmentFlag.AlignVCenter), self._state)

    def _draw_bar(self, painter: QPainter, square: QRectF) -> None:
        if self._bar is None:
            return
        share, words = self._bar
        left, bottom = square.left() + 2 * GRID, square.bottom() - 2 * GRID
        draw_scale_bar(painter, QPointF(left, bottom), share * square.width(), words)


def scale_bar_of(most_px: float, pixel_size_angstrom: float | None) -> tuple[float, str]:
    """Return length in pixels and words of a good scale bar of at most so many pixels."""
    size = pixel_size_angstrom or 1.0
    target = most_px * size
    power = 10 ** math.floor(math.log10(target))
    length = max(step * power for step in (1, 2, 5) if step * power <= target)
    if not pixel_size_angstrom:
        return length, f"{local(f'{length:g}')} px"
    words = f"{count(round(length)) if length >= 1 else local(f'{length:g}')} Å"
    return length / size, words if length < 10_000 else f"{local(f'{length / 10_000:g}')} µm"


def draw_scale_bar(painter: QPainter, at: QPointF, length: float, words: str) -> None:
    """Draw a bar whose lower left corner lies at a point, and its length in words above it."""
    bar = QRectF(at.x(), at.y() - 3, length, 3)
    painter.fillRect(bar.adjusted(-1, -1, 1, 1), colour("#000000", 140))
    painter.fillRect(bar, colour("#ffffff"))
    painter.setFont(font(SMALL_PX, strong=True))
    for offset, ink in ((1, colour("#000000", 180)), (0, colour("#ffffff"))):
        painter.setPen(ink)
        painter.drawText(QPointF(at.x() + offset, at.y() - 8 + offset), words)


class PictureRow(QWidget):
    """Pictures of one size in rows, as many as there is room for.

    Signals: clicked(number): the number given with the picture.
    """

    clicked = pyqtSignal(int)

    def __init__(self, side: int, rows: int = 1, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._side, self._rows = side, rows
        self._gap = 4
        self._pictures: list[tuple[int, QImage]] = []
        self._words = ""
        self._fade = 1.0
        self._current = 0
        self.setMouseTracking(True)
        self.setAccessibleName("Images")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMinimumHeight(self._height())

    def set_pictures(
        self, numbers: Array | list[int], images: list[QImage], words: str = ""
    ) -> None:
        """Show images, each with its number; `words` when there are none."""
        self._pictures = list(zip([int(n) for n in numbers], images, strict=True))
        self._words = words
        self.update()

    def set_fade(self, opacity: float) -> None:
        """Fade all pictures to an opacity of 0..1."""
        self._fade = opacity
        self.update()

    @property
    def numbers(self) -> list[int]:
        """The numbers of the pictures shown."""
        return [number for number, _ in self._pictures[: self.room]]

    @property
    def room(self) -> int:
        """How many pictures fit."""
        return max(1, (self.width() + self._gap) // (self._side + self._gap)) * self._rows

    def sizeHint(self) -> QSize:
        """Return a good size."""
        return QSize(4 * (self._side + self._gap), self._height())

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        painter = QPainter(self)
        if not self._pictures:
            painter.setFont(font(SMALL_PX))
            painter.setPen(colour("muted"))
            flags = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(QRectF(self.rect()), int(flags), self._words)
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setOpacity(self._fade)
        for place, (_, image) in enumerate(self._pictures[: self.room]):
            painter.drawImage(self._rect(place), image)
        if self.hasFocus() and self._current < min(self.room, len(self._pictures)):
            painter.setOpacity(1.0)
            painter.setPen(QPen(colour("accent"), 2))
            painter.drawRect(self._rect(self._current).adjusted(1, 1, -1, -1))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Go from picture to picture with the arrows; Space or Enter is a click on one."""
        if event is None:
            return
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Up: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Down: 1}
        key, numbers = Qt.Key(event.key()), self.numbers
        if key in steps and numbers:
            self._current = (self._current + steps[key]) % len(numbers)
            self.update()
        elif key in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self._current < len(numbers):
                self.clicked.emit(numbers[self._current])
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Say which picture was clicked."""
        number = None if event is None else self._number_at(event.position())
        if number is not None:
            self.clicked.emit(number)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Show a hand over a picture."""
        if event is not None:
            over = self._number_at(event.position())
            shapes = Qt.CursorShape
            self.setCursor(shapes.ArrowCursor if over is None else shapes.PointingHandCursor)
            self.setToolTip("" if over is None else f"image {count(over + 1)}: click to go there")

    def _number_at(self, position: QPointF) -> int | None:
        for place, (number, _) in enumerate(self._pictures[: self.room]):
            if self._rect(place).contains(position):
                return number
        return None

    def _rect(self, place: int) -> QRectF:
        columns = max(1, self.room // self._rows)
        row, column = divmod(place, columns)
        pitch = self._side + self._gap
        return QRectF(column * pitch, row * pitch, self._side, self._side)

    def _height(self) -> int:
        return self._rows * (self._side + self._gap) - self._gap
