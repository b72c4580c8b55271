"""What is drawn on the plane, each as one item of the pyqtgraph view box."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen, QPolygonF

from tvae_gui.state.raster import Picture, Window
from tvae_gui.theme import SMALL_PX, colour, font
from tvae_gui.widgets.minus_axis import MinusAxis

Array = NDArray[Any]


def image_of(rgba: Array) -> QImage:
    """Return a picture (h, w, 4) uint8 as an image that owns its pixels."""
    rgba = np.ascontiguousarray(rgba)
    height, width = rgba.shape[:2]
    kind = QImage.Format.Format_RGBA8888
    shared = QImage(rgba.data, width, height, 4 * width, kind)  # type: ignore[call-overload]
    # the conversion makes pixels of its own
    return QImage(shared.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied))


class _Item(pg.GraphicsObject):  # type: ignore[misc]
    """An item that covers the view and draws in the viewport's own pixels."""

    def __init__(self, z: float) -> None:
        super().__init__()
        self.setZValue(z)
        self.setFlag(self.GraphicsItemFlag.ItemUsesExtendedStyleOption, True)

    def boundingRect(self) -> QRectF:
        """Return the part of the plane in view."""
        box = self.getViewBox()
        return QRectF() if box is None else QRectF(box.viewRect())

    def viewTransformChanged(self) -> None:
        """Follow the view."""
        self.prepareGeometryChange()
        self.update()

    def dataBounds(self, *_: Any, **__: Any) -> None:
        """Take no part in fitting the view."""
        return

    def target(self) -> QRectF:
        """Return where the view box is, in viewport pixels."""
        box = self.getViewBox()
        return QRectF(box.mapRectToScene(box.rect()))

    def to_pixels(self, x0: float, x1: float, y0: float, y1: float) -> QRectF:
        """Return a rectangle of the plane in viewport pixels."""
        target, view = self.target(), self.getViewBox().viewRect()
        sx, sy = target.width() / view.width(), target.height() / view.height()
        left = target.left() + (x0 - view.left()) * sx
        top = target.top() + (view.bottom() - y1) * sy
        return QRectF(left, top, (x1 - x0) * sx, (y1 - y0) * sy)

    def to_pixel(self, x: float, y: float) -> QPointF:
        """Return a place of the plane in viewport pixels."""
        return self.to_pixels(x, x, y, y).topLeft()

    def to_polygon(self, places: Array) -> QPolygonF:
        """Return places of the plane (n, 2) in viewport pixels: one sum for all of them."""
        target, view = self.target(), self.getViewBox().viewRect()
        sx, sy = target.width() / view.width(), target.height() / view.height()
        columns = target.left() + (places[:, 0] - view.left()) * sx
        rows = target.top() + (view.bottom() - places[:, 1]) * sy
        return QPolygonF(map(QPointF, columns.tolist(), rows.tolist()))

    def paint(self, painter: QPainter, *_: Any) -> None:
        """Draw in viewport pixels, clipped to the view box."""
        if self.getViewBox() is None:
            return
        painter.save()
        painter.resetTransform()
        painter.setClipRect(self.target())
        self.draw(painter)
        painter.restore()

    def draw(self, painter: QPainter) -> None:
        """Draw in viewport pixels."""
        raise NotImplementedError


class CountAxis(MinusAxis):
    """An axis that while it `counts` has only what can be counted."""

    counts = False

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Return the words at the ticks."""
        words = super().tickStrings(values, scale, spacing)
        if not self.counts:
            return words
        whole = [value >= 0 and float(value).is_integer() for value in values]
        return [w if good else "" for w, good in zip(words, whole, strict=True)]


class PictureItem(_Item):
    """Draws what a function makes of the window in view; asked again only when that changes."""

    def __init__(self, z: float) -> None:
        super().__init__(z)
        self._make: Callable[[Window], Picture | None] | None = None
        self._window: Window | None = None
        self._picture: Picture | None = None
        self._image: QImage | None = None

    def set_source(self, make: Callable[[Window], Picture | None] | None) -> None:
        """Draw with `make` from now on."""
        self._make, self._window, self._picture = make, None, None
        self.update()

    def draw(self, painter: QPainter) -> None:
        """Draw the picture."""
        if self._make is None:
            return
        window = self.window(painter)
        if window != self._window:
            self._window = window
            picture = self._make(window)
            if picture is not self._picture:
                self._image = None if picture is None else image_of(picture.rgba)
            self._picture = picture
        if self._image is None or self._picture is None:
            return
        p = self._picture
        place = self.to_pixels(p.x0, p.x1, p.y0, p.y1)
        exact = abs(place.width() - self._image.width() / _ratio(painter)) < 1
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not exact)
        _draw_part(painter, place, self._image, self.target())

    def window(self, painter: QPainter) -> Window:
        """Return what is in view and its device pixels."""
        target, view = self.target(), self.getViewBox().viewRect()
        ratio = _ratio(painter)
        width, height = round(target.width() * ratio), round(target.height() * ratio)
        x0, y0 = float(view.left()), float(view.top())
        x1, y1 = float(view.right()), float(view.bottom())
        return Window(x0, x1, y0, y1, max(1, width), max(1, height), ratio)


class ProbeItem(_Item):
    """The probe: a ring with a cross hair that leaves the middle free."""

    def __init__(self) -> None:
        super().__init__(20)
        self._xy: tuple[float, float] | None = None
        self._near: Array | None = None
        self._line = False

    @property
    def at(self) -> tuple[float, float] | None:
        """Where the probe stands, in plane units; None when it does not."""
        return self._xy

    def put(self, xy: tuple[float, float] | None, near: Array | None, line: bool) -> None:
        """Stand at a place; `near` (V, 2) is the outline of what is counted around it, if any."""
        self._xy, self._near, self._line = xy, near, line
        self.update()

    def draw(self, painter: QPainter) -> None:
        """Draw the ring, or a line across a histogram."""
        if self._xy is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        at = self.to_pixel(*self._xy)
        if self._line:
            target = self.target()
            self._stroke(
                painter, [(QPointF(at.x(), target.top()), QPointF(at.x(), target.bottom()))]
            )
            return
        if self._near is not None:
            painter.setPen(QPen(colour("accent", 110), 1, Qt.PenStyle.DotLine))
            painter.drawPolygon(self.to_polygon(self._near + self._xy))
        arms = [(QPointF(dx * 6, dy * 6), QPointF(dx * 13, dy * 13)) for dx, dy in _COMPASS]
        self._stroke(painter, [(at + a, at + b) for a, b in arms])
        for pen in self._pens():
            painter.setPen(pen)
            painter.drawEllipse(at, 6.0, 6.0)

    def _stroke(self, painter: QPainter, lines: list[tuple[QPointF, QPointF]]) -> None:
        for pen in self._pens():
            painter.setPen(pen)
            for a, b in lines:
                painter.drawLine(a, b)

    def _pens(self) -> list[QPen]:
        return [QPen(colour("plane", 200), 4), QPen(colour("accent"), 1.8)]


class MirrorItem(_Item):
    """Where the mirror image of the probe's object lies: a diamond, and a dashed line to it."""

    def __init__(self) -> None:
        super().__init__(19)
        self._at: tuple[float, float] | None = None
        self._probe: tuple[float, float] | None = None

    @property
    def at(self) -> tuple[float, float] | None:
        """The place marked, in plane units; None when nothing is."""
        return self._at

    def put(self, at: tuple[float, float] | None, probe: tuple[float, float] | None) -> None:
        """Mark a place; None marks nothing."""
        if (at, probe) != (self._at, self._probe):
            self._at, self._probe = at, probe
            self.update()

    def draw(self, painter: QPainter) -> None:
        """Draw the diamond."""
        if self._at is None or self._probe is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        at, probe = self.to_pixel(*self._at), self.to_pixel(*self._probe)
        painter.setPen(QPen(colour("accent", 130), 1, Qt.PenStyle.DashLine))
        painter.drawLine(probe, at)
        diamond = QPolygonF([at + QPointF(dx * 8, dy * 8) for dx, dy in _DIAMOND])
        painter.setBrush(colour("plane", 160))
        for pen in (QPen(colour("plane", 200), 4), QPen(colour("accent"), 1.8)):
            painter.setPen(pen)
            painter.drawPolygon(diamond)


class LitItem(_Item):
    """A ring around an image that another room points to."""

    def __init__(self) -> None:
        super().__init__(21)
        self._at: tuple[float, float] | None = None

    @property
    def at(self) -> tuple[float, float] | None:
        """The place marked, in plane units; None when nothing is."""
        return self._at

    def put(self, at: tuple[float, float] | None) -> None:
        """Mark a place; None marks nothing."""
        if at != self._at:
            self._at = at
            self.update()

    def draw(self, painter: QPainter) -> None:
        """Draw the ring."""
        if self._at is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in (QPen(colour("plane", 200), 5), QPen(colour("text"), 2)):
            painter.setPen(pen)
            painter.drawEllipse(self.to_pixel(*self._at), 7, 7)


_COMPASS = ((1, 0), (-1, 0), (0, 1), (0, -1))
_DIAMOND = ((1, 0), (0, 1), (-1, 0), (0, -1))


class ShapeItem(_Item):
    """The lasso, rectangle or circle being drawn, or the one that made the selection."""

    def __init__(self) -> None:
        super().__init__(18)
        self._points: Array = np.empty((0, 2))
        self._drawing = False

    def put(self, points: Array, drawing: bool) -> None:
        """Show a closed outline (V, 2) in plane units; empty shows none."""
        self._points, self._drawing = np.asarray(points, dtype=float).reshape(-1, 2), drawing
        self.update()

    def draw(self, painter: QPainter) -> None:
        """Draw the outline."""
        if len(self._points) < 2:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        outline = self.to_polygon(self._points)
        painter.setBrush(Qt.BrushStyle.NoBrush)  # a fill would tint the colours of the points
        painter.setPen(QPen(colour("plane", 150), 3))
        painter.drawPolygon(outline)
        painter.setPen(QPen(colour("accent", 255 if self._drawing else 170), 1.5))
        painter.drawPolygon(outline)


class PathItem(_Item):
    """A path with its anchors and the playhead."""

    def __init__(self) -> None:
        super().__init__(16)
        self._line: Array = np.empty((0, 2))
        self._anchors: Array = np.empty((0, 2))
        self._head: tuple[float, float] | None = None

    def put(self, line: Array, anchors: Array, head: tuple[float, float] | None) -> None:
        """Show a path (P, 2) through anchors (A, 2) in plane units."""
        self._line, self._anchors = np.asarray(line), np.asarray(anchors)
        self._head = head
        self.update()

    def draw(self, painter: QPainter) -> None:
        """Draw line, anchors and playhead."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if len(self._line) > 1:
            route = QPainterPath()
            route.addPolygon(self.to_polygon(self._line))
            for pen in (QPen(colour("plane", 180), 4.5), QPen(colour("text", 220), 2)):
                painter.strokePath(route, pen)
        painter.setPen(QPen(colour("plane"), 2))
        painter.setBrush(colour("text"))
        for x, y in self._anchors:
            painter.drawEllipse(self.to_pixel(x, y), 4.5, 4.5)
        if self._head is not None:
            painter.setBrush(colour("accent"))
            painter.drawEllipse(self.to_pixel(*self._head), 6.5, 6.5)
        if len(self._line) > 1:
            self._name_start(painter)

    def _name_start(self, painter: QPainter) -> None:
        """Write where the path begins: its first frame is there."""
        at = self.to_pixel(*self._line[0])
        painter.setFont(font(SMALL_PX))
        ground = QRectF(at.x() + 10, at.y() - 22, 36, 18)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("panel", 230))
        painter.drawRoundedRect(ground, 4, 4)
        painter.setPen(colour("text"))
        painter.drawText(ground, int(Qt.AlignmentFlag.AlignCenter), "start")


class ThumbnailsItem(_Item):
    """Thumbnails of the images in view, once they are few enough to have room."""

    SIDE = 40

    def __init__(self) -> None:
        super().__init__(8)
        self._places: Array = np.empty((0, 2))
        self._images: list[QImage] = []
        self._tints: list[QColor] = []

    @property
    def shown(self) -> Array:
        """Where images are drawn, (n, 2) in plane units."""
        return self._places

    def put(self, places: Array, images: list[QImage], tints: list[QColor]) -> None:
        """Show images at places (n, 2), each underlined in the colour of its point."""
        self._places, self._images, self._tints = places, images, tints
        self.update()

    def draw(self, painter: QPainter) -> None:
        """Draw the images above their points."""
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        side = self.SIDE
        for (x, y), image, tint in zip(self._places, self._images, self._tints, strict=True):
            at = self.to_pixel(x, y)
            frame = QRectF(at.x() - side / 2, at.y() - side / 2, side, side)
            painter.drawImage(frame, image)
            painter.fillRect(QRectF(frame.left(), frame.bottom(), side, 2), tint)


class CurveItem(_Item):
    """The outline of the histogram of a one-dimensional latent."""

    def __init__(self) -> None:
        super().__init__(6)
        self._xy: Array = np.empty((0, 2))

    def put(self, xy: Array) -> None:
        """Show a curve (P, 2) in plane units."""
        self._xy = xy
        self.update()

    def draw(self, painter: QPainter) -> None:
        """Draw the curve."""
        if len(self._xy) > 1:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(colour("text", 200), 1.5))
            painter.drawPolyline(self.to_polygon(self._xy))


def _ratio(painter: QPainter) -> float:
    device = painter.device()
    return 1.0 if device is None else float(device.devicePixelRatioF())


def _draw_part(painter: QPainter, place: QRectF, image: QImage, visible: QRectF) -> None:
    """Draw only the part of an image that shows: deep zooms would scale it to giant sizes."""
    shown = place.intersected(visible)
    if shown.isEmpty() or place.width() <= 0 or place.height() <= 0:
        return
    fx, fy = image.width() / place.width(), image.height() / place.height()
    left, top = (shown.left() - place.left()) * fx, (shown.top() - place.top()) * fy
    painter.drawImage(shown, image, QRectF(left, top, shown.width() * fx, shown.height() * fy))
