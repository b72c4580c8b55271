"""A particle of Gaussian blobs in three dimensions, with domains that turn about hinges.

A round Gaussian projects to a round Gaussian, which is a product of one along x and one along y:
the projection is exact at any pose and is one small matrix product an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.geometry import axis_px

FloatArray = NDArray[np.floating[Any]]
Float32Array = NDArray[np.float32]

_PEAK_RADIUS_PX = 40
_CANDIDATES = 60


@dataclass(frozen=True)
class Lobe:
    """An ellipsoid filled with blobs; lengths in units of the particle's radius.

    Parameters
    ----------
    centre, half_axes : (x, y, z)
    blobs : int
    """

    centre: tuple[float, float, float]
    half_axes: tuple[float, float, float]
    blobs: int


@dataclass(frozen=True)
class Arm:
    """Lobes that turn together about a hinge, in the plane across z."""

    lobes: tuple[Lobe, ...]
    hinge: tuple[float, float]


@dataclass(frozen=True)
class Particle:
    """A body, arms on hinges, and the width of every blob, in units of the particle's radius."""

    body: tuple[Lobe, ...]
    arms: tuple[Arm, ...]
    blob_std: float


@dataclass(frozen=True)
class ParticleStates:
    """Conformation and pose of n particles.

    Parameters
    ----------
    hinge_rad : (n, A)
        Angle of each arm, counter-clockwise seen along the view.
    view_rad : (n, 2)
        Small turns about x, then y, before projection.
    angle_rad : (n,)
    shift_px : (n, 2)
        In-plane pose as in `tvae_core.geometry`.
    """

    hinge_rad: FloatArray
    view_rad: FloatArray
    angle_rad: FloatArray
    shift_px: FloatArray

    def take(self, indices: NDArray[np.integer[Any]]) -> ParticleStates:
        """Return the poses of the particles `indices`."""
        return ParticleStates(
            self.hinge_rad[indices],
            self.view_rad[indices],
            self.angle_rad[indices],
            self.shift_px[indices],
        )


def project(particle: Particle, poses: ParticleStates, side: int, radius_px: float) -> Float32Array:
    """Return the projections along z, (n, side, side), bright on zero, of peak about 1.

    Parameters
    ----------
    particle : Particle
    poses : ParticleStates
        Of n particles.
    side : int
        Pixels.
    radius_px : float
        The particle's radius in pixels.
    """
    centres = _posed_centres(particle, poses) * radius_px
    centres += poses.shift_px[:, None, :]
    images = _sum_of_blobs(centres, particle.blob_std * radius_px, side)
    images /= np.float32(_peak(particle))
    return images


def _sum_of_blobs(centres_px: FloatArray, std_px: float, side: int) -> Float32Array:
    along_x = _profiles(axis_px(side), centres_px[..., 0], std_px)  # (n, blobs, side)
    along_y = _profiles(-axis_px(side), centres_px[..., 1], std_px)  # (n, blobs, side)
    images: Float32Array = np.matmul(along_y.transpose(0, 2, 1), along_x)  # (n, side, side)
    return images


def _profiles(axis: FloatArray, centres: FloatArray, std: float) -> Float32Array:
    distance = (axis - centres[..., None]).astype(np.float32) / np.float32(std)
    profiles: Float32Array = np.exp(np.float32(-0.5) * distance**2)
    return profiles


@lru_cache(maxsize=8)
def _peak(particle: Particle) -> float:
    """Return the brightest point of the straight particle's projection, blobs counting 1 each."""
    arms = np.zeros((1, len(particle.arms)))
    straight = ParticleStates(arms, np.zeros((1, 2)), np.zeros(1), np.zeros((1, 2)))
    centres = _posed_centres(particle, straight) * _PEAK_RADIUS_PX
    std_px = particle.blob_std * _PEAK_RADIUS_PX
    return float(_sum_of_blobs(centres, std_px, 3 * _PEAK_RADIUS_PX).max())


def _posed_centres(particle: Particle, poses: ParticleStates) -> FloatArray:
    """Return blob centres in the image plane, (n, blobs, 2), in units of the particle's radius."""
    count = len(poses.angle_rad)
    body = _fill(particle.body, stream=0)
    parts = [np.broadcast_to(body, (count, *body.shape))]
    for index, arm in enumerate(particle.arms):
        blobs = _fill(arm.lobes, stream=1 + index)
        hinge = np.array([*arm.hinge, 0.0])
        parts.append(_turned(blobs - hinge, poses.hinge_rad[:, index], (0, 1)) + hinge)
    points = np.concatenate(parts, axis=1)
    points = _turned(points, poses.view_rad[:, 0], (1, 2))
    points = _turned(points, poses.view_rad[:, 1], (2, 0))
    return _turned(points, poses.angle_rad, (0, 1))[..., :2]


def _turned(points: FloatArray, angle_rad: FloatArray, plane: tuple[int, int]) -> FloatArray:
    """Turn (blobs, 3) or (n, blobs, 3) points by (n,) angles, from the first axis to the second."""
    cos, sin = np.cos(angle_rad)[:, None], np.sin(angle_rad)[:, None]
    first, second = points[..., plane[0]], points[..., plane[1]]
    turned = np.broadcast_to(points, (len(angle_rad), *points.shape[-2:])).copy()
    turned[..., plane[0]] = cos * first - sin * second
    turned[..., plane[1]] = sin * first + cos * second
    return turned


def _fill(lobes: tuple[Lobe, ...], stream: int) -> FloatArray:
    """Return blob centres spread through the lobes, (blobs, 3), always the same."""
    rng = np.random.default_rng(np.random.SeedSequence(20_221, spawn_key=(stream,)))
    return np.concatenate(
        [_spread(rng, lobe.blobs) * lobe.half_axes + lobe.centre for lobe in lobes]
    )


def _spread(rng: np.random.Generator, count: int) -> FloatArray:
    """Return points of the unit ball, (count, 3), each the one of many furthest from the others."""
    direction = rng.normal(size=(_CANDIDATES, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    candidates = direction * rng.uniform(size=(_CANDIDATES, 1)) ** (1.0 / 3.0)
    chosen = candidates[:1]
    while len(chosen) < count:
        gaps = np.linalg.norm(candidates[:, None] - chosen[None], axis=2).min(axis=1)
        chosen = np.vstack([chosen, candidates[gaps.argmax()]])
    return chosen
