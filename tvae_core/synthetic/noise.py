"""White noise at a chosen signal-to-noise ratio, one stream of random numbers an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.geometry import axis_px

FloatArray = NDArray[np.floating[Any]]
Float32Array = NDArray[np.float32]
IntArray = NDArray[np.integer[Any]]


def circle_masks(side: int, centres_px: FloatArray, radius_px: float) -> NDArray[np.bool_]:
    """Return (n, side, side) masks of discs about `centres_px`, (n, 2) as (x, y), y up."""
    x = axis_px(side)[None, None, :] - centres_px[:, 0, None, None]
    y = -axis_px(side)[None, :, None] - centres_px[:, 1, None, None]
    return np.asarray(x**2 + y**2 <= radius_px**2)


def signal_variance(images: FloatArray, centres_px: FloatArray, radius_px: float) -> float:
    """Return the mean over images of the variance inside each object's circle.

    Parameters
    ----------
    images : (n, side, side)
        Without noise.
    centres_px : (n, 2)
        (x, y), y up.
    radius_px : float
    """
    masks = circle_masks(images.shape[-1], centres_px, radius_px)
    return float(np.mean([np.var(image[mask]) for image, mask in zip(images, masks, strict=True)]))


def add_noise(images: Float32Array, indices: IntArray, noise_std: float, seed: int) -> Float32Array:
    """Return the images with white Gaussian noise that depends on (seed, index of the image) only.

    Parameters
    ----------
    images : (n, side, side)
    indices : (n,)
        Of the images in their set.
    noise_std : float
        Zero returns the images as they are.
    seed : int
    """
    if noise_std == 0.0:
        return images
    noisy = np.empty_like(images)
    for row, index in enumerate(indices.tolist()):
        stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
        noise = stream.standard_normal(images.shape[1:], dtype=np.float32)
        noisy[row] = images[row] + np.float32(noise_std) * noise
    return noisy
