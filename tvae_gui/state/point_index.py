"""All points of a plane sorted into cells, so that what lies in view is found without all others.

A million points are too many to touch on every frame. Sorted by cell, the points of any rectangle
are a few runs of one array, and a histogram of everything is made once for each plane.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Indices = NDArray[np.int64]
CELLS = 128


class PointIndex:
    """A cell index over points (N, 2).

    Points with non-finite coordinates are in no cell and are never found.
    """

    def __init__(self, xy: Array) -> None:
        points = np.asarray(xy, dtype=np.float32)
        finite = np.isfinite(points).all(axis=1)
        everything = bool(finite.all())
        kept = points if everything else points[finite]
        self.low, self.high = _extent(kept)
        self._scale = np.float32(CELLS) / np.maximum(self.high - self.low, np.float32(1e-12))
        column, row = self._cells(kept)
        flat = (row * CELLS + column).astype(np.uint16)
        order = np.argsort(flat, kind="stable")
        self.order: Indices = order if everything else np.flatnonzero(finite)[order]
        self.xy: NDArray[np.float32] = np.ascontiguousarray(kept[order].T)  # (2, N) in cell order
        counts = np.bincount(flat, minlength=CELLS * CELLS)
        self.starts: Indices = np.concatenate([[0], np.cumsum(counts)])

    def __len__(self) -> int:
        return len(self.order)

    def positions_in(self, x0: float, x1: float, y0: float, y1: float) -> Indices | slice:
        """Return positions (into `order` and `xy`) of all points in the cells a rectangle touches.

        A superset of the points within; a slice when that is all of them.
        """
        corners = np.array([[x0, y0], [x1, y1]], dtype=np.float32)
        columns, rows = self._cells(corners)
        if columns[0] == 0 and rows[0] == 0 and columns[1] == rows[1] == CELLS - 1:
            return slice(None)
        if x1 < self.low[0] or x0 > self.high[0] or y1 < self.low[1] or y0 > self.high[1]:
            return np.empty(0, dtype=np.int64)
        first = np.arange(rows[0], rows[1] + 1) * CELLS
        begins, ends = self.starts[first + columns[0]], self.starts[first + columns[1] + 1]
        runs = [np.arange(a, b) for a, b in zip(begins, ends, strict=True) if b > a]
        return np.concatenate(runs) if runs else np.empty(0, dtype=np.int64)

    def within(self, x: float, y: float, radius_x: float, radius_y: float) -> tuple[Indices, Array]:
        """Return indices of the points in an ellipse and their squared distance in radii."""
        at = self.positions_in(x - radius_x, x + radius_x, y - radius_y, y + radius_y)
        dx = (self.xy[0, at] - np.float32(x)) / np.float32(max(radius_x, 1e-30))
        dy = (self.xy[1, at] - np.float32(y)) / np.float32(max(radius_y, 1e-30))
        distance = dx * dx + dy * dy
        inside = distance <= 1.0
        return self.order[at][inside], distance[inside]

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
