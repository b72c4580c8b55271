"""How well poses and clusters agree with a known truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tvae_core.geometry import TWO_PI, wrap_angle

Array = NDArray[np.floating]


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
    section 8.2, the form for uniform marginals). Where marginals are uniform it is 1 for a
    turned copy and -1 for a mirrored one; for others a turned copy has 1 - |R(2 a)| only.

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
    true_rad: Array, found_rad: Array, labels: NDArray[np.integer], symmetry: int = 1
) -> dict[int, RotationError]:
    """Return the rotation error of each class aligned on its own: its zero angle is arbitrary."""
    return {
        int(label): rotation_error(true_rad[chosen], found_rad[chosen], symmetry)
        for label in np.unique(labels)
        if (chosen := labels == label).any()
    }


def confusion_matrix(truth: NDArray[np.integer], found: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return counts (classes, clusters) of labels (N,) that count from 0; below 0 is left out."""
    valid = (truth >= 0) & (found >= 0)
    shape = int(np.max(truth, initial=-1)) + 1, int(np.max(found, initial=-1)) + 1
    counts = np.zeros(shape, dtype=np.int64)
    np.add.at(counts, (truth[valid], found[valid]), 1)
    return counts


def matched_clusters(truth: NDArray[np.integer], found: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the class (clusters,) each cluster is matched with one to one, -1 for none.

    The Hungarian method: the matching with most images right.
    """
    from scipy.optimize import linear_sum_assignment

    counts = confusion_matrix(truth, found)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    match = np.full(counts.shape[1], -1, dtype=np.int64)
    match[columns] = rows
    return match


def clustering_accuracy(truth: NDArray[np.integer], found: NDArray[np.integer]) -> float:
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


@dataclass(frozen=True)
class TurnErrors:
    """Rotation errors over known turns of each image (n,), degrees, under two protocols.

    `unturned`: each prediction minus that of the unturned image (paper appendix A.3). `aligned`:
    minus the image's best constant, which does not hang on one prediction.
    """

    unturned_deg: Array
    aligned_deg: Array

    def by_class(self, labels: NDArray[np.integer]) -> dict[int, tuple[float, float]]:
        """Return the mean of both over the images of each class, as in the paper's table 3."""
        return {
            int(label): (
                float(self.unturned_deg[labels == label].mean()),
                float(self.aligned_deg[labels == label].mean()),
            )
            for label in np.unique(labels)
        }


def turn_errors(found_rad: Array, turns_rad: Array, unturned_rad: Array) -> TurnErrors:
    """Return the root mean square error of the angles found as images are turned (table 3).

    Parameters
    ----------
    found_rad : (n, T)
        The angle found of image n turned by turn T.
    turns_rad : (T,)
        Counter-clockwise.
    unturned_rad : (n,)
        The angle found of each image as it is.
    """
    rest = wrap_angle(found_rad - unturned_rad[:, None] - turns_rad)
    unturned = np.degrees(np.sqrt(np.mean(rest**2, axis=1)))
    aligned = [rotation_error(turns_rad, found).rmse_deg for found in found_rad]
    return TurnErrors(unturned, np.array(aligned))


def aligned_by_class(true_rad: Array, found_rad: Array, labels: NDArray[np.integer]) -> Array:
    """Return the found angles (N,) minus the best constant of each class: its zero is arbitrary."""
    aligned = np.array(found_rad, dtype=np.float64)
    for label, error in rotation_error_by_class(true_rad, found_rad, labels).items():
        aligned[labels == label] -= error.offset_rad
    return wrap_angle(aligned)


@dataclass(frozen=True)
class FactorCorrelation:
    """How well z tells a true factor: best |Spearman| of one axis, and R of a linear fit."""

    best_axis: float
    linear: float


def factor_correlation(z: Array, factor: Array) -> FactorCorrelation:
    """Return how contents z (N, D) go with a known factor (N,), such as a hinge's angle."""
    by_axis = [abs(rank_correlation(axis, factor)) for axis in z.T]
    centred = np.column_stack([z - z.mean(0), np.ones(len(z))])
    fitted = centred @ np.linalg.lstsq(centred, factor, rcond=None)[0]
    return FactorCorrelation(float(np.nanmax(by_axis)), pearson(fitted, factor))
