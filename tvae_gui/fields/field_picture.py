"""A field with its picks, large: zoom, pan, choose, move, place and delete."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PyQt6.QtWidgets import QApplication, QSizePolicy, QWidget

from tvae_gui.state.field_image import FieldImage
from tvae_gui.theme import GRID, TEXT_PX, colour, font
from tvae_gui.widgets.image_panel import draw_scale_bar, picture_of, scale_bar_of

Array = NDArray[Any]
_SHARP_FROM = 6  # points a pixel: from then on pixels are shown as squares
_WHEEL = 1.2
_NEAREST, _FARTHEST = 64.0, 0.5  # points a pixel; of the zoom at which all is seen
_DARK_INK = 90  # lightness of 255: below it a dark rim would hide a circle
_LEAST_PX = 3.0  # radius of a circle on the screen
_KEYS = {
    Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1),
}  # fmt: skip
_ZOOMS = {Qt.Key.Key_Plus: 1, Qt.Key.Key_Equal: 1, Qt.Key.Key_Minus: -1}
_OTHERS = (
    Qt.Key.Key_N, Qt.Key.Key_F, Qt.Key.Key_Delete, Qt.Key.Key_Backspace, Qt.Key.Key_Insert,
    Qt.Key.Key_Escape, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown,
)  # fmt: skip


class FieldPicture(QWidget):
    """The field with a circle around each pick. Places are columns and rows of the file's pixels.

    Signals: clicked(column, row), placed(column, row), dragged(column, row) where the chosen pick
    was let go, nudged(columns, rows), delete_wanted(), next_wanted(+1 or -1), left() for Escape
    with nothing chosen, image_wanted(+1 or -1).
    """

    clicked = pyqtSignal(float, float)
    placed = pyqtSignal(float, float)
    dragged = pyqtSignal(float, float)
    nudged = pyqtSignal(float, float)
    delete_wanted = pyqtSignal()
    next_wanted = pyqtSignal(int)
    left = pyqtSignal()
    image_wanted = pyqtSignal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Field with its picks")
        self.setMinimumSize(QSize(160, 160))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self._image: FieldImage | None = None
        self._size = (1.0, 1.0)  # width and height of the file's image
        self._look: tuple[float, float, str] = (0.0, 1.0, "grey")
        self._circles: Array = np.zeros((0, 3))
        self._colours: Array | None = None
        self._chosen: int | None = None
        self._pixel_size: float | None = None
        self._words = ""
        self._zoom, self._centre = 1.0, QPointF()  # points a pixel; what is in the middle
        self._is_fit = True
        self._pressed: QPointF | None = None
        self._pans = False
        self._held: QPointF | None = None  # where the chosen pick is dragged to

    # --- what is shown ---------------------------------------------------------------------------
    def show_image(self, image: FieldImage | None, width: int, height: int) -> None:
        """Show an image that is so large in the file; another size is shown whole."""
        other = (float(width), float(height)) != self._size
        self._image, self._size = image, (float(width), float(height))
        if other or image is None:
            self.fit()
        self.update()

    def show_look(self, low: float, high: float, map_name: str) -> None:
        """Show these values as black and white of a colour map."""
        self._look = (low, high, map_name)
        self.update()

    def show_circles(self, circles: Array, colours: Array | None, chosen: int | None) -> None:
        """Show circles (n, 3): column, row, radius; in colours (n, 3) uint8, one of them chosen."""
        self._circles, self._colours, self._chosen = circles, colours, chosen
        self.update()

    def show_scale(self, pixel_size_angstrom: float | None) -> None:
        """Say how large a pixel is; the scale bar is in pixels without it."""
        self._pixel_size = pixel_size_angstrom
        self.update()

    def show_words(self, words: str) -> None:
        """Say why there is no image."""
        self._words = words
        self.update()

    # --- places ----------------------------------------------------------------------------------
    def spot(self, column: float, row: float) -> QPointF:
        """Return where a place is on the widget."""
        middle = QRectF(self.rect()).center()
        return middle + (QPointF(column, row) - self._centre) * self._zoom

    def place_at(self, at: QPointF) -> QPointF:
        """Return the column and the row under a point of the widget."""
        return self._centre + (at - QRectF(self.rect()).center()) / self._zoom

    @property
    def zoom(self) -> float:
        """Points of the widget a pixel."""
        return self._zoom

    def fit(self) -> None:
        """Show all of the image."""
        width, height = self._size
        self._zoom = self._whole()
        self._centre, self._is_fit = QPointF(width / 2, height / 2), True
        self.update()

    def _whole(self) -> float:
        return min(self.width() / self._size[0], self.height() / self._size[1])

    def zoom_by(self, times: float, at: QPointF | None = None) -> None:
        """Zoom about a point of the widget, its middle without one."""
        middle = QRectF(self.rect()).center()
        at = middle if at is None else at
        under = self.place_at(at)
        least = _FARTHEST * self._whole()
        self._zoom = min(max(self._zoom * times, least), max(_NEAREST, least))
        self._look_at(under - (at - middle) / self._zoom)

    def _look_at(self, centre: QPointF) -> None:
        width, height = self._size
        self._centre = QPointF(min(max(centre.x(), 0), width), min(max(centre.y(), 0), height))
        self._is_fit = False
        self.update()

    def bring(self, column: float, row: float) -> None:
        """Make sure that a place is seen."""
        if (
            not self.rect()
            .adjusted(GRID, GRID, -GRID, -GRID)
            .contains(self.spot(column, row).toPoint())
        ):
            self._look_at(QPointF(column, row))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep all of the image in view where it was."""
        super().resizeEvent(event)
        if self._is_fit:
            self.fit()

    # --- drawing ---------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), colour("plane"))
        if self._image is None:
            painter.setPen(colour("muted"))
            painter.setFont(font(TEXT_PX))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(24, 24, -24, -24), int(flags), self._words)
            return
        self._draw_image(painter)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_circles(painter)
        self._draw_bar(painter)

    def _draw_image(self, painter: QPainter) -> None:
        assert self._image is not None
        width, height = self._size
        corner, end = (
            self.place_at(QPointF(0, 0)),
            self.place_at(QPointF(self.width(), self.height())),
        )
        cut = self._image.cut(
            corner.x() / width, corner.y() / height, end.x() / width, end.y() / height,
            self._zoom * width * self.devicePixelRatioF(),
        )  # fmt: skip
        if not cut.values.size:
            return
        low, high, name = self._look
        place = QRectF(
            self.spot(cut.left * width, cut.top * height),
            self.spot(cut.right * width, cut.bottom * height),
        )
        smooth = self._zoom < _SHARP_FROM
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        painter.drawImage(place, picture_of(cut.values, low, high, name))

    def _draw_circles(self, painter: QPainter) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for number in self._in_view():
            column, row, radius = self._circles[number]
            at = self.spot(column, row)
            if number == self._chosen:
                continue
            self._draw_circle(painter, at, radius, self._ink(number), 1.5)
        if self._chosen is not None and self._chosen < len(self._circles):
            column, row, radius = self._circles[self._chosen]
            at = self.spot(column, row) if self._held is None else self._held
            self._draw_circle(painter, at, radius, self._ink(self._chosen), 3.0)
            painter.drawLine(at - QPointF(4, 0), at + QPointF(4, 0))
            painter.drawLine(at - QPointF(0, 4), at + QPointF(0, 4))

    def _in_view(self) -> list[int]:
        if not len(self._circles):
            return []
        corner, end = (
            self.place_at(QPointF(0, 0)),
            self.place_at(QPointF(self.width(), self.height())),
        )
        column, row, radius = self._circles.T
        seen = (column + radius >= corner.x()) & (column - radius <= end.x())
        seen &= (row + radius >= corner.y()) & (row - radius <= end.y())
        found: list[int] = np.flatnonzero(seen).tolist()
        return found

    def _ink(self, number: int) -> QColor:
        if self._colours is None or number >= len(self._colours):
            return colour("accent")
        return QColor(*(int(c) for c in self._colours[number]))

    def _draw_circle(
        self, painter: QPainter, at: QPointF, radius: float, ink: QColor, width: float
    ) -> None:
        """Draw a circle that stands out of bright and of dark pixels."""
        size = max(radius * self._zoom, _LEAST_PX)
        halo = "#ffffff" if ink.lightness() < _DARK_INK else "#000000"
        painter.setPen(QPen(colour(halo, 150), width + 1.5))
        painter.drawEllipse(at, size, size)
        painter.setPen(QPen(ink, width))
        painter.drawEllipse(at, size, size)

    def _draw_bar(self, painter: QPainter) -> None:
        length, words = scale_bar_of(self._seen_across() / 4, self._pixel_size)
        corner, end = self.spot(0, 0), self.spot(*self._size)
        left = max(0.0, corner.x()) + 2 * GRID
        bottom = min(float(self.height()), end.y()) - 2 * GRID
        draw_scale_bar(painter, QPointF(left, bottom), length * self._zoom, words)

    def _seen_across(self) -> float:
        """Return how many pixels of the image's width are in view."""
        return max(1.0, min(self._size[0], self.width() / self._zoom))

    # --- hands -----------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Choose a pick and take hold of it, or begin to pan; with Shift place one."""
        if event is None or self._image is None:
            return
        at, place = event.position(), self.place_at(event.position())
        self._pressed, self._pans, self._held = at, True, None
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.placed.emit(place.x(), place.y())
            self._pans = False
        elif self._hit(place) is not None:
            self.clicked.emit(place.x(), place.y())
            self._pans = False

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Pan, or drag the pick."""
        if event is None:
            return
        at = event.position()
        if self._pressed is None:
            hit = self._image is not None and self._hit(self.place_at(at)) is not None
            shape = Qt.CursorShape.PointingHandCursor if hit else Qt.CursorShape.ArrowCursor
            self.setCursor(shape)
            return
        moved = at - self._pressed
        if self._pans:
            if self._far(moved) or not self._is_fit:
                self._look_at(self._centre - moved / self._zoom)
                self._pressed = at
        elif self._chosen is not None and (self._held is not None or self._far(moved)):
            self._held = at
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Let go of the pick; a click beside all picks chooses none."""
        pressed, held, pans = self._pressed, self._held, self._pans
        self._pressed = self._held = None
        if held is not None:
            place = self.place_at(held)
            self.dragged.emit(place.x(), place.y())
        elif event is not None and pans and event.button() == Qt.MouseButton.LeftButton:
            place = self.place_at(event.position())
            if pressed is not None and not self._far(event.position() - pressed):
                self.clicked.emit(place.x(), place.y())

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Place a pick where there is none."""
        if event is None or self._image is None:
            return
        place = self.place_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and self._hit(place) is None:
            self.placed.emit(place.x(), place.y())

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Zoom at the cursor."""
        if event is not None and self._image is not None:
            self.zoom_by(_WHEEL ** (event.angleDelta().y() / 120), event.position())
            event.accept()

    def event(self, event: QEvent | None) -> bool:
        """Take the keys of a field before the shortcuts of the window do."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            held = event.modifiers() & ~(
                Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier
            )
            if not held and event.key() in {*_KEYS, *_ZOOMS, *_OTHERS}:
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Move, choose, place, delete, zoom."""
        if event is None or self._image is None:
            return
        far = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        key = Qt.Key(event.key())
        if key in _KEYS:
            self._on_arrow(*_KEYS[key], far)
        elif key in _ZOOMS:
            self.zoom_by(_WHEEL ** (2 * _ZOOMS[key]))
        elif key == Qt.Key.Key_F:
            self.fit()
        elif key == Qt.Key.Key_N:
            self.next_wanted.emit(-1 if far else 1)
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.delete_wanted.emit()
        elif key == Qt.Key.Key_Insert:
            self.placed.emit(self._centre.x(), self._centre.y())
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self.image_wanted.emit(1 if key == Qt.Key.Key_PageDown else -1)
        elif key == Qt.Key.Key_Escape:
            self._give_up()
        else:
            super().keyPressEvent(event)

    def _on_arrow(self, across: int, down: int, far: bool) -> None:
        """Move the chosen pick by a pixel, with Shift by ten; without one move the view."""
        if self._chosen is not None:
            times = 10 if far else 1
            self.nudged.emit(times * across, times * down)
        else:
            step = QPointF(across * self.width(), down * self.height()) / self._zoom / 8
            self._look_at(self._centre + step)

    def _give_up(self) -> None:
        if self._held is not None:
            self._held = self._pressed = None
            self.update()
        elif self._chosen is not None:
            self.clicked.emit(-1e9, -1e9)
        else:
            self.left.emit()

    def _hit(self, place: QPointF) -> int | None:
        """Return the pick whose circle holds a place, the nearest of several."""
        if not len(self._circles):
            return None
        away = np.hypot(self._circles[:, 0] - place.x(), self._circles[:, 1] - place.y())
        nearest = int(away.argmin())
        return nearest if away[nearest] <= self._circles[nearest, 2] else None

    def _far(self, moved: QPointF) -> bool:
        return moved.manhattanLength() >= QApplication.startDragDistance()
