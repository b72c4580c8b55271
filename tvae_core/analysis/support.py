"""How many real images stand behind a place of the plane, and the images of many points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.bins import Range, cell_of_each, without_border

Array = NDArray[np.floating]
RADIUS_SHARE = 0.03


def robust_range(xy: Array, share: float = 0.001, room: float = 0.05) -> Range:
    """Return ((x_low, x_high), (y_low, y_high)) that holds all but `share` of the points (N, 2).

    `room` is added at each side as a share of the width; a plane without width gets width 1.
    """
    ends = []
    for values in np.asarray(xy, dtype=np.float64).T:
        finite = values[np.isfinite(values)]
        low, high = np.quantile(finite, [share / 2, 1 - share / 2]) if finite.size else (0.0, 0.0)
        extra = (high - low) * room if high > low else 0.5
        ends.append((float(low - extra), float(high + extra)))
    return ends[0], ends[1]


class PlaneIndex:
    """Finds the images near a place of a plane, among all images, by a KD-tree.

    Parameters
    ----------
    xy : (N, 2)
        Plane coordinates of all images. Building takes 0.5 s a million.
    """

    def __init__(self, xy: Array) -> None:
        from scipy.spatial import KDTree

        points = np.nan_to_num(np.asarray(xy, dtype=np.float64), nan=1e30)  # NaN: near nothing
        self._tree: Any = KDTree(points, leafsize=32)
        (x_low, x_high), (y_low, y_high) = robust_range(xy, 0.1, 0.0)
        self.radius = RADIUS_SHARE * max(x_high - x_low, y_high - y_low)

    def __len__(self) -> int:
        return int(self._tree.n)

    def count_near(self, place: Array, radius: float | None = None) -> NDArray[np.int64]:
        """Return how many images lie within `radius` of each place (..., 2), as (...) int64.

        `radius` is 3 % of the plane's robust width (5th to 95th percentile) when not given.
        """
        reach = self.radius if radius is None else radius
        counts = self._tree.query_ball_point(
            np.asarray(place, dtype=np.float64), reach, return_length=True
        )
        return np.asarray(counts, dtype=np.int64)

    def nearest(self, place: Array, count: int = 1) -> tuple[NDArray[np.int64], Array]:
        """Return indices and distances, each (..., k), of the images nearest to places (..., 2).

        k is `count`, or the number of images when there are fewer; nearest first.
        """
        wanted = np.arange(1, min(count, len(self)) + 1)
        distance, index = self._tree.query(np.asarray(place, dtype=np.float64), wanted)
        return np.asarray(index, dtype=np.int64), np.asarray(distance)


def density_image(xy: Array, extent: Range, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Count points (N, 2) in the cells of a grid.

    Returns
    -------
    (rows, columns) int64
        Row 0 is the lowest y. Points outside `extent` and NaN are not counted.
    """
    index = cell_of_each(xy, extent, shape)
    return without_border(np.bincount(index, minlength=_size(shape)), shape)


def value_image(
    xy: Array, values: Array, extent: Range, shape: tuple[int, int], cyclic: bool = False
) -> NDArray[np.float64]:
    """Return the mean value of the points in each cell, (rows, columns), NaN where there are none.

    With `cyclic` the values are radians and the mean is the circular one, in (-pi, pi].
    """
    if cyclic:
        sine, count = _sums(xy, np.sin(values), extent, shape)
        cosine, _ = _sums(xy, np.cos(values), extent, shape)
        return np.where(count > 0, np.arctan2(sine, cosine), np.nan)
    total, count = _sums(xy, values, extent, shape)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def label_image(
    xy: Array, labels: NDArray[np.integer], extent: Range, shape: tuple[int, int]
) -> NDArray[np.int64]:
    """Return the most common label of each cell, (rows, columns), -1 where there is none.

    Labels (N,) count from 0; points labelled below 0 have no vote. Ties go to the lower label.
    """
    best = np.zeros(shape, dtype=np.int64)
    winner = np.full(shape, -1, dtype=np.int64)
    for label in np.unique(labels[labels >= 0]):
        votes = density_image(xy[labels == label], extent, shape)
        winner[votes > best] = label
        np.maximum(best, votes, out=best)
    return winner


def _sums(
    xy: Array, values: Array, extent: Range, shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    index = cell_of_each(xy, extent, shape)
    finite = np.isfinite(values)
    if not finite.all():
        index, values = index[finite], values[finite]
    total = np.asarray(np.bincount(index, values, minlength=_size(shape)), np.float64)
    count = np.bincount(index, minlength=_size(shape))
    return without_border(total, shape), without_border(count, shape)


def _size(shape: tuple[int, int]) -> int:
    return (shape[0] + 2) * (shape[1] + 2)
