"""A grid of very many images: only what is in view is read and drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PyQt6.QtWidgets import QWidget

from tvae_gui.gallery.keyed_grid import KeyedGrid
from tvae_gui.gallery.marks import VEIL, draw_mark
from tvae_gui.state.made_state import KEPT, REJECTED
from tvae_gui.theme import TEXT_PX, colour, font

Array = NDArray[Any]
GAP = 4


@dataclass(frozen=True)
class Tiles:
    """What some images look like: levels (n, h, w[, 3]) uint8 and which of them are there.

    `table` (256,) uint32 is the colour of each level of a grey image. `originals` has those that
    were read beyond their thumbnail, by their place in the rows.
    """

    levels: Array
    there: Array
    table: Array
    originals: Mapping[int, QImage] = field(default_factory=dict)


@dataclass(frozen=True)
class Flags:
    """Of some images (n,), which are chosen, marked as kept, as rejected."""

    chosen: Array
    kept: Array
    rejected: Array


class ImageGrid(KeyedGrid):
    """Images in rows; the keyboard is on one of them.

    Signals: those of `KeyedGrid`, none_wanted(), hovered(place or -1).
    """

    none_wanted = pyqtSignal()
    hovered = pyqtSignal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Images", parent)
        self.viewport().setMouseTracking(True)  # type: ignore[union-attr]
        self._numbers: Array = np.empty(0, np.int64)
        self._tile_px = 96
        self._lit = -1
        self._words = ""
        self._tiles: Callable[[Array], Tiles] | None = None
        self._flags: Callable[[Array], Flags] | None = None

    # --- what is shown -------------------------------------------------------------------------
    def set_source(self, tiles: Callable[[Array], Tiles], flags: Callable[[Array], Flags]) -> None:
        """Ask these for the looks and the marks of images, by number."""
        self._tiles, self._flags = tiles, flags

    def show_numbers(self, numbers: Array, words: str) -> None:
        """List images; `words` are shown where there are none."""
        self._numbers, self._words = numbers, words
        self._set_bars()
        self.repaint_all()

    def set_tile_px(self, side: int) -> None:
        """Draw images of this size; the current one stays in view."""
        if side != self._tile_px:
            self._tile_px = side
            self._set_bars()
            self.show_current(self._current)

    def show_current(self, place: int) -> None:
        """Put the keyboard on an image and bring it into view."""
        self._current = place
        top = self._row(place) * self._pitch
        bar = self.verticalScrollBar()
        assert bar is not None
        if top < bar.value():
            bar.setValue(top)
        elif top + self._pitch + GAP > bar.value() + self._height:
            bar.setValue(top + self._pitch + GAP - self._height)
        self.repaint_all()

    def light(self, number: int) -> None:
        """Draw a frame around an image, -1 around none."""
        if number != self._lit:
            self._lit = number
            self.repaint_all()

    def repaint_all(self) -> None:
        """Draw again."""
        self.viewport().update()  # type: ignore[union-attr]

    @property
    def columns(self) -> int:
        """How many images stand in a row."""
        return max(1, (self.viewport().width() - GAP) // self._pitch)  # type: ignore[union-attr]

    @property
    def device_px(self) -> int:
        """Side of an image as it is drawn, in pixels of the screen."""
        return round(self._tile_px * self.devicePixelRatioF())

    @property
    def in_view(self) -> Array:
        """Numbers of the images that can be seen, also of those cut by an edge."""
        first = max(0, (self._offset - GAP) // self._pitch) * self.columns
        last = ((self._height + self._offset) // self._pitch + 1) * self.columns
        return np.asarray(self._numbers[first:last])

    @property
    def page(self) -> int:
        """How many images a page holds."""
        return self.columns * max(1, self._height // self._pitch)

    def place_of(self, place: int) -> QRect:
        """Return where an image is drawn, in the viewport's pixels."""
        row, column = divmod(place, self.columns)
        left = self._margin + column * self._pitch
        return QRect(left, GAP + row * self._pitch - self._offset, self._tile_px, self._tile_px)

    def place_at(self, at: QPoint) -> int:
        """Return the place in the list of the image drawn there, -1 for none."""
        row, down = divmod(at.y() + self._offset - GAP, self._pitch)
        column, across = divmod(at.x() - self._margin, self._pitch)
        place = row * self.columns + column
        inside = 0 <= column < self.columns and max(down, across) < self._tile_px and row >= 0
        return int(place) if inside and place < len(self._numbers) else -1

    @property
    def _pitch(self) -> int:
        return self._tile_px + GAP

    @property
    def _height(self) -> int:
        return int(self.viewport().height())  # type: ignore[union-attr]

    @property
    def _margin(self) -> int:
        spare = self.viewport().width() - self.columns * self._pitch + GAP  # type: ignore[union-attr]
        return max(0, spare // 2)

    @property
    def _offset(self) -> int:
        return int(self.verticalScrollBar().value())  # type: ignore[union-attr]

    def _row(self, place: int) -> int:
        return place // self.columns

    def _set_bars(self) -> None:
        rows = -(-len(self._numbers) // self.columns)
        bar = self.verticalScrollBar()
        assert bar is not None
        bar.setRange(0, max(0, rows * self._pitch + GAP - self._height))
        bar.setSingleStep(max(16, self._pitch // 2))
        bar.setPageStep(max(self._pitch, self._height - self._pitch))

    # --- drawing -------------------------------------------------------------------------------
    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Move what is drawn; only what comes into view is drawn anew."""
        self.viewport().scroll(dx, dy)  # type: ignore[union-attr]

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Lay the rows out again, with the current image where it can be seen."""
        super().resizeEvent(event)
        self._set_bars()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the images in the part that needs it."""
        painter = QPainter(self.viewport())
        area = self.viewport().rect() if event is None else event.rect()  # type: ignore[union-attr]
        painter.fillRect(area, colour("plane"))
        if not len(self._numbers) or self._tiles is None or self._flags is None:
            self._draw_words(painter)
            return
        first = max(0, (area.top() + self._offset - GAP) // self._pitch) * self.columns
        last = ((area.bottom() + self._offset) // self._pitch + 1) * self.columns
        numbers = self._numbers[first:last]
        if len(numbers):
            self._draw(painter, first, numbers)

    def _draw_words(self, painter: QPainter) -> None:
        painter.setFont(font(TEXT_PX))
        painter.setPen(colour("muted"))
        place = QRectF(self.viewport().rect())  # type: ignore[union-attr]
        painter.drawText(place, int(Qt.AlignmentFlag.AlignCenter), self._words)

    def _draw(self, painter: QPainter, first: int, numbers: Array) -> None:
        assert self._tiles is not None
        assert self._flags is not None
        tiles, flags = self._tiles(numbers), self._flags(numbers)
        height, width = tiles.levels.shape[1:3]
        image = _stacked(tiles)
        smooth = bool(tiles.originals) or self.device_px != width
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        empty = colour("panel")
        for k in range(len(numbers)):
            place = self.place_of(first + k)
            if k in tiles.originals:
                painter.drawImage(place, tiles.originals[k])
            elif tiles.there[k]:
                painter.drawImage(place, image, QRect(0, k * height, width, height))
            else:
                painter.fillRect(place, empty)
        for k in np.flatnonzero(flags.rejected).tolist():
            painter.fillRect(self.place_of(first + k), QColor(VEIL))
            draw_mark(painter, self.place_of(first + k), REJECTED)
        for k in np.flatnonzero(flags.kept).tolist():
            draw_mark(painter, self.place_of(first + k), KEPT)
        for k in np.flatnonzero(flags.chosen).tolist():
            _frame(painter, self.place_of(first + k), colour("accent"), 2)
        lit = np.flatnonzero(numbers == self._lit)
        if len(lit):
            _frame(painter, self.place_of(first + int(lit[0])), colour("muted"), 3)
        if first <= self._current < first + len(numbers):
            _frame(painter, self.place_of(self._current), colour("text"), 2, outside=True)

    # --- hands ---------------------------------------------------------------------------------
    @property
    def places(self) -> int:
        """How many images there are."""
        return len(self._numbers)

    def give_up(self) -> bool:
        """Choose none."""
        self.none_wanted.emit()
        return True

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Choose: alone, up to there with Shift, besides the others with Ctrl."""
        if event is None or event.button() != Qt.MouseButton.LeftButton:
            return
        place = self.place_at(event.position().toPoint())
        if place >= 0:
            held = event.modifiers()
            extend = bool(held & Qt.KeyboardModifier.ShiftModifier)
            toggle = bool(held & Qt.KeyboardModifier.ControlModifier)
            self.gone_to.emit(place, extend, toggle)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Say which image is under the cursor."""
        if event is not None:
            self.hovered.emit(self.place_at(event.position().toPoint()))

    def leaveEvent(self, event: QEvent | None) -> None:
        """Say that none is."""
        self.hovered.emit(-1)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Open an image."""
        place = -1 if event is None else self.place_at(event.position().toPoint())
        if place >= 0:
            self.gone_to.emit(place, False, False)
            self.opened.emit(place)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Scroll; with Ctrl make the images larger or smaller."""
        if event is not None and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoomed.emit(1 if event.angleDelta().y() > 0 else -1)
            event.accept()
            return
        super().wheelEvent(event)

    def sizeHint(self) -> QSize:
        """Return a good size."""
        return QSize(640, 480)


def _stacked(tiles: Tiles) -> QImage:
    """Return images one below the other, as one image."""
    levels = tiles.levels
    count, height, width = levels.shape[:3]
    if levels.ndim == 3:
        pixels = tiles.table[levels]
    else:
        red, green, blue = (levels[..., k].astype(np.uint32) for k in range(3))
        pixels = (red << 16) | (green << 8) | blue | np.uint32(0xFF000000)
    rows = np.ascontiguousarray(pixels).tobytes()  # QImage keeps bytes alive, an array it does not
    kind = QImage.Format.Format_RGB32
    return QImage(rows, width, count * height, 4 * width, kind)


def _frame(painter: QPainter, place: QRect, ink: QColor, width: int, outside: bool = False) -> None:
    painter.setPen(QPen(ink, width))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    grow = 1 if outside else -(width // 2)
    painter.drawRect(place.adjusted(-grow, -grow, grow - 1, grow - 1))
