"""How well data support each place of a plane: a smoothed count that is quick to ask anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_gui.state.point_index import PointIndex

Array = NDArray[Any]
_SIDE = 128
_ENOUGH = 0.12  # of the typical crowd around an image: full support


class SupportMap:
    """Smoothed counts over the extent that holds nearly all points.

    Parameters
    ----------
    index : PointIndex
    extent : x0, x1, y0, y1
    line : bool
        Only x counts.
    """

    def __init__(
        self, index: PointIndex, extent: tuple[float, float, float, float], line: bool = False
    ) -> None:
        self._extent, self._line = extent, line
        x, y = index.xy
        flat = self._row(y) * _SIDE + self._column(x)
        counts = np.bincount(flat, minlength=_SIDE * _SIDE).reshape(_SIDE, _SIDE).astype(float)
        if line:
            counts = np.broadcast_to(counts.sum(axis=0) / _SIDE, counts.shape).copy()
        self._counts = _smooth(counts)
        near = self._counts.reshape(-1)[flat[:: max(1, len(flat) // 20_000)]]
        self._typical = max(float(np.median(near)) if near.size else 1.0, 1e-9)

    def share(self, x: Array, y: Array) -> Array:
        """Return 0..1 for places (n,), (n,): 0 where there are no data, 1 where enough."""
        x0, x1, y0, y1 = self._extent
        outside = (x < x0 - 0.05 * (x1 - x0)) | (x > x1 + 0.05 * (x1 - x0))
        if not self._line:
            outside |= (y < y0 - 0.05 * (y1 - y0)) | (y > y1 + 0.05 * (y1 - y0))
        here = self._counts[self._row(y), self._column(x)]
        share = np.clip(here / (_ENOUGH * self._typical), 0, 1) ** 0.6
        return np.where(outside, 0.0, share)

    def _column(self, x: Array) -> Array:
        x0, x1 = self._extent[:2]
        return np.clip((np.asarray(x) - x0) * (_SIDE / (x1 - x0)), 0, _SIDE - 1).astype(np.int32)

    def _row(self, y: Array) -> Array:
        y0, y1 = self._extent[2:]
        return np.clip((np.asarray(y) - y0) * (_SIDE / (y1 - y0)), 0, _SIDE - 1).astype(np.int32)


def _smooth(counts: Array) -> Array:
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / 2.5) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        counts = np.apply_along_axis(np.convolve, axis, counts, kernel, mode="same")
    return counts
