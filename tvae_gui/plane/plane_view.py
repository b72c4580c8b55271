"""The latent plane: points, atlas, probe, shapes, paths, and what the mouse does on it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QContextMenuEvent, QImage, QKeyEvent, QMouseEvent, QWheelEvent
from PyQt6.QtWidgets import QWidget

from tvae_gui.plane.plane_items import (
    CountAxis,
    CurveItem,
    LitItem,
    MirrorItem,
    PathItem,
    PictureItem,
    ProbeItem,
    ShapeItem,
    ThumbnailsItem,
)
from tvae_gui.state.raster import Picture, Window
from tvae_gui.theme import SMALL_PX, colour, font
from tvae_gui.widgets.controls import single_shot

Array = NDArray[Any]
_BEHIND = 0.3
PROBE, LASSO, RECTANGLE, CIRCLE, PATH = "probe", "lasso", "rectangle", "circle", "path"
_HINTS = {
    PROBE: "Drag to move the probe",
    LASSO: "Drag around the images to select",
    RECTANGLE: "Drag from corner to corner",
    CIRCLE: "Drag outwards from the centre",
    PATH: "Click points, or drag to draw freehand; double-click ends",
}
_SHAPE_MS = 33
_TOOLS_PX = 48  # of height that the tools take at the top
Modifier = Qt.KeyboardModifier


class PlaneView(pg.PlotWidget):  # type: ignore[misc]
    """The plane widget.

    Signals: probe_dragged(x, y), nudged(dx, dy) in plane units,
    shape_drawn(kind, points (V, 2), how, finished), shape_cancelled(), path_point(x, y),
    path_drawn(points), path_ended(), hovered(x, y), left_plane(), view_changed(),
    tool_changed(name), mode_changed(how),
    difference_held(bool), while D is down, menu_wanted(place on the screen).
    """

    probe_dragged = pyqtSignal(float, float)
    nudged = pyqtSignal(float, float)
    shape_drawn = pyqtSignal(str, object, str, bool)
    shape_cancelled = pyqtSignal()
    path_point = pyqtSignal(float, float)
    path_drawn = pyqtSignal(object)
    path_ended = pyqtSignal()
    hovered = pyqtSignal(float, float)
    left_plane = pyqtSignal()
    view_changed = pyqtSignal()
    tool_changed = pyqtSignal(str)
    mode_changed = pyqtSignal(str)
    difference_held = pyqtSignal(bool)
    menu_wanted = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._left = CountAxis("left")
        axes = {"left": self._left, "bottom": CountAxis("bottom")}
        super().__init__(parent, enableMenu=False, axisItems=axes)
        self.setAccessibleName("Latent plane")
        self.setMinimumSize(QSize(240, 200))
        self.hideButtons()
        self.setMenuEnabled(False)
        self.box = self.getPlotItem().getViewBox()
        self.box.setMouseEnabled(False, False)
        self.box.disableAutoRange()
        self.box.setDefaultPadding(0.0)
        self._add_items()
        self.tool = PROBE
        self._press: QPointF | None = None
        self._panning = False
        self._space = False
        self._trail: list[tuple[float, float]] = []
        self._how = self.mode = "replace"
        self._home = (-1.0, 1.0, -1.0, 1.0)
        self._shape_timer = single_shot(self, _SHAPE_MS)
        self._shape_timer.timeout.connect(lambda: self._emit_shape(False))
        self.box.sigRangeChanged.connect(lambda *_: self.view_changed.emit())
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.apply_theme()
        self.set_tool(PROBE)

    def _add_items(self) -> None:
        self.scatter = PictureItem(2)
        self.tiles = PictureItem(3)
        self.thumbnails = ThumbnailsItem()
        self.curve = CurveItem()
        self.path = PathItem()
        self.shape = ShapeItem()
        self.mirror = MirrorItem()
        self.lit = LitItem()
        self.probe = ProbeItem()
        for item in (self.tiles, self.scatter, self.thumbnails, self.curve, self.path, self.shape):
            self.box.addItem(item, ignoreBounds=True)
        self.box.addItem(self.mirror, ignoreBounds=True)
        self.box.addItem(self.probe, ignoreBounds=True)
        self.box.addItem(self.lit, ignoreBounds=True)

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        self.setBackground(colour("plane"))
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setPen(pg.mkPen(colour("line")))
            axis.setTextPen(pg.mkPen(colour("muted")))
            axis.setTickFont(font(SMALL_PX))
            axis.setStyle(tickLength=-4, maxTickLevel=0, tickTextOffset=6)
            axis.setTickDensity(0.6)
            axis.enableAutoSIPrefix(False)
            axis.label.setFont(font(SMALL_PX))
            axis.setLabel(axis.labelText, color=colour("muted").name())
        self.scatter.update()

    # --- what is shown -------------------------------------------------------------------------
    def set_axes(
        self, x_title: str, y_title: str, extent: tuple[float, float, float, float]
    ) -> None:
        """Name the axes and set what F fits to."""
        for side, title in (("bottom", x_title), ("left", y_title)):
            self.getAxis(side).setLabel(title, color=colour("muted").name())
        x0, x1, y0, y1 = extent
        dx, dy = 0.06 * (x1 - x0), 0.06 * (y1 - y0)
        self._left.counts = y_title == "images"
        low, high = (-0.25 * y1, 1.3 * y1) if self._left.counts else (y0 - dy, y1 + dy)
        self._home = (x0 - dx, x1 + dx, low, high)
        self.fit()

    def set_points(self, draw: Callable[[Window], Picture | None] | None) -> None:
        """Draw the points with `draw`."""
        self.scatter.set_source(draw)

    def set_tiles(self, draw: Callable[[Window], Picture | None] | None) -> None:
        """Draw the background with `draw`."""
        self.tiles.set_source(draw)

    def show_thumbnails(self, places: Array, images: list[QImage], tints: list[QColor]) -> None:
        """Draw images at places (n, 2) of the plane; the background steps back behind them."""
        self.thumbnails.put(places, images, tints)
        self.tiles.setOpacity(_BEHIND if len(images) else 1.0)

    @property
    def window_in_view(self) -> Window:
        """What is in view, in device pixels."""
        view, size = self.box.viewRect(), self.box.rect()
        ratio = self.devicePixelRatioF()
        width, height = max(1, round(size.width() * ratio)), max(1, round(size.height() * ratio))
        edges = (view.left(), view.right(), view.top(), view.bottom())
        return Window(*edges, width, height, ratio)

    def fit(self) -> None:
        """Zoom to fit, below the tools."""
        x0, x1, y0, y1 = self._home
        height = self.box.height()
        if height > 4 * _TOOLS_PX:
            y1 += (y1 - y0) * _TOOLS_PX / (height - _TOOLS_PX)
        self.box.setRange(xRange=(x0, x1), yRange=(y0, y1), padding=0)

    def look_at(self, x0: float, x1: float, y0: float, y1: float) -> None:
        """Show a part of the plane."""
        x0, x1, y0, y1 = float(x0), float(x1), float(y0), float(y1)
        self.box.setRange(xRange=(x0, x1), yRange=(y0, y1), padding=0)

    # --- tools -----------------------------------------------------------------------------------
    def set_tool(self, tool: str) -> None:
        """Choose what a press does."""
        self.tool = tool
        self._trail.clear()
        self._show_cursor()
        self.setStatusTip(_HINTS[tool])
        self.tool_changed.emit(tool)

    def set_mode(self, how: str) -> None:
        """Choose what a shape does with the selection where no key is held."""
        self.mode = how
        self.mode_changed.emit(how)

    def cancel(self) -> None:
        """Drop the shape being drawn, or leave the tool."""
        if self._trail:
            self._trail.clear()
            self._press = None
            self._shape_timer.stop()
            self.shape.put(np.empty((0, 2)), False)
            self.shape_cancelled.emit()
        elif self.tool != PROBE:
            self.set_tool(PROBE)

    def place_at(self, position: QPointF) -> tuple[float, float]:
        """Return the place of the plane at a widget position."""
        at = self.box.mapSceneToView(self.mapToScene(position.toPoint()))
        return float(at.x()), float(at.y())

    def _show_cursor(self) -> None:
        shapes = Qt.CursorShape
        if self._panning:
            shape = shapes.ClosedHandCursor
        elif self._space:
            shape = shapes.OpenHandCursor
        elif self.tool == PROBE:
            shape = shapes.PointingHandCursor
        else:
            shape = shapes.CrossCursor
        viewport = self.viewport()
        if viewport is not None:
            viewport.setCursor(shape)

    # --- mouse -----------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin what the tool does; the middle button or space pans."""
        self.setFocus()
        event.accept()
        self.left_plane.emit()  # what belongs to hovering goes away
        self._press = event.position()
        middle = event.button() == Qt.MouseButton.MiddleButton
        if middle or (self._space and event.button() == Qt.MouseButton.LeftButton):
            self._panning = True
            self._show_cursor()
        elif event.button() == Qt.MouseButton.LeftButton:
            self._begin(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Carry on what was begun, or hover."""
        event.accept()
        place = self.place_at(event.position())
        if self._press is None:
            self.hovered.emit(*place)
        elif self._panning:
            self._pan(event.position())
        elif event.buttons() & Qt.MouseButton.LeftButton:
            self._go_on(place)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End what was begun."""
        event.accept()
        drew, self._press = self._press is not None, None
        if self._panning:
            self._panning = False
            self._show_cursor()
        elif drew and event.button() == Qt.MouseButton.LeftButton:
            self._end()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """End a path; elsewhere the same as a press."""
        if self.tool == PATH:
            event.accept()
            self._trail.clear()
            self.path_ended.emit()
        else:
            self.mousePressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Put the probe where the menu is asked for, unless a key asked; then ask for the menu."""
        event.accept()
        self.left_plane.emit()
        if event.reason() == QContextMenuEvent.Reason.Mouse and self.tool == PROBE:
            self.probe_dragged.emit(*self.place_at(QPointF(event.pos())))
        self.menu_wanted.emit(event.globalPos())

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the cursor."""
        event.accept()
        turns = event.angleDelta().y() or event.angleDelta().x()
        self.zoom(0.9985 ** float(turns), self.place_at(event.position()))

    def leaveEvent(self, event: Any) -> None:
        """Hover no more."""
        self.left_plane.emit()
        super().leaveEvent(event)

    def zoom(self, factor: float, centre: tuple[float, float] | None = None) -> None:
        """Scale what is in view by `factor` about a place."""
        view = self.box.viewRect()
        widest = max(self._home[1] - self._home[0], 1e-12)
        if not widest * 1e-5 < view.width() * factor < widest * 20:
            return
        x, y = centre if centre is not None else (view.center().x(), view.center().y())
        self.look_at(
            x + (view.left() - x) * factor,
            x + (view.right() - x) * factor,
            y + (view.top() - y) * factor,
            y + (view.bottom() - y) * factor,
        )

    def _pan(self, position: QPointF) -> None:
        assert self._press is not None
        (ax, ay), (bx, by) = self.place_at(self._press), self.place_at(position)
        self._press = position
        view = self.box.viewRect().translated(ax - bx, ay - by)
        self.look_at(view.left(), view.right(), view.top(), view.bottom())

    def _begin(self, event: QMouseEvent) -> None:
        place = self.place_at(event.position())
        held = _how(event.modifiers())
        self._how = self.mode if held == "replace" else held
        self._trail = [place]
        if self.tool == PROBE:
            self.probe_dragged.emit(*place)

    def _go_on(self, place: tuple[float, float]) -> None:
        if self.tool == PROBE:
            self.probe_dragged.emit(*place)
            return
        self._trail.append(place)
        if self.tool == PATH:
            self.path_drawn.emit(np.array(self._trail))
            return
        self.shape.put(self._outline(), True)
        if not self._shape_timer.isActive():
            self._shape_timer.start()

    def _end(self) -> None:
        self._shape_timer.stop()
        if self.tool == PATH:
            if len(self._trail) < 4:
                self.path_point.emit(*self._trail[0]) if self._trail else None
        elif self.tool != PROBE:
            self._emit_shape(True)
        self._trail = []

    def _emit_shape(self, finished: bool) -> None:
        if len(self._trail) > 1:
            points = np.array(
                self._trail if self.tool == LASSO else [self._trail[0], self._trail[-1]]
            )
            self.shape_drawn.emit(self.tool, points, self._how, finished)

    def _outline(self) -> Array:
        first, last = np.array(self._trail[0]), np.array(self._trail[-1])
        if self.tool == RECTANGLE:
            return np.array([first, [last[0], first[1]], last, [first[0], last[1]]])
        if self.tool == CIRCLE:
            return circle_outline(first, float(math.dist(first, last)))
        return np.array(self._trail)

    # --- keys ------------------------------------------------------------------------------------
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move the probe, with shift by ten; space pans; D compares; Escape cancels."""
        steps = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, 1),
            Qt.Key.Key_Down: (0, -1),
        }
        key = Qt.Key(event.key())
        others = Modifier.ControlModifier | Modifier.AltModifier | Modifier.ShiftModifier
        held = bool(event.modifiers() & others)
        if key in steps:
            reach = 10 if event.modifiers() & Modifier.ShiftModifier else 1
            view, size = self.box.viewRect(), self.box.rect()
            dx, dy = steps[key]
            across, up = view.width() / size.width(), view.height() / size.height()
            self.nudged.emit(dx * reach * across, dy * reach * up)
        elif key == Qt.Key.Key_D and not held:
            if not event.isAutoRepeat():
                self.difference_held.emit(True)
        elif key == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = True
            self._show_cursor()
        elif key == Qt.Key.Key_Escape:
            self.cancel()
        else:
            event.ignore()
            return
        event.accept()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Stop panning when space is let go."""
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = False
            self._show_cursor()
        elif event.key() == Qt.Key.Key_D and not event.isAutoRepeat():
            self.difference_held.emit(False)
        event.accept()

    def focusOutEvent(self, event: Any) -> None:
        """Forget a space whose release went elsewhere."""
        self._space = False
        self._show_cursor()
        self.difference_held.emit(False)
        super().focusOutEvent(event)


def circle_outline(centre: Array, radius: float) -> Array:
    """Return a circle in plane units as a polygon (64, 2)."""
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return np.asarray(centre) + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def _how(modifiers: Qt.KeyboardModifier) -> str:
    adds = bool(modifiers & Modifier.ShiftModifier)
    takes = bool(modifiers & Modifier.ControlModifier)
    return "subtract" if adds and takes else "union" if adds else "replace"
