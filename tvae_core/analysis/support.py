"""What stands behind a place of the plane: counts, means and labels of the images there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tvae_core.bins import Range, cell_of_each, without_border

Array = NDArray[np.floating]


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
