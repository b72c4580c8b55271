"""All points of a plane sorted into cells, so that what lies in view is found without all others.

A million points are too many to touch on every frame. Sorted by cell, the points of any rectangle
are a few runs of one array, and a histogram of everything is made once for each plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Indices = NDArray[np.int64]
CELLS = 128


@dataclass(frozen=True)
class Runs:
    """Positions of points as the runs of one array in which they lie: a few, whatever the points.

    Runs are taken as slices, which costs a tenth of looking each position up.
    """

    begins: Indices
    ends: Indices

    def __len__(self) -> int:
        return int((self.ends - self.begins).sum())

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return what `values` (..., N) has at these positions; all of it without a copy."""
        pairs = zip(self.begins.tolist(), self.ends.tolist(), strict=True)
        parts = [values[..., a:b] for a, b in pairs if b > a]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts, axis=-1) if parts else values[..., :0]


class PointIndex:
    """A cell index over points (N, 2).

    Points with non-finite coordinates are in no cell and are never found.
    """

    def __init__(self, xy: Array) -> None:
        points = np.asarray(xy, dtype=np.float32)
        finite = np.isfinite(points[:, 0]) & np.isfinite(points[:, 1])
        everything = bool(finite.all())
        kept = points if everything else points[finite]
        self.low, self.high = _extent(kept)
        self._scale = np.float32(CELLS) / np.maximum(self.high - self.low, np.float32(1e-12))
        flat = self._along(kept, 1) * np.uint16(CELLS) + self._along(kept, 0)
        order = np.argsort(flat, kind="stable")
        self.order: Indices = order if everything else np.flatnonzero(finite)[order]
        self.xy: NDArray[np.float32] = np.ascontiguousarray(kept[order].T)  # (2, N) in cell order
        counts = np.bincount(flat, minlength=CELLS * CELLS)
        self.starts: Indices = np.concatenate([[0], np.cumsum(counts)])
        self._bins: tuple[int, NDArray[np.int32], NDArray[np.float32]] | None = None

    def __len__(self) -> int:
        return len(self.order)

    def positions_in(self, x0: float, x1: float, y0: float, y1: float) -> Runs:
        """Return positions (into `order` and `xy`) of all points in the cells a rectangle touches.

        A superset of the points within, found without touching any of them.
        """
        nothing = np.empty(0, dtype=np.int64)
        corners = np.array([[x0, y0], [x1, y1]], dtype=np.float32)
        columns, rows = self._cells(corners)
        if columns[0] == 0 and rows[0] == 0 and columns[1] == rows[1] == CELLS - 1:
            return Runs(self.starts[:1], self.starts[-1:])
        if x1 < self.low[0] or x0 > self.high[0] or y1 < self.low[1] or y0 > self.high[1]:
            return Runs(nothing, nothing)
        first = np.arange(rows[0], rows[1] + 1) * CELLS
        return Runs(self.starts[first + columns[0]], self.starts[first + columns[1] + 1])

    def bins(self, side: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the bin (N,) of each point, in cell order, and how many each of side x side has.

        Row 0 is on top. Those of the side that was asked for last are kept: they change only with
        the plane, and are asked for with each selection.
        """
        if self._bins is None or self._bins[0] != side:
            scale = (np.float32(side) - np.float32(0.01)) / (self.high - self.low)
            flat = ((self.high[1] - self.xy[1]) * scale[1]).astype(np.int32)
            flat *= side
            flat += ((self.xy[0] - self.low[0]) * scale[0]).astype(np.int32)
            counts = np.bincount(flat, minlength=side * side).astype(np.float32)
            self._bins = (side, flat, counts.reshape(side, side))
        return self._bins[1], self._bins[2]

    def within(self, x: float, y: float, radius_x: float, radius_y: float) -> tuple[Indices, Array]:
        """Return indices of the points in an ellipse and their squared distance in radii."""
        at = self.positions_in(x - radius_x, x + radius_x, y - radius_y, y + radius_y)
        px, py = at.of(self.xy)
        dx = (px - np.float32(x)) / np.float32(max(radius_x, 1e-30))
        dy = (py - np.float32(y)) / np.float32(max(radius_y, 1e-30))
        distance = dx * dx + dy * dy
        inside = distance <= 1.0
        return at.of(self.order)[inside], distance[inside]

    def nearest(self, x: float, y: float, how_many: int, by_axis: bool = False) -> Indices:
        """Return the indices of the points nearest to (x, y), nearest first.

        Measured in plane units; with `by_axis` in shares of what each axis spans, for axes of
        different units.
        """
        size = np.maximum(self.high - self.low, np.float32(1e-12))
        size = size if by_axis else np.full(2, size.max())
        how_many = min(how_many, len(self))
        share = 1.0 / CELLS
        while True:
            radius = (size * np.float32(share)).tolist()
            indices, distance = self.within(x, y, *radius)
            if len(indices) >= how_many or share > 64.0:
                break
            share *= 2.0
        if len(indices) < how_many:
            indices = self.order
            away = (self.xy - np.array([[x], [y]], np.float32)) / size[:, None]
            distance = (away**2).sum(0)
        ranks = np.argsort(distance, kind="stable")[:how_many]
        return np.asarray(indices[ranks])

    def _along(self, points: Array, axis: int) -> NDArray[np.uint16]:
        """Return the cell of each point along an axis."""
        cells = (points[:, axis] - self.low[axis]) * self._scale[axis]
        return np.asarray(np.clip(cells, 0, CELLS - 1).astype(np.uint16))

    def _cells(self, points: Array) -> tuple[Indices, Indices]:
        cells = np.clip((points - self.low) * self._scale, 0, CELLS - 1).astype(np.int64)
        return cells[:, 0], cells[:, 1]


def _extent(points: Array) -> tuple[Array, Array]:
    if not len(points):
        return np.zeros(2, np.float32), np.ones(2, np.float32)
    low, high = points.min(axis=0), points.max(axis=0)
    same = high <= low
    return low - 0.5 * same.astype(np.float32), high + 0.5 * same.astype(np.float32)


def extent_of(index: PointIndex) -> tuple[float, float, float, float]:
    """Return x0, x1, y0, y1 that hold all but the farthest thousandth of the points."""
    if not len(index):
        return -1.0, 1.0, -1.0, 1.0
    step = max(1, len(index) // 100_000)
    low, high = np.quantile(index.xy[:, ::step], [0.0005, 0.9995], axis=1)
    same = high <= low
    low, high = low - 0.5 * same, high + 0.5 * same
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


def densest(index: PointIndex) -> tuple[float, float]:
    """Return the middle of the most crowded cell."""
    if not len(index):
        return 0.0, 0.0
    counts = np.diff(index.starts)
    cell = int(np.argmax(counts))
    run = slice(int(index.starts[cell]), int(index.starts[cell + 1]))
    x, y = index.xy[:, run].mean(axis=1)
    return float(x), float(y)
