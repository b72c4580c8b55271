"""Two groups of images compared: by which columns they differ most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class ColumnDifference:
    """How a column differs between two groups.

    Parameters
    ----------
    key : str
        Of the column.
    effect : float
        The rank-biserial correlation, -1 to 1; see `rank_biserial`.
    first, second : float
        The medians of the groups.
    """

    key: str
    effect: float
    first: float
    second: float


def rank_biserial(first: Array, second: Array) -> float:
    """Return P(a > b) - P(a < b) for a of `first` (n,) and b of `second` (m,), -1 to 1.

    0 when neither group tends to be larger, 1 when all of the first are. Values that are not finite
    are left out; 0 where a group has no value. After Cureton (1956), Psychometrika 21, 287; the
    same as twice the area under the ROC curve, less one.
    """
    a, b = (np.asarray(v, dtype=np.float64) for v in (first, second))
    a, b = a[np.isfinite(a)], np.sort(b[np.isfinite(b)])
    if not len(a) or not len(b):
        return 0.0
    below = np.searchsorted(b, a, side="left").sum(dtype=np.float64)
    above = len(a) * len(b) - np.searchsorted(b, a, side="right").sum(dtype=np.float64)
    return float((below - above) / (len(a) * len(b)))


def differences_of(
    columns: dict[str, Array], first: NDArray[np.bool_], second: NDArray[np.bool_]
) -> list[ColumnDifference]:
    """Return how columns (N,) differ between two groups given as masks (N,), the largest first."""
    found = []
    for key, values in columns.items():
        a, b = values[first], values[second]
        effect = rank_biserial(a, b)
        found.append(ColumnDifference(key, effect, _median(a), _median(b)))
    return sorted(found, key=lambda one: -abs(one.effect))


def _median(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else float("nan")
