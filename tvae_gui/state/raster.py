"""Drawing many points as one picture, in numpy.

Few points in view are stamped as discs; many become a density image: binned in view when zoomed
in, else taken from a pyramid of histograms made once. Both take their colours from one table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.columns import Kind
from tvae_gui.state.point_index import PointIndex, Runs

Array = NDArray[np.floating]
Whole = NDArray[np.integer]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
POINTS_AT_MOST = 20_000
FINEST = 1024
_RAMP = np.arange(256) / 255
_TURN = np.exp(2j * np.pi * np.arange(256) / 256).astype(np.complex64)


@dataclass(frozen=True)
class Window:
    """The part of the plane in view, how many device pixels it has, and how many make a pixel."""

    x0: float
    x1: float
    y0: float
    y1: float
    width_px: int
    height_px: int
    ratio: float = 1.0


@dataclass(frozen=True)
class Picture:
    """A picture (h, w, 4) uint8 RGBA, row 0 on top, and the plane rectangle it covers."""

    rgba: Bytes
    x0: float
    x1: float
    y0: float
    y1: float


@dataclass(frozen=True)
class ScatterFrame:
    """All that decides how the points look; made by `scatter_frame(state)`.

    `levels` (N,) uint8 are indices into `table` (256, 3), `visible` and `chosen` (N,) bool, all in
    the index's cell order; `chosen` is None when nothing is selected.
    """

    index: PointIndex
    kind: Kind
    levels: Bytes
    table: Bytes
    visible: Mask | None
    chosen: Mask | None
    faded_rgb: tuple[int, int, int]
    strength: float = 1.0

    def draw(self, window: Window) -> Picture:
        """Return the picture of what is in view."""
        positions = self.index.positions_in(window.x0, window.x1, window.y0, window.y1)
        if self._is_coarse(window, len(positions)):
            return self._pyramid.picture(window)
        seen, columns, rows = self._in_view(window, positions)
        if len(columns) <= POINTS_AT_MOST:
            rgba = self._stamp(window, seen, columns, rows)
        else:
            rgba = self._binned(window, seen, columns, rows)
        return Picture(rgba, window.x0, window.x1, window.y0, window.y1)

    def count_in_view(self, window: Window) -> int:
        """Return how many visible points lie in view."""
        positions = self.index.positions_in(window.x0, window.x1, window.y0, window.y1)
        return len(self._in_view(window, positions)[1])

    def _is_coarse(self, window: Window, total: int) -> bool:
        if total <= 4 * POINTS_AT_MOST:
            return False
        size = self.index.high - self.index.low
        pixels = size[0] / max(window.x1 - window.x0, 1e-30) * window.width_px
        return bool(pixels / self._pyramid.side <= 3.0 * window.ratio)

    @cached_property
    def _pyramid(self) -> _Pyramid:
        return _Pyramid(self)

    def _in_view(self, window: Window, positions: Runs) -> tuple[_Seen, Array, Array]:
        x, y = positions.of(self.index.xy)
        columns = (x - np.float32(window.x0)) * np.float32(
            window.width_px / max(window.x1 - window.x0, 1e-30)
        )
        rows = (np.float32(window.y1) - y) * np.float32(
            window.height_px / max(window.y1 - window.y0, 1e-30)
        )
        inside = (columns >= 0) & (columns < window.width_px)
        inside &= (rows >= 0) & (rows < window.height_px)
        if self.visible is not None:
            inside &= positions.of(self.visible)
        if inside.all():
            return _Seen(positions), columns, rows
        return _Seen(positions, inside), columns[inside], rows[inside]

    def _binned(self, window: Window, seen: _Seen, columns: Array, rows: Array) -> Bytes:
        bin_px = 2 * window.ratio
        width = max(1, int(window.width_px / bin_px))
        height = max(1, int(window.height_px / bin_px))
        scale = np.float32(width / window.width_px), np.float32(height / window.height_px)
        flat = (rows * scale[1]).astype(np.int32).clip(0, height - 1) * width
        flat += (columns * scale[0]).astype(np.int32).clip(0, width - 1)
        chosen = None if self.chosen is None else seen.of(self.chosen)
        levels = None if self.kind == "density" else seen.of(self.levels)
        layers = _Layers.of(self, levels, chosen, flat, (height, width))
        return layers.rgba(self)

    def _stamp(self, window: Window, seen: _Seen, columns: Array, rows: Array) -> Bytes:
        radius = float(np.clip(6.2 - 1.1 * np.log10(max(len(columns), 1)), 1.6, 4.0))
        radius *= max(window.ratio, window.width_px / 1600)
        margin = int(radius) + 2
        stride = window.width_px + 2 * margin
        canvas = np.zeros((window.height_px + 2 * margin, stride), dtype=np.uint32)
        order = np.argsort(np.arange(len(columns), dtype=np.uint32) * np.uint32(2654435761))
        at = (rows.astype(np.int64) + margin) * stride + columns.astype(np.int64) + margin
        colours = self._packed(seen)
        for group in self._groups(seen, order):
            _stamp_discs(canvas, at[group], colours[group], radius, stride)
        kept = canvas[margin : margin + window.height_px, margin : margin + window.width_px]
        return np.ascontiguousarray(kept).view(np.uint8).reshape(*kept.shape, 4)

    def _groups(self, seen: _Seen, order: Whole) -> list[Whole]:
        if self.chosen is None:
            return [order]
        chosen = seen.of(self.chosen)[order]
        return [order[~chosen], order[chosen]]

    def _packed(self, seen: _Seen) -> NDArray[np.uint32]:
        opaque = _pack(self.table, int(235 * self.strength))
        colours = opaque[seen.of(self.levels)]
        if self.chosen is not None:
            faded = _pack(np.array([self.faded_rgb], np.uint8), 70)[0]
            colours = np.where(seen.of(self.chosen), colours, faded)
        return np.asarray(colours)


@dataclass(frozen=True)
class _Seen:
    """The points in view: those at `positions`, of which `inside` (n,) where not all are."""

    positions: Runs
    inside: Mask | None = None

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return what `values` (N,) has of the points in view."""
        found = self.positions.of(values)
        return found if self.inside is None else found[self.inside]


@dataclass
class _Layers:
    """Histograms of one view: how many points a bin, how many chosen, and their mean colour."""

    counts: NDArray[np.float32]
    chosen: NDArray[np.float32] | None
    sums: list[NDArray[np.float32]]

    @classmethod
    def of(
        cls,
        frame: ScatterFrame,
        levels: Bytes | None,
        chosen: Mask | None,
        flat: Whole,
        shape: tuple[int, int],
        counts: NDArray[np.float32] | None = None,
    ) -> _Layers:
        """Bin points of `levels` (n,), needed where they have colours, and bin numbers `flat`."""
        size = shape[0] * shape[1]
        if counts is None:
            counts = np.bincount(flat, minlength=size).reshape(shape).astype(np.float32)
        kept = None
        if chosen is not None:
            flat, levels = flat[chosen], None if levels is None else levels[chosen]
            kept = np.bincount(flat, minlength=size).reshape(shape).astype(np.float32)
        weights = [] if levels is None else [w[levels] for w in _weights(frame)]
        sums = [np.bincount(flat, w, size).reshape(shape).astype(np.float32) for w in weights]
        return cls(counts, kept, sums)

    def rgba(self, frame: ScatterFrame) -> Bytes:
        """Return the picture, row 0 on top.

        All that depends on the brightness alone is a table of its 256 levels, not a sum a bin.
        """
        lit = _blurred(self.counts if self.chosen is None else self.chosen)
        bright = _brightness(lit)
        alpha = _opacity(_RAMP, frame.kind) * frame.strength  # (256,)
        if self.chosen is None:
            place: Whole = bright
            share, total = np.ones(256), alpha
        else:  # the chosen ones over a faded picture of all
            below = 0.4 * np.clip(_RAMP * 1.5, 0, 1)
            total = (alpha[:, None] + below * (1 - alpha[:, None])).reshape(-1)
            share = np.repeat(alpha, 256) / np.maximum(total, 1e-6)
            place = bright.astype(np.uint16) << 8 | _brightness(_blurred(self.counts))
        return self._mixed(frame, lit, place, share, total)

    def _mixed(
        self, frame: ScatterFrame, lit: Array, place: Whole, share: Array, total: Array
    ) -> Bytes:
        """Return colours mixed with the faded one, and how opaque; both by tables over `place`."""
        faded = np.array(frame.faded_rgb, np.float32)
        opaque = (255 * total).astype(np.uint8)
        if frame.kind == "density":
            rgb = np.repeat(frame.table.astype(np.float32), len(share) // 256, axis=0)
            mixed = (rgb - faded) * share[:, None] + faded
            packed = np.concatenate([mixed.astype(np.uint8), opaque[:, None]], axis=1)
            return packed.view(np.uint32)[:, 0][place].view(np.uint8).reshape(*lit.shape, 4)
        out = np.empty((*lit.shape, 4), dtype=np.uint8)
        out[..., :3] = self._colours(frame, lit)
        if self.chosen is not None:
            part = share.astype(np.float32)[place]
            for channel, value in enumerate(faded):
                out[..., channel] = (out[..., channel] - value) * part + value
        out[..., 3] = opaque[place]
        return out

    def _colours(self, frame: ScatterFrame, lit: Array) -> Bytes:
        sums = [_blurred(s) / np.maximum(lit, 1e-6) for s in self.sums]
        if frame.kind == "cyclic":
            turn = np.arctan2(sums[1], sums[0]) / (2 * np.pi)
            return np.asarray(frame.table[(turn * 256).astype(np.int64) % 256])
        if frame.kind == "class":
            return np.clip(np.stack(sums, -1), 0, 255).astype(np.uint8)
        return np.asarray(frame.table[np.clip(sums[0], 0, 255).astype(np.uint8)])


class _Pyramid:
    """Histograms of the whole plane at 2048, 1024, ... bins a side, each made when first drawn."""

    def __init__(self, frame: ScatterFrame) -> None:
        self._frame = frame
        self.side = FINEST if len(frame.index) < 400_000 else 2 * FINEST
        self._drawn: dict[int, Picture] = {}

    def picture(self, window: Window) -> Picture:
        """Return the level whose bins are about a pixel and a half, as a picture."""
        index = self._frame.index
        size = float(index.high[0] - index.low[0])
        pixels = size / max(window.x1 - window.x0, 1e-30) * window.width_px / self.side
        level = int(np.clip(np.ceil(np.log2(1.5 * window.ratio / max(pixels, 1e-9))), 0, 6))
        if level not in self._drawn:
            rgba = self._layers(self.side >> level).rgba(self._frame)
            (x0, y0), (x1, y1) = index.low.tolist(), index.high.tolist()
            self._drawn[level] = Picture(rgba, x0, x1, y0, y1)
        return self._drawn[level]

    def _layers(self, side: int) -> _Layers:
        frame, index = self._frame, self._frame.index
        flat, counts = index.bins(side)
        levels = None if frame.kind == "density" else frame.levels
        if frame.visible is None:
            return _Layers.of(frame, levels, frame.chosen, flat, (side, side), counts)
        chosen = None if frame.chosen is None else frame.chosen[frame.visible]
        levels = None if levels is None else levels[frame.visible]
        return _Layers.of(frame, levels, chosen, flat[frame.visible], (side, side))


def _weights(frame: ScatterFrame) -> list[Array]:
    if frame.kind == "density":
        return []
    if frame.kind == "cyclic":
        return [_TURN.real, _TURN.imag]
    if frame.kind == "class":
        return [frame.table[:, k].astype(np.float32) for k in range(3)]
    return [np.arange(256, dtype=np.float32)]


def _blurred(image: Array) -> Array:
    """Smooth with 1 2 1 along both axes: bins of a few points should not look like noise."""
    out = image.copy()
    out[1:-1] = 0.25 * (image[:-2] + image[2:]) + 0.5 * image[1:-1]
    across = out.copy()
    across[:, 1:-1] = 0.25 * (out[:, :-2] + out[:, 2:]) + 0.5 * out[:, 1:-1]
    return across


def _brightness(counts: Array) -> Bytes:
    """Return counts as 0..255 on a logarithmic scale that saturates for the densest bins."""
    some = counts[counts > 0]
    if not some.size:
        return np.zeros(counts.shape, np.uint8)
    reference = float(np.percentile(some[:: max(1, some.size // 50_000)], 99.7))
    strength = counts * np.float32(4)
    strength += 1
    np.log(strength, out=strength)  # of float32 there is vector code for log, none for log1p
    strength *= np.float32(255 / np.log1p(4 * max(reference, 0.5)))
    np.minimum(strength, 255, out=strength)
    levels = strength.astype(np.uint8)
    return np.asarray(np.maximum(levels, counts > 0, out=levels))  # the faintest is seen


def _opacity(strength: Array, kind: Kind) -> Array:
    ramp = np.clip(strength * 2.2, 0, 1)
    lit = np.clip(0.1 + strength * 1.4, 0, 1) * (strength > 0)
    return np.asarray(ramp if kind == "density" else lit)


def _pack(rgb: Bytes, alpha: int) -> NDArray[np.uint32]:
    rgba = np.concatenate([rgb, np.full((len(rgb), 1), alpha, np.uint8)], axis=1)
    return np.ascontiguousarray(rgba).view(np.uint32)[:, 0]


def _stamp_discs(
    canvas: NDArray[np.uint32], at: Whole, colours: NDArray[np.uint32], radius: float, stride: int
) -> None:
    reach = int(radius) + 1
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    cover = np.clip(radius + 0.5 - np.hypot(dx, dy), 0, 1)
    flat = canvas.reshape(-1)
    alpha = colours >> np.uint32(24)
    for share in (0.35, 0.7, 1.0):
        ring = (cover > share - 0.35) & (cover <= share) if share < 1 else cover > 0.7
        tint = (colours & np.uint32(0xFFFFFF)) | (
            (alpha * np.float32(share)).astype(np.uint32) << np.uint32(24)
        )
        for offset in (dy[ring] * stride + dx[ring]).tolist():
            spot = at + offset
            if share < 1:
                free = (flat[spot] >> np.uint32(24)) < alpha * np.float32(share)
                flat[spot[free]] = tint[free]
            else:
                flat[spot] = tint
