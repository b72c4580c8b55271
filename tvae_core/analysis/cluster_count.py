"""How many clusters: as many as valleys of density part; one where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Figures = NDArray[np.float64]
Valley = Callable[[Array, Array], tuple[float, float]]

FEWEST = 40  # images: two pieces of twenty
MOST_CLUSTERS = 24
LEAST_DEPTH = 0.1  # of a valley: what is shallower parts nothing
_SURE = 2.5  # standard deviations of the counts by which a valley must lie below its lower side
_COMPARED = 2_000
_IN_A_PIECE = 8
_NEAREST = 0.4  # of a group, at least 50 images: what lies next to another
_LEAST_NEARBY = 50
_DEPTH_NEARBY = 0.3
_PLACES = 65  # between the middles of two groups, at which density is looked at
_SHRINKAGE = 0.05


@dataclass(frozen=True)
class Proposal:
    """Numbers of clusters that were tried, and how well each parts the images.

    Parameters
    ----------
    counts : (k,) int
        Rising, from 2.
    depth : (k,)
        Of the shallowest valley between any two of so many groups, 0 to 1: 1, no image lies between
        them; 0, none is sure to be there.
    """

    counts: NDArray[np.int64]
    depth: Figures

    @property
    def count(self) -> int:
        """The number proposed: the most groups that all have valleys between them; 1 for none."""
        parted = np.flatnonzero(self.depth >= LEAST_DEPTH)
        return int(self.counts[parted[-1]]) if len(parted) else 1


def proposed(
    places: Array, contents: Array | None = None, seed: int = 0, most: int = MOST_CLUSTERS
) -> Proposal:
    """Say how many groups of images have valleys of density between them.

    The images, at most 2,000, are cut into `most` pieces by Ward's method on the `places` (N, D)
    that are clustered. Two pieces are parted by a valley where the density along the direction that
    parts them best (Fisher's, each half judged by the other's) falls between their middles and
    rises again. Pieces between which none is sure are joined, the least sure first, then those with
    the shallowest valley (Hennig 2010 joins parts of a mixture so). Where no valley is left when
    each is asked for between the images next to the other group too, there is none: a curved band
    seen from the side has two ends and a hollow. Density is judged in the `contents` (N, E) that
    the places were made of, the places themselves where there are none: UMAP tears what is
    continuous.

    Raises
    ------
    ValueError
        There are fewer than `FEWEST` images.
    """
    if len(places) < FEWEST:
        raise ValueError(f"{len(places)} images")
    from scipy.cluster.hierarchy import fcluster, linkage

    some = np.random.default_rng(seed).permutation(len(places))[:_COMPARED]
    where = np.asarray(places[some], np.float64)
    values = where if contents is None else np.asarray(contents[some], np.float64)
    pieces = fcluster(linkage(where, "ward"), max(2, min(most, len(some) // 20)), "maxclust")
    groups = {int(piece): values[pieces == piece] for piece in np.unique(pieces)}
    depth = dict.fromkeys(range(2, most + 1), 0.0)
    if max(_joined(dict(groups), _valley_nearby).values(), default=0.0) >= LEAST_DEPTH:
        depth |= _joined(groups, _valley)
    return Proposal(np.array(list(depth)), np.array(list(depth.values())))


def _joined(groups: dict[int, Array], valley: Valley) -> dict[int, float]:
    """Return the depth of the shallowest valley by the number of groups, joining one by one."""
    names = list(groups)
    valleys = {
        (one, other): valley(groups[one], groups[other])
        for n, one in enumerate(names)
        for other in names[n + 1 :]
    }
    depths: dict[int, float] = {}
    while valleys:
        one, other = min(valleys, key=lambda pair: _order(valleys[pair]))
        depth, sure = valleys[one, other]
        depths[len(groups)] = depth if sure >= _SURE else 0.0
        groups[one] = np.concatenate([groups[one], groups.pop(other)])
        valleys = {pair: found for pair, found in valleys.items() if other not in pair}
        for pair in valleys:
            if one in pair:
                valleys[pair] = valley(groups[pair[0]], groups[pair[1]])
    return depths


def _order(valley: tuple[float, float]) -> tuple[int, float]:
    """Return what sorts the valleys that part nothing first, the least sure of them first."""
    depth, sure = valley
    parted = sure >= _SURE and depth >= LEAST_DEPTH
    return (1, depth) if parted else (0, sure)


def _valley(one: Array, other: Array) -> tuple[float, float]:
    """Return how deep a valley lies between two groups (n, D), 0 to 1, and how sure it is."""
    if min(len(one), len(other)) < _IN_A_PIECE:
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


def _valley_nearby(one: Array, other: Array) -> tuple[float, float]:
    """Return the same where there is a valley between the nearest of both groups too, else none."""
    depth, sure = _valley(one, other)
    if sure < _SURE or depth < LEAST_DEPTH:
        return depth, sure
    nearby, _ = _valley(_nearest(one, other), _nearest(other, one))
    return (depth, sure) if nearby >= _DEPTH_NEARBY else (0.0, _SURE / 2)


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
