"""Which decoded objects are each other's mirror image: opposite views of a chiral particle.

A projection along -v is the mirror image of that along v, so in a stack of particles each view has
a partner; the latent plane holds both. Every decoded image is flipped and registered to every
other over the angle, by FFT on rings around its centre of mass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.sampling import polar_rings
from tvae_core.errors import Cancelled
from tvae_core.geometry import pixel_grid_px, wrap_angle

Array = NDArray[np.floating]

STEPS = 96
_BLOCK = 64
_CONTRAST = 0.5
_SCORE = 0.8
_OWN_MARGIN = 0.1


@dataclass(frozen=True)
class MirrorScores:
    """How well each of n images, flipped, agrees with each other one.

    score (n, n) : highest correlation over the angle of image j with image i flipped left to
    right; the diagonal says how achiral an image is. angle_rad (n, n) : by how much the flipped
    image i is turned, counter-clockwise, to be image j.
    """

    score: Array
    angle_rad: Array


@dataclass(frozen=True)
class MirrorPartner:
    """The best partner of an image, its score, and whether the two make a mirror pair.

    `own` is the score of the image with its own flip: an image nearly as good a partner to itself
    is achiral and its pair says nothing.
    """

    image: int
    partner: int
    score: float
    own: float
    angle_rad: float
    is_pair: bool


@dataclass(frozen=True)
class MirrorRegions:
    """Two regions of nodes of which each is the other's mirror image.

    first, second (k,) : nodes, entry by entry partners. score : mean over the entries.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    score: float


def mirror_scores(
    images: Array,
    steps: int = STEPS,
    progress: Callable[[float], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> MirrorScores:
    """Return how well images (n, h, w[, 3]) agree with each other's flip, over all angles.

    576 images of 48 x 48 take less than a second on one core.

    Parameters
    ----------
    steps : int
        Angles tried; the peak's angle is good to half a step.

    Raises
    ------
    Cancelled
        `cancelled()` turned true.
    """
    rings = _unit_rings(images, steps)
    spectrum = np.ascontiguousarray(np.fft.rfft(rings, axis=2).transpose(2, 0, 1), np.complex64)
    n = len(images)
    score, place = np.empty((n, n), np.float32), np.empty((n, n), np.int64)
    for start in range(0, n, _BLOCK):
        if cancelled():
            raise Cancelled("the search for mirror images was stopped")
        some = slice(start, start + _BLOCK)
        # flipped left to right: value at angle a is that at pi - a, so the spectrum is conjugated
        products = spectrum[:, some] @ spectrum.transpose(0, 2, 1)  # (m, block, n)
        over_angle = np.fft.irfft(products.transpose(1, 2, 0), steps, axis=2)
        place[some] = over_angle.argmax(2)
        score[some] = np.take_along_axis(over_angle, place[some][..., None], 2)[..., 0]
        progress(min(1.0, (start + _BLOCK) / n))
    return MirrorScores(score, wrap_angle(place * 2 * np.pi / steps - np.pi))


def mirror_partners(
    found: MirrorScores, populated: NDArray[np.bool_] | None = None
) -> list[MirrorPartner]:
    """Return the best partner of each image, itself included, among those that are populated.

    It is a pair when its score is high (0.8), stands at least half-way from what an average image
    reaches to 1, and exceeds the image's own by 0.1: an achiral image is its own mirror image.
    """
    n = len(found.score)
    allowed = np.ones(n, dtype=bool) if populated is None else np.asarray(populated, dtype=bool)
    if not allowed.any():
        return []
    masked = np.where(allowed[None], found.score, -np.inf)
    best, own = masked.argmax(1), np.diagonal(found.score)
    usual = np.median(found.score[:, allowed], axis=1)
    partners = []
    for i in np.flatnonzero(allowed):
        j, top = int(best[i]), float(masked[i, best[i]])
        stands_out = top - usual[i] > _CONTRAST * (1.0 - usual[i])
        chiral = top - own[i] > _OWN_MARGIN * (1.0 - usual[i]) and j != i
        is_pair = bool(top > _SCORE and stands_out and chiral)
        angle = float(found.angle_rad[i, j])
        partners.append(MirrorPartner(int(i), j, top, float(own[i]), angle, is_pair))
    return partners


def mirror_regions(
    partners: list[MirrorPartner], shape: tuple[int, int], least: int = 2
) -> list[MirrorRegions]:
    """Join pairs whose both ends are neighbours on a grid of nodes (rows, columns) into regions.

    Each pair of regions is listed once, the largest first; those of fewer than `least` nodes are
    left out.
    """
    pairs = {p.image: p for p in partners if p.is_pair}
    seen: set[int] = set()
    regions = []
    for first in pairs:
        if first in seen:
            continue
        members = _grow(first, pairs, shape, seen)
        there = [pairs[m].partner for m in members]
        # the way back: the partners' own pairs are the same region seen from the other side
        seen |= {m for m in there if m in pairs and _near(pairs[m].partner, members, shape)}
        if len(members) >= least:
            score = float(np.mean([pairs[m].score for m in members]))
            regions.append(MirrorRegions(np.array(members), np.array(there), score))
    return sorted(regions, key=lambda r: -len(r.first))


@dataclass(frozen=True)
class AtlasMirrors:
    """What an atlas holds: each populated node's partner, pairs of regions, nodes counted."""

    partners: dict[int, MirrorPartner]
    regions: list[MirrorRegions]
    populated: int

    @property
    def chiral(self) -> int:
        """How many nodes have a mirror partner elsewhere."""
        return sum(p.is_pair for p in self.partners.values())

    @property
    def words(self) -> str:
        """What was found, in one sentence."""
        if not self.chiral:
            return f"No mirror pairs among {self.populated} places that have images."
        pairs = f"{len(self.regions)} pair{'' if len(self.regions) == 1 else 's'} of regions"
        return (
            f"{self.chiral} of {self.populated} places that have images have a mirror partner, "
            f"in {pairs}:"
        )


def atlas_mirrors(
    images: NDArray[np.floating | np.integer],
    x: Array,
    y: Array,
    xy: Array,
    least: int = 2,
    progress: Callable[[float], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> AtlasMirrors:
    """Return the mirror pairs of a decode atlas.

    Parameters
    ----------
    images : (Gy, Gx, h, w[, 3])
        Decoded at the nodes of a grid.
    x, y : (Gx,), (Gy,)
        Coordinates of the nodes, evenly spaced.
    xy : (N, 1 or 2)
        Where the run's images lie; nodes with none within one pitch are left out.
    least : int
        Nodes of a region that is listed.

    Raises
    ------
    Cancelled
        `cancelled()` turned true.
    """
    shape = (len(y), len(x))
    populated = _populated(x, y, np.asarray(xy, dtype=np.float64))
    nodes = np.flatnonzero(populated)
    flat = np.asarray(images).reshape(shape[0] * shape[1], *images.shape[2:])[nodes]
    found = mirror_partners(mirror_scores(flat, progress=progress, cancelled=cancelled))
    partners = [replace(p, image=int(nodes[p.image]), partner=int(nodes[p.partner])) for p in found]
    regions = mirror_regions(partners, shape, least)
    return AtlasMirrors({p.image: p for p in partners}, regions, len(nodes))


def nearest_node(x: Array, y: Array, place: tuple[float, float]) -> int:
    """Return the number of the node nearest to a place, row by row along y."""
    column, row = (int(np.abs(axis - v).argmin()) for axis, v in zip((x, y), place, strict=True))
    return row * len(x) + column


def _populated(x: Array, y: Array, xy: Array) -> NDArray[np.bool_]:
    """Nodes (Gy * Gx,) with an image nearer than one pitch along each axis."""
    from scipy import ndimage

    column = _cells(x, xy[:, 0])
    row = _cells(y, xy[:, 1]) if xy.shape[1] > 1 and len(y) > 1 else np.zeros(len(xy), int)
    inside = (column >= 0) & (row >= 0)
    counts = np.zeros((len(y), len(x)), dtype=bool)
    counts[row[inside], column[inside]] = True
    return np.asarray(ndimage.binary_dilation(counts, np.ones((3, 3), bool))).ravel()


def _cells(axis: Array, values: Array) -> NDArray[np.int64]:
    """Which node each value is nearest to; -1 outside the axis."""
    if len(axis) == 1:
        return np.zeros(len(values), dtype=int)
    cell = np.rint((values - axis[0]) / (axis[1] - axis[0])).astype(int)
    return np.where((cell >= 0) & (cell < len(axis)), cell, -1)


def _grow(
    first: int, pairs: dict[int, MirrorPartner], shape: tuple[int, int], seen: set[int]
) -> list[int]:
    """Collect the pairs that hang together with one, marking them as seen."""
    members, edge = [], [first]
    seen.add(first)
    while edge:
        here = edge.pop()
        members.append(here)
        for other in _around(here, shape):
            joined = other in pairs and other not in seen and other != pairs[here].partner
            if joined and _near(pairs[other].partner, [pairs[here].partner], shape):
                seen.add(other)
                edge.append(other)
    return sorted(members)


def _around(node: int, shape: tuple[int, int]) -> list[int]:
    row, column = divmod(node, shape[1])
    return [
        r * shape[1] + c
        for r in range(max(0, row - 1), min(shape[0], row + 2))
        for c in range(max(0, column - 1), min(shape[1], column + 2))
        if (r, c) != (row, column)
    ]


def _near(node: int, others: list[int], shape: tuple[int, int], reach: int = 2) -> bool:
    row, column = divmod(node, shape[1])
    rows, columns = np.divmod(np.asarray(others), shape[1])
    return bool((np.maximum(abs(rows - row), abs(columns - column)) <= reach).any())


def _unit_rings(images: Array, steps: int) -> Array:
    """Rings (n, radii, steps) around the centres of mass, mean free, of length 1 by area."""
    grey = np.asarray(images, dtype=np.float32)
    grey = grey.mean(-1) if grey.ndim == 4 else grey
    rings = polar_rings(grey, steps, _centres_of_mass(grey)).astype(np.float64)
    area = np.arange(1.0, rings.shape[1] + 1)[:, None]
    rings -= (rings * area).sum((1, 2), keepdims=True) / (area.sum() * steps)
    rings *= np.sqrt(area)
    length = np.sqrt((rings**2).sum((1, 2), keepdims=True))
    return np.asarray(rings / np.maximum(length, np.finfo(float).tiny))


def _centres_of_mass(images: Array) -> Array:
    """Centres (n, 2), x right, y up, of what differs from the border, in pixels."""
    from scipy import ndimage

    height, width = images.shape[1:]
    edges = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    ground = np.median(np.concatenate(edges, axis=1), axis=1)
    mass = np.abs(images - ground[:, None, None])
    mass = ndimage.gaussian_filter(mass, (0, 0.5, 0.5)).reshape(len(images), -1).astype(np.float64)
    mass = np.maximum(mass - 0.1 * mass.max(1, keepdims=True), 0)
    total = np.maximum(mass.sum(1, keepdims=True), np.finfo(float).tiny)
    return np.asarray(mass @ pixel_grid_px(height, width) / total)
