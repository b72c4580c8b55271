"""Numbers as people and programs write them, and the words that stand for a missing value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MISSING = frozenset({"", "?", ".", "-", "--", "na", "<na>", "n/a", "#n/a", "nan", "none", "null"})


def is_missing(text: str) -> bool:
    """Return whether a text says that a value is missing: empty, NA, None, null and the like."""
    return text.strip().lower() in MISSING


def numbers_of(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return texts as numbers, NaN where one says that it is missing.

    Raises
    ------
    ValueError
        A text is neither.
    """
    return np.array([np.nan if is_missing(text) else float(text) for text in texts], np.float64)


def single_precision(values: NDArray[np.float64]) -> NDArray[np.float32] | NDArray[np.float64]:
    """Return values as float32, or as they are where float32 cannot hold one of them."""
    beyond = np.isfinite(values) & (np.abs(values) > np.finfo(np.float32).max)
    return values if beyond.any() else values.astype(np.float32)
