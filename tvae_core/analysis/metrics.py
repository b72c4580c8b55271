"""How well poses and clusters agree with a known truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.geometry import TWO_PI, wrap_angle

Array = NDArray[Any]


@dataclass(frozen=True)
class CircularCorrelation:
    """Two correlations of angles, each in [-1, 1].

    `uniform` is right for angles spread over the circle; `jammalamadaka` needs a mean direction
    and is unreliable without one: `jammalamadaka_reliable` says whether both have one.
    """

    uniform: float
    jammalamadaka: float
    jammalamadaka_reliable: bool


@dataclass(frozen=True)
class RotationError:
    """Root mean square error in degrees after subtracting the best constant, and that constant."""

    rmse_deg: float
    offset_rad: float


def pearson(a: Array, b: Array) -> float:
    """Return the Pearson correlation of values (N,); NaN when one of them does not vary."""
    a, b = (np.asarray(v, dtype=np.float64) - np.mean(v, dtype=np.float64) for v in (a, b))
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else float("nan")


def shift_correlation(true_px: Array, found_px: Array) -> tuple[float, float]:
    """Return the Pearson correlations along x and y of shifts (N, 2) (paper table 1)."""
    return pearson(true_px[:, 0], found_px[:, 0]), pearson(true_px[:, 1], found_px[:, 1])


def rank_correlation(a: Array, b: Array) -> float:
    """Return Spearman's correlation of values (N,): Pearson's of their ranks, ties averaged."""
    from scipy.stats import rankdata

    return pearson(np.asarray(rankdata(a)), np.asarray(rankdata(b)))


def circular_correlation(a_rad: Array, b_rad: Array) -> CircularCorrelation:
    """Return both circular correlations of angles (N,) in radians.

    uniform: |R(a - b)| - |R(a + b)|, R the mean of exp(i angle) (Jammalamadaka and SenGupta 2001,
    section 8.2, the form for uniform marginals). It is 1 for a turned copy, -1 for a mirrored one.

    jammalamadaka: sum sin(a - A) sin(b - B) / sqrt(sum sin^2 (a - A) sum sin^2 (b - B)), A and B
    the mean directions (paper section 4.2). For uniform angles A and B are noise and so is it.
    """
    a, b = (np.asarray(v, dtype=np.float64) for v in (a_rad, b_rad))
    uniform = abs(_resultant(a - b)) - abs(_resultant(a + b))
    # 4 / sqrt(N): a resultant of uniform angles exceeds it once in ten million
    reliable = min(abs(_resultant(a)), abs(_resultant(b))) > max(0.1, 4 / np.sqrt(len(a)))
    sin_a, sin_b = (np.sin(v - np.angle(_resultant(v))) for v in (a, b))
    scale = float(np.sqrt((sin_a @ sin_a) * (sin_b @ sin_b)))
    classic = float(sin_a @ sin_b) / scale if scale > 0 else float("nan")
    return CircularCorrelation(float(uniform), classic, bool(reliable))


def rotation_error(true_rad: Array, found_rad: Array, symmetry: int = 1) -> RotationError:
    """Return the rotation error after the best constant alignment (paper appendix A.3).

    Parameters
    ----------
    true_rad, found_rad : (N,)
    symmetry : int
        Order n of the object: angles that differ by 2 pi / n are the same, and the error is folded.

    The constant is the exact minimiser: differences are sorted around the circle, and each place
    to cut it gives one mean and variance, from running sums.
    """
    difference = np.asarray(found_rad, dtype=np.float64) - np.asarray(true_rad, dtype=np.float64)
    folded = np.sort((symmetry * difference) % TWO_PI)
    n = len(folded)
    moved = np.arange(n)  # the first so many are counted one turn further
    turns = np.concatenate([[0.0], np.cumsum(folded)[:-1]])
    mean = (folded.sum() + TWO_PI * moved) / n
    square = ((folded**2).sum() + 2 * TWO_PI * turns + TWO_PI**2 * moved) / n
    best = int(np.argmin(square - mean**2))
    rest = wrap_angle(folded - mean[best])  # from residuals: no cancellation
    rmse = float(np.sqrt(np.mean(rest**2))) / symmetry
    return RotationError(float(np.degrees(rmse)), float(wrap_angle(mean[best])) / symmetry)


def rotation_error_by_class(
    true_rad: Array, found_rad: Array, labels: Array, symmetry: int = 1
) -> dict[int, RotationError]:
    """Return the rotation error of each class aligned on its own: its zero angle is arbitrary."""
    return {
        int(label): rotation_error(true_rad[chosen], found_rad[chosen], symmetry)
        for label in np.unique(labels)
        if (chosen := labels == label).any()
    }


def confusion_matrix(truth: Array, found: Array) -> NDArray[np.int64]:
    """Return counts (classes, clusters) of labels (N,) that count from 0; below 0 is left out."""
    valid = (truth >= 0) & (found >= 0)
    shape = int(np.max(truth, initial=-1)) + 1, int(np.max(found, initial=-1)) + 1
    counts = np.zeros(shape, dtype=np.int64)
    np.add.at(counts, (truth[valid], found[valid]), 1)
    return counts


def matched_clusters(truth: Array, found: Array) -> NDArray[np.int64]:
    """Return the class (clusters,) each cluster is matched with one to one, -1 for none.

    The Hungarian method: the matching with most images right.
    """
    from scipy.optimize import linear_sum_assignment

    counts = confusion_matrix(truth, found)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    match = np.full(counts.shape[1], -1, dtype=np.int64)
    match[columns] = rows
    return match


def clustering_accuracy(truth: Array, found: Array) -> float:
    """Return the share of labelled images whose cluster is matched with their class.

    One cluster a class, matched by the Hungarian method (paper section 4.3). Images with a truth
    below 0 do not count; noise among the found counts as wrong.
    """
    labelled = truth >= 0
    match = matched_clusters(truth, found)
    if not labelled.any() or not len(match):
        return float("nan") if not labelled.any() else 0.0
    assigned = np.where(found >= 0, match[found], -1)
    return float(np.mean(assigned[labelled] == truth[labelled]))


def _resultant(angle: Array) -> complex:
    return complex(np.mean(np.exp(1j * angle)))
