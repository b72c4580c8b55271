"""An object's energy over the noise, against images whose object and noise are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tvae_core.analysis.signal_to_noise import NOISY, signal_to_noise
from tvae_core.images.fourier import fourier_crop

SIDE, NOISE, LEVEL = 20, 0.5, 0.7


def seen(number: int, noise: float, side: int = SIDE) -> NDArray[np.float32]:
    """Return images (number, side, side) of a spot that moves a little, in white noise."""
    rng = np.random.default_rng(0)
    axis = (np.arange(side) - (side - 1) / 2) * SIDE / side
    x, y = rng.normal(0, 0.8, (2, number, 1, 1))
    spot = 2 * np.exp(-((axis - x) ** 2 + (axis[:, None] - y) ** 2) / 8)
    images = LEVEL + spot + noise * rng.normal(size=spot.shape)
    return np.asarray(images, np.float32)


def test_signal_to_noise_of_known_images() -> None:
    images = seen(400, NOISE)
    pure = seen(400, 0.0) - LEVEL
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    centre = np.hypot(axis[:, None], axis[None]) <= 0.32 * SIDE
    expected = np.square(pure[:, centre]).sum(1).mean() / NOISE**2
    assert signal_to_noise(images) == pytest.approx(
        expected, rel=0.1
    )  # the object's tails are behind, too
    noise = np.random.default_rng(0).normal(size=(400, SIDE, SIDE)).astype(np.float32)
    assert signal_to_noise(noise) == pytest.approx(0, abs=3)
    # a background that slopes another way in each image varies as much, and is no noise
    slopes = np.random.default_rng(1).normal(size=(400, 1, 1)).astype(np.float32) * axis / SIDE
    sloping = seen(400, 0.01) + np.asarray(slopes, np.float32)
    assert signal_to_noise(sloping) > 30 * signal_to_noise(images)


def test_it_is_the_same_at_coarser_pixels() -> None:
    fine = seen(400, 2.0, 40)
    # a tenth of the noise goes with the unpaired frequency, and 400 images give 3 %
    assert signal_to_noise(fourier_crop(fine, 20)) == pytest.approx(signal_to_noise(fine), rel=0.2)
    assert signal_to_noise(fine) < NOISY
