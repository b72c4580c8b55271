"""Valleys of density between two groups of images: what parts them, if anything does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Figures = NDArray[np.float64]
Valley = Callable[[Array, Array], tuple[float, float]]

PIECES, IN_A_PIECE = 24, 20  # that images are cut into at most; images in each, on average
COMPARED = 2_000  # images between which valleys are looked for, at most
LEAST_DEPTH = 0.1  # of a valley: what is shallower parts nothing
SURE = 2.5  # standard deviations of the counts by which a valley must lie below its lower side
_FEWEST = 8  # of a group
_NEAREST = 0.4  # of a group, at least 50 images: what lies next to another
_LEAST_NEARBY = 50
_DEPTH_NEARBY = 0.3
_PLACES = 65  # between the middles of two groups, at which density is looked at
_SHRINKAGE = 0.05


def valley(one: Array, other: Array) -> tuple[float, float]:
    """Return how deep a valley lies between two groups (n, D), 0 to 1, and how sure it is."""
    if min(len(one), len(other)) < _FEWEST:
        return 0.0, 0.0
    left, right = _along_what_parts(one, other)
    low, high = float(np.median(left)), float(np.median(right))
    if low >= high:
        return 0.0, 0.0
    fewer = min(len(left), len(right))
    width = max(0.9 * min(left.std(), right.std()) * fewer**-0.2, 1e-6 * (high - low))
    at = np.linspace(low, high, _PLACES)
    apart = (at[:, None] - np.concatenate([left, right])) / width
    # images within a bell as high as 1, and so as wide as 2.5 deviations
    count = np.exp(-0.5 * apart**2).sum(1)
    lowest = int(count.argmin())
    side = min(count[: lowest + 1].max(), count[lowest:].max())
    # the square root of a Poisson count has a deviation of a half
    sure = 2.0 * (np.sqrt(side) - np.sqrt(count[lowest]))
    return 1.0 - float(count[lowest] / side), float(sure)


def valley_nearby(one: Array, other: Array) -> tuple[float, float]:
    """Return the same where there is a valley between the nearest of both groups too, else none."""
    depth, sure = valley(one, other)
    if sure < SURE or depth < LEAST_DEPTH:
        return depth, sure
    nearby, _ = valley(_nearest(one, other), _nearest(other, one))
    return (depth, sure) if nearby >= _DEPTH_NEARBY else (0.0, SURE / 2)


def _nearest(some: Array, others: Array) -> Array:
    """Return those of `some` (n, D) that lie nearest to any of the others."""
    from scipy.spatial import KDTree

    count = min(len(some), max(_LEAST_NEARBY, round(_NEAREST * len(some))))
    nearest: Array = some[np.argsort(KDTree(others).query(some)[0], kind="stable")[:count]]
    return nearest


def _along_what_parts(one: Array, other: Array) -> tuple[Figures, Figures]:
    """Return both groups along the direction that parts them, in deviations from their middle.

    Each half lies along the direction of the other half, or a cut through one group would show a
    valley.
    """
    halves = [(one[k::2], other[k::2]) for k in (0, 1)]
    lines = [_line(*half) for half in halves]
    left = [(halves[1 - k][0] - lines[k][1]) @ lines[k][0] for k in (0, 1)]
    right = [(halves[1 - k][1] - lines[k][1]) @ lines[k][0] for k in (0, 1)]
    return np.concatenate(left), np.concatenate(right)


def _line(one: Array, other: Array) -> tuple[Figures, Figures]:
    """Return Fisher's direction from one group to another, by the spread along it, and its zero."""
    within = np.concatenate([one - one.mean(0), other - other.mean(0)])
    covariance = within.T @ within / max(1, len(within) - 2)
    size = np.trace(covariance) / len(covariance)
    apart = other.mean(0) - one.mean(0)
    covariance += (_SHRINKAGE * size + 1e-12 * (1.0 + apart @ apart)) * np.eye(len(covariance))
    direction = np.linalg.solve(covariance, apart)
    spread = np.sqrt(direction @ covariance @ direction)
    return direction / max(spread, 1e-12), (one.mean(0) + other.mean(0)) / 2
