"""The decode atlas: a blend of its images at any place, and as tiles that fill a view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tvae_core.planes import ShownPlane, to_plane
from tvae_core.store import Atlas
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.raster import Picture, Window

Array = NDArray[np.floating]
Paint = Callable[[Array], NDArray[np.uint8]]
STRIP_PX = 64
_HELD, _MARGIN = 0.3, 0.2  # of an object's depth, and of half a tile
GROUND = 0.75
TILE_PX = 52  # at least; on large planes a fifteenth of the width


@dataclass(frozen=True)
class TileGrid:
    """Tile centres x (n,), y (m,) in plane units with their pitch."""

    x: Array
    y: Array
    pitch_x: float
    pitch_y: float

    @property
    def key(self) -> tuple[float, ...]:
        """What tells this grid from another."""
        return (float(self.x[0]), float(self.y[0]), len(self.x), len(self.y), self.pitch_x)

    def aspect(self, window: Window) -> float:
        """Return width over height of a cell on the screen."""
        width = self.pitch_x * window.width_px / (window.x1 - window.x0)
        return width / (self.pitch_y * window.height_px / (window.y1 - window.y0))


def blend(atlas: Atlas, x: Array, y: Array) -> Array:
    """Return the bilinear blend of the four nearest nodes, (n, h, w[, 3]) float32 image values.

    Points beyond the atlas take the value at its edge.
    """
    ix, fx = _cell(atlas.x, x)
    iy, fy = _cell(atlas.y, y)
    shape = (-1,) + (1,) * (atlas.images.ndim - 2)
    fx, fy = fx.reshape(shape), fy.reshape(shape)
    images = atlas.images
    below = images[iy, ix] * (1 - fx) + images[iy, ix + 1] * fx
    up = np.minimum(iy + 1, len(atlas.y) - 1)  # the atlas of one dimension has a single row
    above = images[up, ix] * (1 - fx) + images[up, ix + 1] * fx
    scale = np.float32((atlas.high - atlas.low) / 255.0)
    return np.asarray((below * (1 - fy) + above * fy) * scale + np.float32(atlas.low))


def blend_at(state: ExplorerState, z: Array, strict: bool = False) -> Array | None:
    """Return the open run's blend at z (D,), pose zero; None where its atlas has none.

    An atlas on the principal axes is of the plane through the mean: with `strict` there is no blend
    for a z that lies off it.
    """
    store = state.store
    if store is None or store.atlas is None:
        return None
    atlas = store.atlas
    if atlas.plane == "z" and store.z_dim <= 2:
        x, y = float(z[0]), float(z[1]) if store.z_dim == 2 else float(atlas.y[0])
    elif state.shown is not None and state.shown.choice.kind == atlas.plane:
        if strict and not _on_plane(state.shown, z):
            return None
        x, y = (float(v) for v in to_plane(state.shown, z))
    else:
        return None
    if not covers(atlas, x, y):
        return None
    return np.asarray(blend(atlas, np.array([x]), np.array([y]))[0])


def _on_plane(shown: ShownPlane, z: Array) -> bool:
    """Return whether z lies on the plane itself, within a fiftieth of what it spans."""
    linear = shown.linear
    if linear is None or linear.components is None or linear.mean is None:
        return True
    drawn = linear.mean + np.einsum("k,kd->d", to_plane(shown, z), linear.components)
    span = float(np.nanmax(np.nanstd(shown.xy[:: max(1, len(shown.xy) // 10_000)], axis=0)))
    return float(np.linalg.norm(z - drawn)) <= 0.05 * max(span, 1e-9)


def covers(atlas: Atlas, x: float, y: float) -> bool:
    """Return whether (x, y) lies within the atlas."""
    inside_x = atlas.x[0] <= x <= atlas.x[-1]
    return bool(inside_x and atlas.y[0] <= y <= atlas.y[-1])


def tile_grid(
    atlas: Atlas | None,
    extent: tuple[float, float, float, float],
    window: Window,
    tile_px: float = 0.0,
) -> TileGrid | None:
    """Return where tiles of at least `tile_px` pixels (0: a good size) stand; None for none.

    Tiles lie on the atlas's nodes, or on a grid of 24 over the extent, and between them once one
    zooms in. Their pitch goes in steps, so tiles stay where they are and only get more.
    """
    axes = (atlas.x, atlas.y) if atlas is not None else _even_axes(extent)
    least = tile_px or max(TILE_PX * window.ratio, window.width_px / 15)
    pixels = (
        window.width_px / max(window.x1 - window.x0, 1e-30),
        window.height_px / max(window.y1 - window.y0, 1e-30),
    )
    views = ((window.x0, window.x1), (window.y0, window.y1))
    pitches, centres = [], []
    for nodes, scale, view in zip(axes, pixels, views, strict=True):
        pitch = float(nodes[1] - nodes[0])
        pitch *= _multiple(least / max(pitch * scale, 1e-9))
        pitches.append(pitch)
        centres.append(_centres(nodes, pitch, *view))
    if not len(centres[0]) or not len(centres[1]) or len(centres[0]) * len(centres[1]) > 4000:
        return None
    return TileGrid(centres[0], centres[1], pitches[0], pitches[1])


def strip_grid(atlas: Atlas, window: Window) -> TileGrid | None:
    """Return the tiles of a one-dimensional latent: one row at the foot of the window in view."""
    scale = window.width_px / max(window.x1 - window.x0, 1e-30)
    pitch = float(atlas.x[1] - atlas.x[0])
    least = max(STRIP_PX * window.ratio, window.width_px / 15)
    pitch *= _multiple(least / max(pitch * scale, 1e-9))
    x = _centres(atlas.x, pitch, window.x0, window.x1)
    if not len(x):
        return None
    height = least * (window.y1 - window.y0) / window.height_px
    return TileGrid(x, np.array([window.y0 + height / 2]), pitch, height)


def sheet(
    values: Array, grid: TileGrid, opacity: Array, paint: Paint, aspect: float = 1.0
) -> Picture:
    """Return images drawn as tiles: `painted`, then `laid_out`."""
    return laid_out(painted(values, opacity, paint), grid, aspect)


def painted(
    values: Array,
    opacity: Array,
    paint: Paint,
    depth: float | None = None,
    ground: float = GROUND,
) -> NDArray[np.uint8]:
    """Return images as tiles (k, h, w, 4).

    Each has the tones of the decoded image, light or dark, grey or in colour. What differs from
    its background is opaque, with a little of the background around it; the rest lets the points
    through.

    Parameters
    ----------
    values : (k, h, w[, 3])
    opacity : (k,) 0..1
        How well data support each tile.
    paint : callable
        Turns values (k, h, w[, 3]) into colours (k, h, w, 3) uint8.
    depth : float, optional
        How far the values of objects are from their background; that of these images without it.
    ground : 0..1
        How opaque the background around an object is. 1 where the plane is of another tone, on
        which a rim would show another shape: then it fills a circle.
    """
    rgba = np.empty((*values.shape[:3], 4), dtype=np.uint8)
    rgba[..., :3] = paint(values)
    away = _away(values)
    cover = _cover(away, _depth(away) if depth is None else depth, ground)
    rgba[..., 3] = (255 * cover * opacity[:, None, None]).astype(np.uint8)
    return rgba


def laid_out(tiles: NDArray[np.uint8], grid: TileGrid, aspect: float = 1.0) -> Picture:
    """Return tiles (m * n, h, w, 4), rows from the lowest y, as one picture.

    Parameters
    ----------
    aspect : float
        Width over height of a cell on the screen: each tile is a square in the middle of its cell.
    """
    rgba = _padded(tiles, aspect)
    m, n, (height, width) = len(grid.y), len(grid.x), rgba.shape[1:3]
    rows = rgba.reshape(m, n, height, width, 4)[::-1].swapaxes(1, 2)
    rows = rows.reshape(m * height, n * width, 4)
    half_x, half_y = grid.pitch_x / 2, grid.pitch_y / 2
    x0, x1 = float(grid.x[0]) - half_x, float(grid.x[-1]) + half_x
    y0, y1 = float(grid.y[0]) - half_y, float(grid.y[-1]) + half_y
    return Picture(np.ascontiguousarray(rows), x0, x1, y0, y1)


def atlas_depth(atlas: Atlas) -> float:
    """Return how far the values of the atlas's objects are from their background."""
    shape = atlas.images.shape
    images = atlas.images.reshape(-1, *shape[2:])
    scale = np.float32((atlas.high - atlas.low) / 255.0)
    return _depth(_away(images.astype(np.float32) * scale + np.float32(atlas.low)))


def _away(values: Array) -> Array:
    """Return how far each pixel (k, h, w) is from its image's border."""
    colours = values[..., None] if values.ndim == 3 else values
    edge = [colours[:, 0], colours[:, -1], colours[:, :, 0], colours[:, :, -1]]
    ground = np.median(np.concatenate(edge, axis=1), axis=1)[:, None, None]
    return np.asarray(np.abs(colours - ground).max(axis=-1))


def _depth(away: Array) -> float:
    return max(float(np.percentile(away, 99.5)), 1e-6)


def _cover(away: Array, depth: float, ground: float) -> Array:
    """Return how opaque each pixel is (k, h, w): 1 where it differs from the image's border."""
    cover = np.clip((away / depth - 0.05) / 0.75, 0, 1)
    around = np.clip(2.2 * _spread(cover), 0, 1) * ground if ground < 1 else _discs(cover)
    return np.asarray(np.maximum(cover, around))


def _discs(cover: Array) -> Array:
    """Return 1 within a circle that holds each object (k, h, w), and ends softly."""
    y, x = (np.linspace(-1, 1, side) for side in cover.shape[1:])
    apart = np.hypot(y[:, None], x[None])
    reach = np.where(cover > _HELD, apart, 0.0).max((1, 2)) + _MARGIN
    inside = (np.minimum(reach, 1.0)[:, None, None] - apart) * len(y) / 4
    return np.asarray(np.clip(inside, 0, 1))


def _spread(cover: Array) -> Array:
    """Smooth over about a twelfth of the side, so that a halo reaches beyond the object."""
    reach = max(1, cover.shape[1] // 12)
    for axis in (1, 2):
        total = cover.copy()
        for step in range(1, reach + 1):
            total += np.roll(cover, step, axis) + np.roll(cover, -step, axis)
        cover = total / (2 * reach + 1)
    return cover


def _padded(rgba: NDArray[np.uint8], aspect: float) -> NDArray[np.uint8]:
    side = rgba.shape[1]
    width = max(0, round(side * aspect) - side) // 2
    height = max(0, round(side / max(aspect, 1e-6)) - side) // 2
    return np.pad(rgba, ((0, 0), (height, height), (width, width), (0, 0)))


def _even_axes(extent: tuple[float, float, float, float]) -> tuple[Array, Array]:
    x0, x1, y0, y1 = extent
    return np.linspace(x0, x1, 24), np.linspace(y0, y1, 24)


def _cell(nodes: Array, at: Array) -> tuple[Array, Array]:
    if len(nodes) == 1:
        return np.zeros(np.shape(at), np.int64), np.zeros(np.shape(at), np.float32)
    pitch = max(float(nodes[1] - nodes[0]), 1e-30)
    place = np.clip((np.asarray(at, np.float64) - float(nodes[0])) / pitch, 0, len(nodes) - 1)
    cell = np.minimum(place.astype(np.int64), len(nodes) - 2)
    return cell, (place - cell).astype(np.float32)


def _multiple(least: float) -> float:
    """Return how many nodes a tile spans: 1, 2, 3, 4, 6, ..., or a half, a quarter, ... of one."""
    if least <= 1:
        return float(2.0 ** np.ceil(np.log2(max(least, 1e-9))))
    power = 2.0 ** np.floor(np.log2(least))
    return float(next(m for m in (power, 1.5 * power, 2 * power) if m >= least and m != 1.5))


def _centres(nodes: Array, pitch: float, low: float, high: float) -> Array:
    first, last = float(nodes[0]), float(nodes[-1])
    middle = float(nodes[len(nodes) // 2])
    edge = 0.25 * pitch
    begin = np.ceil((max(low - pitch / 2, first - edge) - middle) / pitch)
    end = np.floor((min(high + pitch / 2, last + edge) - middle) / pitch)
    return middle + pitch * np.arange(begin, end + 1)
