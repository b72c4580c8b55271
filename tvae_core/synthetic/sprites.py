"""Squares, ellipses and hearts at 40 rotations, 6 scales and 32 x 32 positions (paper, A.5).

Drawn from their signed distances, so that edges are anti-aliased and poses exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.geometry import TWO_PI
from tvae_core.synthetic.options import About, Count, Seed, Side
from tvae_core.synthetic.plan import ImagePlan, Images, IntArray, TrueColumns
from tvae_core.synthetic.transform import place

FloatArray = NDArray[np.floating[Any]]
Distance = Callable[[FloatArray], FloatArray]

SHAPES = ("square", "ellipse", "heart")
_ROTATIONS = 40
_SCALES = np.linspace(0.5, 1.0, 6)
_POSITIONS = 32
# Shapes at scale 1 lie in a circle of this part of the side, as the sprites of dSprites do.
_RADIUS_OF_SIDE = 0.22
_BORDER_PX = 1.0

Binary = Annotated[bool, About("pixels 0 or 1 only, without anti-aliasing")]


def sprites(
    count: Count = 10_000, seed: Seed = 0, side: Side = 64, binary: Binary = False
) -> ImagePlan:
    """Plan sprites drawn at random from all shapes, scales, rotations and positions.

    `label` is the index in `SHAPES`. The 40 rotations are linearly spaced in [0, 2 pi], both ends
    included, as in dSprites.
    """
    radius_px = _RADIUS_OF_SIDE * side
    truth = _draw_truth(np.random.default_rng(seed), count, side / 2.0 - radius_px - _BORDER_PX)
    label, scale, angle = truth["label"], truth["scale"], truth["angle_rad"]
    shift = np.stack([truth["shift_x_px"], truth["shift_y_px"]], axis=1)

    def render(indices: IntArray) -> Images:
        drawn = [
            place(sprite(label[i], scale[i] * radius_px), angle[i], shift[i], side) for i in indices
        ]
        images = np.stack(drawn)
        return (images >= 0.5).astype(np.float32) if binary else images

    return ImagePlan(count, (side, side), truth, render, radius_px)


def sprite(label: int, radius_px: float) -> Callable[[FloatArray], FloatArray]:
    """Return the sprite as a function of points: coverage 0..1 of a pixel at (P, 2) pixels."""
    distance = _DISTANCES[label]

    def coverage(points_px: FloatArray) -> FloatArray:
        return np.asarray(np.clip(0.5 - radius_px * distance(points_px / radius_px), 0.0, 1.0))

    return coverage


def _draw_truth(rng: np.random.Generator, count: int, reach_px: float) -> TrueColumns:
    positions = np.linspace(-reach_px, reach_px, _POSITIONS)
    return {
        "image": np.arange(count),
        "angle_rad": rng.choice(np.linspace(0.0, TWO_PI, _ROTATIONS), count),
        "shift_x_px": rng.choice(positions, count),
        "shift_y_px": rng.choice(positions, count),
        "label": rng.integers(len(SHAPES), size=count),
        "scale": rng.choice(_SCALES, count),
    }


def _square(points: FloatArray) -> FloatArray:
    """Return the signed distance to a square inscribed in the unit circle."""
    beyond = np.abs(points) - np.sqrt(0.5)
    outside = np.hypot(*np.maximum(beyond, 0.0).T)
    return np.asarray(outside + np.minimum(beyond.max(axis=1), 0.0))


def _ellipse(points: FloatArray) -> FloatArray:
    """Return the distance to an ellipse of half axes 1 and 0.6, exact to first order."""
    half_axes = np.array([1.0, 0.6])
    level = np.linalg.norm(points / half_axes, axis=1)
    slope = np.linalg.norm(points / half_axes**2, axis=1)
    return np.asarray(level * (level - 1.0) / np.maximum(slope, 1e-9))


def _heart(points: FloatArray) -> FloatArray:
    """Return the signed distance to a heart: a square on its tip between two half discs.

    The exact distance of Inigo Quilez, "2D distance functions", moved and scaled into the unit
    circle.
    """
    unit = 0.68  # the unit circle's radius in the units of the published formula
    x, y = np.abs(points[:, 0]) * unit, points[:, 1] * unit + 0.55
    lobe = np.hypot(x - 0.25, y - 0.75) - np.sqrt(2.0) / 4.0
    along = 0.5 * np.maximum(x + y, 0.0)
    side = np.minimum(np.hypot(x, y - 1.0), np.hypot(x - along, y - along))
    return np.asarray(np.where(x + y > 1.0, lobe, side * np.sign(x - y)) / unit)


_DISTANCES: tuple[Distance, ...] = (_square, _ellipse, _heart)
