"""Small models with weights of every size, so that nothing is tested at a trivial point."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tvae_core.config import ModelConfig
from tvae_core.engine.model.target_vae import TargetVae

SIDE = 17


def small_model(
    side: int = SIDE,
    channels: int = 1,
    seed: int = 0,
    mask: torch.Tensor | None = None,
    **settings: Any,
) -> TargetVae:
    """Return an untrained model with random heads, so that posteriors are far from flat."""
    values: dict[str, Any] = {
        "rotations": 8,
        "z_dim": 2,
        "kernel_px": 11,
        "encoder_kernels": 6,
        "encoder_layers": 1,
        "generator_hidden": 16,
        "generator_layers": 2,
        "fourier_features": 32,
        "fourier_scale_px": 3.0,
        "activation": "silu",
        "shift_prior_std_px": 1.5,
        "shift_limit_sigmas": 2.0,
    }
    torch.manual_seed(seed)
    model = TargetVae(ModelConfig(**(values | settings)), side, channels, mask)
    with torch.no_grad():
        model.encoder.head.weight.mul_(2.0)
        model.encoder.lifting_bias.normal_(0, 0.1)
    return model


def blob_images(count: int = 3, side: int = SIDE, channels: int = 1, seed: int = 0) -> torch.Tensor:
    """Return asymmetric smooth images that vanish at the border, (count, channels, side, side)."""
    rng = np.random.default_rng(seed)
    axis = np.arange(side) - (side - 1) / 2
    y, x = np.meshgrid(-axis, axis, indexing="ij")
    images = np.zeros((count, channels, side, side))
    for image in images:
        for _ in range(4):
            cx, cy = rng.uniform(-side / 7, side / 7, 2)
            width = rng.uniform(1.3, 2.0)
            blob = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * width**2))
            image += rng.uniform(0.3, 1.0, (channels, 1, 1)) * blob
    return torch.tensor(np.clip(images, 0, 1), dtype=torch.float32)
