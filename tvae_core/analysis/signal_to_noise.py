"""How much of an image is object and how much is noise, measured before anything is learned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# energy of an object over the noise of a pixel: below the first the content is lost unless a linear
# model draws the first images; below the second it keeps the states of a particle standing alike
# (docs/decisions/0007-linear-start.md)
NOISY, CLEAR = 400.0, 4000.0
_OBJECT_OF_SIDE = 0.32  # radius within which an object is looked for
_BACKGROUND_OF_SIDE = 0.44  # radius beyond which nothing is


def signal_to_noise(images: NDArray[np.float32]) -> float:
    """Return the energy of an object over the noise of a pixel, of grey images (n, side, side).

    The sum of the object's squared brightness, which is what a matched filter gives at best; it is
    the same however coarse the pixels are. An object is what lies within 0.32 sides of the centre,
    noise what varies beyond 0.44, from a pixel to the next as much as from image to image: edges
    and other objects are no noise.
    """
    radius = radius_in_sides(images.shape[-1])
    behind = (radius > _BACKGROUND_OF_SIDE) & (radius <= 0.5)
    level, noise = float(images[:, behind].mean()), float(images[:, behind].var())
    pairs = behind[:, 1:] & behind[:, :-1]
    steps = images[:, :, 1:][:, pairs] - images[:, :, :-1][:, pairs]
    noise = min(noise, float(np.square(steps).mean()) / 2)
    within = np.square(images[:, radius <= _OBJECT_OF_SIDE] - level)
    return int(within.shape[1]) * (float(within.mean()) - noise) / max(noise, 1e-12)


def background(images: NDArray[np.float32]) -> float:
    """Return the brightness beyond 0.44 sides of the centre, within the inscribed circle."""
    radius = radius_in_sides(images.shape[-1])
    return float(images[:, (radius > _BACKGROUND_OF_SIDE) & (radius <= 0.5)].mean())


def radius_in_sides(side: int) -> NDArray[np.float64]:
    """Return the distance of each pixel from the centre, (side, side), in sides."""
    axis = (np.arange(side) - (side - 1) / 2) / side
    return np.asarray(np.hypot(axis[:, None], axis[None]))
