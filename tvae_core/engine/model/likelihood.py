"""log p(y | y_hat): how raw generator outputs are read as distributions of pixels.

Shapes: B poses, P pixels, C channels.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

from tvae_core.config import ModelConfig


def log_likelihood(raw: Tensor, pixels: Tensor, model: ModelConfig) -> Tensor:
    """Return log p(y | raw) of each pixel summed over channels, (B, P), nats (equation 1).

    Parameters
    ----------
    raw : (B, P, C) or (B, P, 2 C)
        Logits for `bernoulli`, means for `gaussian`, means then log deviations for
        `gaussian-learned`.
    pixels : (B, P, C)
    """
    if model.likelihood == "bernoulli":
        return -F.binary_cross_entropy_with_logits(raw, pixels, reduction="none").sum(-1)
    if model.likelihood == "gaussian":
        return _log_normal(pixels - raw, math.log(model.noise_std)).sum(-1)
    mean, log_std = raw.chunk(2, -1)
    return _log_normal(pixels - mean, log_std.clamp(-7.0, 7.0)).sum(-1)


def expected_pixels(raw: Tensor, model: ModelConfig) -> Tensor:
    """Return the mean of p(y | raw), (B, P, C)."""
    if model.likelihood == "bernoulli":
        return raw.sigmoid()
    return raw if model.likelihood == "gaussian" else raw.chunk(2, -1)[0]


def _log_normal(difference: Tensor, log_std: Tensor | float) -> Tensor:
    if not isinstance(log_std, Tensor):
        log_std = difference.new_full((), log_std)  # made there: a copy would wait for the device
    scaled = difference * (-log_std).exp()
    return -0.5 * scaled.square() - log_std - 0.5 * math.log(2 * math.pi)
