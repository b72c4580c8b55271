"""The order of very many numbers: exact, stable, and quick enough for a key press. No Qt."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_SIGN, _LAST, _LOW = np.uint32(1 << 31), np.uint32(0xFFFFFFFF), np.uint64(0xFFFFFFFF)


def order_of(values: Array, descending: bool = False) -> NDArray[np.int64]:
    """Return the places of values (n,) in order; equal ones stay in theirs, NaN comes last.

    Value and place are sorted as one whole number of 64 bits: for these numpy has vector code, five
    times as fast as its stable sort of indices.
    """
    ranks = _ranks(values)
    if ranks is None:
        kept = -values.astype(np.float64) if descending else values
        return np.argsort(kept, kind="stable").astype(np.int64)
    if descending:
        ranks = np.where(ranks == _LAST, _LAST, _LAST - np.uint32(1) - ranks)
    keys = ranks.astype(np.uint64)
    keys <<= np.uint64(32)
    keys |= np.arange(len(keys), dtype=np.uint64)
    keys.sort()
    keys &= _LOW
    return keys.astype(np.int64)


def _ranks(values: Array) -> NDArray[np.uint32] | None:
    """Return whole numbers in the order of values, the highest for NaN; None where 32 bits fail."""
    if values.dtype.kind in "iub":
        small = not len(values) or (values.min() >= -(2**31) and values.max() < 2**31 - 1)
        return (values.astype(np.int64) + 2**31).astype(np.uint32) if small else None
    if values.dtype != np.float32:
        return None
    bits = (values + np.float32(0)).view(np.uint32)  # one zero, not two
    ranks = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    ranks[np.isnan(values)] = _LAST
    return np.asarray(ranks)
