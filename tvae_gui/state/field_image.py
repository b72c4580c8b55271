"""A large image at every zoom, halved again and again: a frame costs what is seen. No Qt."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_SMALLEST = 64
_SOME = 500_000


class Cut(NamedTuple):
    """Part of an image: its values (h, w[, 3]), and where it lies in shares of the whole."""

    values: Array
    left: float
    top: float
    right: float
    bottom: float


class FieldImage:
    """Values (h, w[, 3]) and the same ever coarser, each a mean of two by two pixels."""

    def __init__(self, values: Array) -> None:
        self._levels = [np.asarray(values)]

    @property
    def values(self) -> Array:
        """All pixels."""
        return self._levels[0]

    @cached_property
    def some(self) -> Array:
        """Some of the values, evenly spread: enough for a histogram."""
        flat = self.values.reshape(-1)
        found = flat[:: max(1, len(flat) // _SOME)]
        return np.asarray(found[np.isfinite(found)], np.float32)

    @cached_property
    def levels(self) -> tuple[float, float]:
        """The values that nearly all others lie between."""
        low, high = np.percentile(self.some, [0.5, 99.5]) if len(self.some) else (0.0, 1.0)
        return float(low), float(max(high, low + 1e-6))

    def cut(
        self, left: float, top: float, right: float, bottom: float, points_across: float
    ) -> Cut:
        """Return the part between shares of the whole, in about one pixel a point of the screen.

        Parameters
        ----------
        points_across : float
            Points of the screen that the whole image would be wide.
        """
        values = self._at(points_across)
        height, width = values.shape[:2]
        x0, x1 = max(0, math.floor(left * width)), min(width, math.ceil(right * width))
        y0, y1 = max(0, math.floor(top * height)), min(height, math.ceil(bottom * height))
        return Cut(values[y0:y1, x0:x1], x0 / width, y0 / height, x1 / width, y1 / height)

    def _at(self, points_across: float) -> Array:
        """Return the coarsest level that still has a pixel for each point."""
        number = 0
        while self._level(number).shape[1] >= 2 * points_across and self._has(number + 1):
            number += 1
        return self._level(number)

    def _has(self, number: int) -> bool:
        return number < len(self._levels) or min(self._levels[-1].shape[:2]) >= 2 * _SMALLEST

    def _level(self, number: int) -> Array:
        while len(self._levels) <= number:
            self._levels.append(_halved(self._levels[-1]))
        return self._levels[number]


def _halved(values: Array) -> Array:
    """Return means of two by two pixels; an odd row or column at the end is left out.

    Less than a point of the screen: only images larger than it are halved.
    """
    height, width = values.shape[0] // 2, values.shape[1] // 2
    even = np.asarray(values[: 2 * height, : 2 * width], np.float32)
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / np.float32(4)
