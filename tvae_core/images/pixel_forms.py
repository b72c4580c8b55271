"""In which pixel type prepared images are kept on disk, and what its rounding costs in nats.

Bytes hold values from 0 to 1, in steps of 1/255; those of 8-bit images at full scale, exactly.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tvae_core.config import DataConfig

FloatImages = NDArray[np.float32]
Form = Literal["uint8", "float16", "float32"]
FORMS: tuple[Form, ...] = ("uint8", "float16", "float32")  # the smallest first
LARGEST_LOSS = 0.1  # nats an image
_FULL = np.float32(255)
_LARGEST_HALF = np.float32(65504)
_SURE = 0.02  # a Bernoulli model is never surer of a pixel than this
_LEAST_NOISE = 1e-6


def packed(images: FloatImages, form: Form) -> NDArray[Any]:
    """Return images as they are kept in a form; values beyond its range take its end."""
    if form == "uint8":
        steps: FloatImages = np.rint(np.clip(images, 0, 1) * _FULL)
        return steps.astype(np.uint8)
    if form == "float16":
        return np.clip(images, -_LARGEST_HALF, _LARGEST_HALF).astype(np.float16)
    return images


def unpacked(kept: NDArray[Any]) -> FloatImages:
    """Return kept images as float32."""
    if kept.dtype == np.uint8:
        return np.asarray(kept.astype(np.float32) / _FULL)
    return np.asarray(kept, np.float32)


def rounded(images: FloatImages, form: Form) -> FloatImages:
    """Return images as they come back from a form: the same whether they were kept or not."""
    return images if form == "float32" else unpacked(packed(images, form))


def loss_nats(images: FloatImages, form: Form) -> float:
    """Return how far the rounding of a form moves the log-likelihood of an image, in nats.

    The larger of two measures. Gaussian likelihood: half the squared rounding error in units of the
    pixels' noise, or how far it moves the likelihood around the mean image where that is more; the
    noise is that from pixel to pixel, at most 1. Bernoulli likelihood, where all values lie from 0
    to 1: the error times the logit of the value that a perfect model draws.

    Parameters
    ----------
    images : (n, C, H, W) float32
        Some of the set, as the model sees them.
    """
    exact = images.astype(np.float64)
    error = rounded(images, form).astype(np.float64) - exact
    if not error.any():
        return 0.0
    noise = min(1.0, max(_LEAST_NOISE, _noise_variance(exact)))
    axes = (1, 2, 3)
    spread = float(np.square(error).sum(axes).mean()) / (2 * noise)
    around = exact - exact.mean(0)
    moved = abs(float((2 * around * error + error**2).sum(axes).mean())) / (2 * noise)
    found = max(spread, moved)
    if exact.min() >= 0 and exact.max() <= 1:
        sure = np.clip(exact, _SURE, 1 - _SURE)
        logit = np.log(sure / (1 - sure))
        found = max(found, float(np.abs((error * logit).sum(axes)).mean()))
    return found


def _noise_variance(images: NDArray[np.float64]) -> float:
    """Return the variance of noise from pixel to pixel: the median over images."""
    if min(images.shape[2:]) < 2:
        return float(images.var())
    crossed = images[..., :-1, :-1] + images[..., 1:, 1:]
    crossed = (crossed - images[..., 1:, :-1] - images[..., :-1, 1:]) / 2
    return float(np.median(np.square(crossed).mean((1, 2, 3))))


def choose_form(images: FloatImages, config: DataConfig) -> tuple[Form, float]:
    """Return the smallest form whose measured loss is below 0.1 nat an image, and that loss."""
    for form in FORMS:
        if form == "uint8" and config.normalise != "unit":
            continue
        if (loss := loss_nats(images, form)) < LARGEST_LOSS:
            return form, loss
    return "float32", 0.0
