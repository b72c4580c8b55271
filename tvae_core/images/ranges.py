"""Which values become 0 and 1: one range for the whole set, or each image's own."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tvae_core.config import DataConfig
from tvae_core.errors import ConfigError

_BITS = (8, 10, 12, 14, 16)
_BYTE, _LARGEST = 255, 65535
_ALIKE = 0.25  # of the set's range: where most images span less, one range would flatten them
_SAME = 0.01  # of the set's range: images whose own range is that near need no choice
_DIGITS = 3
Values = NDArray[np.float64]


class Range(NamedTuple):
    """The values that become 0 and 1."""

    low: float
    high: float


def set_range(config: DataConfig, dtype: np.dtype[Any]) -> Range | None:
    """Return the range of a whole set, None where each image has its own.

    Raises
    ------
    ConfigError
        `data.black` is not below the value that becomes 1.
    """
    eight_bit = dtype.kind == "u" and dtype.itemsize == 1
    if config.range == "each" or (config.range == "auto" and not eight_bit):
        return None
    whole = np.iinfo(dtype).max if dtype.kind in "iu" else 1.0
    high = config.full_scale or float(whole)
    if config.black >= high:
        what = f"data.black: {config.black:g} is not below {high:g}, which becomes 1"
        raise ConfigError(what, todo="set data.full_scale to the value of full brightness")
    return Range(config.black, high)


def full_scale_of(high: float, step: int) -> float:
    """Return what is full brightness of whole numbers up to `high`, which are multiples of `step`.

    It is that of 8, 10, 12, 14 or 16 bits. Bytes that were multiplied keep theirs: a set has one
    look in every pixel type. Where there are but two values, the higher one is full.
    """
    two_values = high == 1 or (high > _BYTE and high == step)
    if two_values:
        return high
    if high > _BYTE and (times := next((t for t in (257, 256) if step and step % t == 0), 0)):
        return float(_BYTE * times)
    bits = next((b for b in _BITS if 2**b - 1 >= high), _BITS[-1])
    return float(2**bits - 1)


def range_of(low: Values, high: Values, whole: bool, step: int) -> Range | None:
    """Return one range for images that span `low` to `high` (N,) each; None where they differ.

    Whole numbers from 0 have that of their bits. Of others it is the range that 98 of 100 images
    keep within, unless most of them would fill less than a quarter of it.
    """
    if whole and low.min() >= 0 and high.max() <= _LARGEST:
        return Range(0.0, full_scale_of(float(high.max()), step))
    if low.min() >= 0 and 0.5 < high.max() <= 1:
        return Range(0.0, 1.0)
    first, last = float(np.percentile(low, 1)), float(np.percentile(high, 99))
    if not last > first or np.median(high - low) < _ALIKE * (last - first):
        return None
    unit = 10.0 ** (math.floor(math.log10(last - first)) - _DIGITS + 1)
    first, last = (float(f"{v:.12g}") for v in (_down(first, unit), -_down(-last, unit)))
    return Range(first, last) if last > first else None


def makes_no_difference(found: Range, low: Values, high: Values) -> bool:
    """Return whether nearly every image spans the whole range anyway."""
    room = _SAME * (found.high - found.low)
    return bool(np.mean((low <= found.low + room) & (high >= found.high - room)) > 1 - _SAME)


def _down(value: float, unit: float) -> float:
    return math.floor(value / unit) * unit
