"""Particle images that are none: noise, edges of the micrograph, carbon, two particles in a box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.geometry import axis_px
from tvae_core.synthetic.blobs import ParticleStates

FloatArray = NDArray[np.floating[Any]]
Float32Array = NDArray[np.float32]
IntArray = NDArray[np.integer[Any]]

PARTICLE, NOISE, EDGE, CARBON, TWO = range(5)
KINDS = ("particle", "noise", "edge", "carbon", "two particles")
_STREAM = 7_301  # apart from the streams of the images' noise
_APART = (0.8, 1.2)  # of the diameter, between the two particles of a box
_EDGE_REACH = 0.6  # of the particle's radius: an edge passes this near the centre
_CARBON_LEVEL = 0.25  # of the particle's peak
_CARBON_GRAIN = 0.15
_GRAIN_PX = 0.05  # of the side


@dataclass(frozen=True)
class Junk:
    """Which images of a set are junk, and of which kind.

    Parameters
    ----------
    kind : (n,)
        0 for a particle, otherwise its place in `KINDS`.
    seed : int
    """

    kind: IntArray
    seed: int

    @classmethod
    def drawn(cls, count: int, share: float, seed: int) -> Junk:
        """Return junk for a share of the images, the four kinds alike often."""
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM,)))
        kind = np.zeros(count, dtype=np.int64)
        chosen = rng.permutation(count)[: round(share * count)]
        kind[chosen] = 1 + np.arange(len(chosen)) % (len(KINDS) - 1)
        return cls(kind, seed)

    def _streams(self, indices: IntArray, kind: int) -> dict[int, np.random.Generator]:
        """Return the random numbers of each image of a kind, by its row among `indices`."""
        rows = np.flatnonzero(self.kind[indices] == kind)
        keys = [(_STREAM, int(indices[row])) for row in rows]
        return {
            int(row): np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))
            for row, key in zip(rows, keys, strict=True)
        }

    def projections(
        self,
        indices: IntArray,
        poses: ParticleStates,
        radius_px: float,
        project: Callable[[ParticleStates], Float32Array],
    ) -> Float32Array:
        """Return what the beam sees of images (n,): no particle, one, or two; without noise.

        Parameters
        ----------
        indices : (n,)
        poses : ParticleStates
            Of all images of the set.
        radius_px : float
            Of the particle.
        project : callable
            Poses of m particles -> (m, side, side).
        """
        own = poses.take(indices)
        two = self._streams(indices, TWO)
        first, second = own.shift_px.copy(), own.shift_px.copy()
        other = indices.copy()
        for row, rng in two.items():
            other[row] = rng.integers(len(self.kind))
            first[row], second[row] = _beside(rng, own.shift_px[row], radius_px)
        images = project(ParticleStates(own.hinge_rad, own.view_rad, own.angle_rad, first))
        images[np.isin(self.kind[indices], (NOISE, CARBON))] = 0.0
        if rows := list(two):
            beside = poses.take(other[rows])
            images[rows] += project(
                ParticleStates(beside.hinge_rad, beside.view_rad, beside.angle_rad, second[rows])
            )
        return images

    def over_carbon(self, images: Float32Array, indices: IntArray) -> Float32Array:
        """Return the images (n, side, side) with carbon under a part of those that have some."""
        side = images.shape[-1]
        for row, rng in self._streams(indices, CARBON).items():
            there = _beyond(rng, side, 0.3 * side)
            level = _CARBON_LEVEL * rng.uniform(0.5, 1.5) * rng.choice([-1, 1])
            images[row] += there * (level + _CARBON_GRAIN * _grain(rng, side))
        return images

    def cut_at_edges(
        self, images: Float32Array, indices: IntArray, radius_px: float
    ) -> Float32Array:
        """Return the images (n, side, side), noise included, blank beyond the micrograph's edge."""
        for row, rng in self._streams(indices, EDGE).items():
            images[row] *= 1 - _beyond(rng, images.shape[-1], _EDGE_REACH * radius_px)
        return images


def _beside(
    rng: np.random.Generator, shift_px: FloatArray, radius_px: float
) -> tuple[FloatArray, FloatArray]:
    """Return where two particles lie whose box was centred on one of them or between them."""
    apart = 2.0 * radius_px * rng.uniform(*_APART)
    turn, share = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.0, 0.5)
    along = apart * np.array([np.cos(turn), np.sin(turn)])
    return shift_px - share * along, shift_px + (1.0 - share) * along


def _beyond(rng: np.random.Generator, side: int, reach_px: float) -> Float32Array:
    """Return 1 beyond a straight line that passes the centre within `reach_px`, 0 before it."""
    turn, offset = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(-reach_px, reach_px)
    x, y = axis_px(side)[None, :], -axis_px(side)[:, None]
    there: Float32Array = (np.cos(turn) * x + np.sin(turn) * y > offset).astype(np.float32)
    return there


def _grain(rng: np.random.Generator, side: int) -> Float32Array:
    """Return smooth noise of deviation 1."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(rng.standard_normal((side, side)), _GRAIN_PX * side, mode="wrap")
    grain: Float32Array = (smooth / smooth.std()).astype(np.float32)
    return grain
