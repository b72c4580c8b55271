"""Which cell of a grid each point of a plane is in: density images and lassos rest on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 16  # points a block: the temporaries stay in the processor's cache

Number = TypeVar("Number", bound=np.number)
Range = tuple[tuple[float, float], tuple[float, float]]


def cells(
    xy: NDArray[np.floating], extent: Range, shape: tuple[int, int]
) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """Give, block by block, the cell of each point on a grid with a border of one cell.

    Parameters
    ----------
    xy : (N, 2)
    extent : ((x_low, x_high), (y_low, y_high))
        What the grid covers.
    shape : (rows, columns)
        Rows run along y upwards, columns along x.

    Yields
    ------
    slice, (n,) int64
        Which points, and their flat index into (rows + 2, columns + 2). Points outside the extent
        and NaN fall into the border.
    """
    rows, columns = shape
    (x_low, x_high), (y_low, y_high) = extent
    x_scale, y_scale = columns / (x_high - x_low), rows / (y_high - y_low)
    for start in range(0, len(xy), _BLOCK):
        block = slice(start, min(start + _BLOCK, len(xy)))
        column = _cell(xy[block, 0], x_low, x_scale, columns)
        row = _cell(xy[block, 1], y_low, y_scale, rows)
        row *= columns + 2
        row += column
        yield block, row


def cell_of_each(
    xy: NDArray[np.floating], extent: Range, shape: tuple[int, int]
) -> NDArray[np.int64]:
    """Return `cells` of all points in one array, (N,) int64: one bincount beats one a block."""
    index = np.empty(len(xy), dtype=np.int64)
    for block, part in cells(xy, extent, shape):
        index[block] = part
    return index


def without_border(flat: NDArray[Number], shape: tuple[int, int]) -> NDArray[Number]:
    """Return the (rows, columns) inside of a flat array over (rows + 2, columns + 2)."""
    return flat.reshape(shape[0] + 2, shape[1] + 2)[1:-1, 1:-1]


def _cell(values: NDArray[np.floating], low: float, scale: float, count: int) -> NDArray[np.int64]:
    position = np.subtract(values, low, dtype=np.float64)
    position *= scale
    position += 1.0
    np.fmax(position, 0.0, out=position)  # fmax and fmin turn NaN into a border cell
    np.fmin(position, count + 1.0, out=position)
    cell: NDArray[np.int64] = position.astype(np.int64)
    return cell
