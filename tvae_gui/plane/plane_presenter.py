"""What the plane view draws: points, tiles, thumbnails, probe and shapes of the state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtGui import QColor

from tvae_core.planes import ShownPlane, to_z
from tvae_core.selection import How, Rule
from tvae_core.store import Atlas
from tvae_core.words import figure
from tvae_gui.context import Context
from tvae_gui.jobs.decode_job import TILES, DecodedMany
from tvae_gui.jobs.picture_job import POINTS, Thumbnails
from tvae_gui.plane.plane_note import PlaneNote
from tvae_gui.plane.plane_tools import PlaneTools
from tvae_gui.plane.plane_view import CIRCLE, RECTANGLE, PlaneView, circle_outline
from tvae_gui.state.atlas_view import (
    GROUND,
    TileGrid,
    atlas_depth,
    blend,
    laid_out,
    painted,
    sheet,
    strip_grid,
    tile_grid,
)
from tvae_gui.state.raster import Picture, ScatterFrame, Window
from tvae_gui.state.scatter_frame import scatter_frame
from tvae_gui.state.tile_cache import TileCache
from tvae_gui.theme import colour, theme
from tvae_gui.widgets.image_panel import picture_of
from tvae_gui.words import NO_RUN

Array = NDArray[Any]
Place = tuple[float, float]
THUMBNAILS_AT_MOST = 60
TILE_SIDE = 48
MOST_EXACT_TILES = 240
_STRETCHED = 2.0


class PlanePresenter:
    """Draws the state on a plane view."""

    def __init__(
        self, context: Context, view: PlaneView, tools: PlaneTools, note: PlaneNote
    ) -> None:
        self._note = note
        self._state, self._view, self._tools = context.state, view, tools
        self._decoder, self._pictures = context.decoder, context.pictures
        self._tones = context.tones
        self._frame: ScatterFrame | None = None
        self._tiles: dict[tuple[Any, ...], Picture | None] = {}
        self._blends = TileCache()
        self._depth: tuple[Atlas, float] | None = None  # of the objects of an atlas
        self._exact: dict[tuple[Any, ...], Array] = {}
        self._asked: tuple[Any, ...] | None = None
        self._near: Array | None = None
        self._drawn_at: tuple[float, ...] = ()

    # --- points --------------------------------------------------------------------------------
    def show_plane(self) -> None:
        """Show another plane: axes, points, tiles, and all of it in view."""
        shown = self._state.shown
        self._exact.clear()
        self._asked = None  # a closed store answers no more
        self._view.shape.put(np.empty((0, 2)), False)
        if shown is None:
            self._note.say("")
            self._view.set_points(None)
            self._view.set_tiles(None)
            return
        nearness = self._state.nearness
        self._near = None if nearness is None else nearness.outline(shown)
        self._note.say(self._said_of(shown))
        self._view.set_axes(*self._titles(shown), self._state.extent)
        self._view.curve.put(self._outline() if shown.is_line else np.empty((0, 2)))
        self.show_points()
        self.show_tiles()

    def _said_of(self, shown: ShownPlane) -> str:
        """Return what has to be said of the plane as a whole, or nothing."""
        nearness, choice = self._state.nearness, shown.choice
        if nearness is None or nearness.note or choice.kind != "z" or shown.is_line:
            return "" if nearness is None else nearness.note
        axes = (choice.first, choice.second)
        idle = [f"z{axis + 1}" for axis in axes if nearness.is_unused(axis)]
        x0, x1, y0, y1 = self._state.extent
        wider = max(y1 - y0, x1 - x0) / max(min(y1 - y0, x1 - x0), 1e-12)
        if len(idle) != 1 or wider < _STRETCHED:
            return ""
        return f"{idle[0]} is unused by the model; its axis is stretched {figure(wider)} times."

    def _titles(self, shown: ShownPlane) -> tuple[str, str]:
        """Return what the axes are called; a dimension of z that says nothing says so."""
        nearness, choice = self._state.nearness, shown.choice
        titles = [shown.x_title, shown.y_title]
        if choice.kind == "axes":
            known = {c.key: f"{c.title} ({c.unit})" if c.unit else c.title
                     for c in self._state.columns}  # fmt: skip
            return known.get(choice.x, titles[0]), known.get(choice.y, titles[1])
        for side, dimension in enumerate((choice.first, choice.second)):
            if choice.kind == "z" and nearness is not None and nearness.is_unused(dimension):
                titles[side] += " (unused by the model)"
        return titles[0], titles[1]

    def show_points(self) -> None:
        """Draw the points again: colours, filter or selection have changed."""
        if self._state.shown is None:
            return
        self._frame = scatter_frame(self._state, theme().dark)
        self._view.set_points(self._frame.draw)
        self.ask_thumbnails()

    def _outline(self) -> Array:
        x, y = self._state.index.xy
        edges = np.linspace(*self._state.extent[:2], 121)
        tops = np.zeros(120)
        np.maximum.at(tops, np.clip(np.searchsorted(edges, x) - 1, 0, 119), y)
        return np.stack([0.5 * (edges[1:] + edges[:-1]), tops], axis=1)

    # --- tiles ---------------------------------------------------------------------------------
    def show_tiles(self) -> None:
        """Draw the background again, or none."""
        self._tiles.clear()
        self._blends.clear()
        shown = self._state.options.atlas and self.why_no_tiles() == ""
        line = self._state.shown is not None and self._state.shown.is_line
        draw = self._draw_strip if line else self._draw_tiles
        self._view.set_tiles(draw if shown else None)

    def show_atlas_switch(self) -> None:
        """Show whether the background is on, or why it cannot be."""
        reason = self.why_no_tiles()
        self._tools.show_atlas(self._state.options.atlas and not reason, reason)

    def why_no_tiles(self) -> str:
        """Return why there can be no background; empty when there can."""
        if self._state.store is None:
            return NO_RUN
        if self._state.shown is not None and self._state.shown.is_line:
            return "" if self._blendable() is not None else "This run has no stored decoded images"
        if self._blendable() is None and not self._decoder.is_ready:
            return "This plane has no stored decoded images, and the model is not loaded"
        return ""

    def _blendable(self) -> Atlas | None:
        """Return the stored atlas when its plane is the one shown."""
        store, shown = self._state.store, self._state.shown
        if store is None or shown is None or store.atlas is None:
            return None
        choice = shown.choice
        latent = store.atlas.plane == "z" and choice.name == "z1 z2" and store.z_dim == 2
        latent |= store.atlas.plane == "z" and shown.is_line
        linear = store.atlas.plane == "pca" and choice.kind == "pca"
        return store.atlas if latent or linear else None

    def _draw_tiles(self, window: Window) -> Picture | None:
        atlas = self._blendable()
        grid = tile_grid(atlas, self._state.extent, window)
        if grid is None:
            return None
        aspect = round(grid.aspect(window), 1)
        held = self._held()
        key = (*grid.key, *held, aspect)
        self._ask_exact(grid, atlas, held)
        if key not in self._tiles:
            tiles = self._painted(grid, atlas, held)
            if tiles is None:
                return None
            if len(self._tiles) > 24:
                self._tiles.clear()
            self._tiles[key] = laid_out(tiles, grid, aspect)
        return self._tiles[key]

    def _painted(
        self, grid: TileGrid, atlas: Atlas | None, held: tuple[float, ...]
    ) -> NDArray[np.uint8] | None:
        """Return the tiles of a grid: the exact ones where they are known, else blends."""
        exact = self._exact.get((*grid.key, *held))
        if exact is not None:
            support = self._support_at(_places_of(grid))
            return painted(exact, support, self._tones.colours, ground=self._ground())
        if atlas is None:
            return None

        def paint(places: Array) -> Array:
            values, support = blend(atlas, places[:, 0], places[:, 1]), self._support_at(places)
            depth, ground = self._depth_of(atlas), self._ground()
            return painted(values, support, self._tones.colours, depth, ground)

        return self._blends.tiles(_places_of(grid), paint)

    def _ground(self) -> float:
        """Return how opaque the background of tiles is: on a light plane dark ones stand whole."""
        return GROUND if theme().dark else 1.0

    def _depth_of(self, atlas: Atlas) -> float:
        if self._depth is None or self._depth[0] is not atlas:
            self._depth = atlas, atlas_depth(atlas)
        return self._depth[1]

    def _support_at(self, places: Array) -> Array:
        return self._state.support_of(places, self._z_of(places))

    def _draw_strip(self, window: Window) -> Picture | None:
        """Draw the images along a latent of one dimension, at the foot of its histogram."""
        atlas = self._blendable()
        grid = None if atlas is None else strip_grid(atlas, window)
        if atlas is None or grid is None:
            return None
        values = blend(atlas, grid.x, np.full(len(grid.x), float(atlas.y[0])))
        share = self._support_at(_places_of(grid))
        return sheet(values, grid, share, self._tones.colours, grid.aspect(window))

    def _held(self) -> tuple[float, ...]:
        """Return what the dimensions off a plane of z stand at: its images depend on them."""
        shown, probe = self._state.shown, self._state.probe
        if shown is None or probe is None or shown.choice.kind != "z" or shown.is_line:
            return ()
        off = np.delete(probe.z, [shown.choice.first, shown.choice.second])
        return tuple(np.round(off, 3).tolist())

    def _ask_exact(self, grid: TileGrid, atlas: Atlas | None, held: tuple[float, ...]) -> None:
        """Ask for exact tiles where the atlas would only interpolate."""
        key = (*grid.key, *held)
        finer = atlas is None or grid.pitch_x < 0.9 * float(atlas.x[1] - atlas.x[0])
        few = len(grid.x) * len(grid.y) <= MOST_EXACT_TILES
        wanted = finer and few and self._decoder.is_ready and key != self._asked
        if not wanted or key in self._exact:
            return
        self._asked = key
        self._decoder.ask_many(TILES, self._z_of(_places_of(grid)), key, TILE_SIDE)

    def _z_of(self, places: Array) -> Array:
        """Return the z (n, D) that places (n, 2) stand for."""
        return np.stack([self._z_at(x, y) for x, y in places.tolist()])

    def _z_at(self, x: float, y: float) -> Array:
        state = self._state
        assert state.shown is not None
        assert state.store is not None
        assert state.probe is not None
        exact = state.shown.leads_to_z
        near = np.empty(0, np.int64) if exact else state.near_on_plane(x, y)
        return to_z(state.shown, state.store, np.array([x, y]), state.probe.z, near)

    def on_tiles(self, answer: DecodedMany) -> None:
        """Replace the blend by exact images."""
        if len(self._exact) > 6:
            self._exact.clear()
        self._exact[answer.tag] = answer.images
        self._asked = None
        self.show_tiles()

    # --- thumbnails on the points ----------------------------------------------------------------
    def ask_thumbnails(self) -> None:
        """Ask for the images in view once they are few."""
        store = self._state.store
        if self._frame is None or store is None or not store.has_thumbnails:
            return
        window = self._view.window_in_view
        some = self._in_view(window)
        if some is None or not len(some):
            self._view.show_thumbnails(np.empty((0, 2)), [], [])
        else:
            self._pictures.ask(POINTS, some)

    def _in_view(self, window: Window) -> Array | None:
        assert self._frame is not None
        x0, x1 = self._state.extent[:2]
        whole = window.x1 - window.x0 > 0.5 * (x1 - x0) and len(self._state.index) > 200
        if whole or self._frame.count_in_view(window) > THUMBNAILS_AT_MOST:
            return None
        index = self._state.index
        at = index.positions_in(window.x0, window.x1, window.y0, window.y1)
        x, y = at.of(index.xy)
        inside = (x > window.x0) & (x < window.x1) & (y > window.y0) & (y < window.y1)
        if self._frame.visible is not None:
            inside &= at.of(self._frame.visible)
        return np.asarray(at.of(index.order)[inside])

    def on_thumbnails(self, answer: Thumbnails) -> None:
        """Draw the images asked for."""
        shown, frame = self._state.shown, self._frame
        if shown is None or frame is None or self._in_view(self._view.window_in_view) is None:
            return  # the view has moved on to where images are not shown
        images = [picture_of(t, *self._tones.thumbnails) for t in answer.upright]
        place = np.argsort(self._state.index.order)
        levels = frame.levels[place[answer.indices]]
        tints = [QColor(*(int(c) for c in frame.table[k])) for k in levels]
        self._view.show_thumbnails(shown.xy[answer.indices], images, tints)

    # --- probe and shapes ------------------------------------------------------------------------
    def show_probe(self) -> None:
        """Put the probe where the state has it."""
        state = self._state
        if state.probe is None or state.shown is None:
            self._view.probe.put(None, None, False)
        else:
            self._view.probe.put(state.probe.xy, self._near, state.shown.is_line)
            if self._held() != self._drawn_at:
                self._drawn_at = self._held()
                self.show_tiles()

    def show_mirror(self, at: Place | None, probe: Place | None) -> None:
        """Mark the mirror image of the probe's object, or none."""
        self._view.mirror.put(at, probe)

    # --- hands ---------------------------------------------------------------------------------
    def on_nudged(self, dx: float, dy: float) -> None:
        """Move the probe a little."""
        if self._state.probe is not None:
            x, y = self._state.probe.xy
            self._state.move_probe(x + dx, y + dy)

    def on_shape(self, kind: str, points: Array, how: How, finished: bool) -> None:
        """Select what a shape holds; while it is drawn the selection is only shown."""
        rule = self.rule_of(kind, points)
        if rule is not None:
            self._state.select(rule, how, live=not finished)

    def rule_of(self, kind: str, points: Array) -> Rule | None:
        """Return the rule that a shape drawn on the plane makes."""
        shown = self._state.shown
        if shown is None:
            return None
        plane = shown.choice.name
        if shown.is_line and kind != CIRCLE:
            x0, x1 = float(points[:, 0].min()), float(points[:, 0].max())
            return {"kind": "range", "column": "z1", "low": x0, "high": x1}
        if kind == RECTANGLE:
            x, y = np.sort(points[:, 0]).tolist(), np.sort(points[:, 1]).tolist()
            return {"kind": "rectangle", "plane": plane, "x": x, "y": y}
        if kind == CIRCLE:
            radius = float(np.hypot(*(points[1] - points[0])))
            return {
                "kind": "circle",
                "plane": plane,
                "centre": points[0].tolist(),
                "radius": radius,
            }
        return {"kind": "polygon", "plane": plane, "vertices": np.round(points, 6).tolist()}

    def show_selection(self, live: bool) -> None:
        """Light what is selected; once it is drawn, with the outline of its rule."""
        self.show_points()
        if not live:
            self.show_selection_shape()

    def show_selection_shape(self) -> None:
        """Show the outline of the rule behind the selection, if it is one shape on this plane."""
        rule, shown = self._state.present.rule, self._state.shown
        outline = np.empty((0, 2))
        if shown is not None and rule.get("plane") == shown.choice.name:
            outline = _outline_of(rule)
        self._view.shape.put(outline, False)

    def light(self, number: int) -> None:
        """Ring an image that another room points to; -1 rings none."""
        shown = self._state.shown
        known = shown is not None and 0 <= number < len(shown.xy)
        x, y = shown.xy[number] if known and shown is not None else (np.nan, np.nan)
        self._view.lit.put((float(x), float(y)) if np.isfinite(x + y) else None)

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        self._tools.apply_theme()
        self._view.apply_theme()
        self._view.setBackground(colour("plane"))
        self.show_points()
        self.show_tiles()


def _places_of(grid: TileGrid) -> Array:
    """Return the places (m * n, 2) of the tiles of a grid, rows from the lowest y."""
    xx, yy = np.meshgrid(grid.x, grid.y)
    return np.stack([xx.ravel(), yy.ravel()], axis=1)


def _outline_of(rule: Rule) -> Array:
    if rule["kind"] == "polygon":
        return np.array(rule["vertices"])
    if rule["kind"] == "rectangle":
        (x0, x1), (y0, y1) = rule["x"], rule["y"]
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    if rule["kind"] == "circle":
        return circle_outline(np.array(rule["centre"]), rule["radius"])
    return np.empty((0, 2))
