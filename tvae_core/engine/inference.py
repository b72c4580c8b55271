"""Deterministic inference: the most likely cell, its content, rotation and shift, and their spread.

Shapes: B batch, C channels, H W image, S cells, R rotations, D content dimensions, P pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tvae_core.engine.device import mixed_precision
from tvae_core.engine.likelihood import expected_pixels, log_likelihood
from tvae_core.engine.posterior import Posterior, entropy, kl_terms
from tvae_core.engine.sampling import at_cells
from tvae_core.engine.target_vae import TargetVae


@dataclass(frozen=True)
class Inferred:
    """What is inferred of each image, on the CPU, float32.

    z_mean, z_std (B, D); angle_rad in [-pi, pi), angle_std_rad (B,); shift_px, shift_std_px (B, 2);
    peak, entropy (B,); rotation (B, R) = q(r | y); reconstruction (B, C, H, W);
    reconstruction_error (B,) mean squared difference a pixel; elbo (B,) nats at the means.
    """

    z_mean: Tensor
    z_std: Tensor
    angle_rad: Tensor
    angle_std_rad: Tensor
    shift_px: Tensor
    shift_std_px: Tensor
    peak: Tensor
    entropy: Tensor
    rotation: Tensor
    reconstruction: Tensor
    reconstruction_error: Tensor
    elbo: Tensor


def wrap(angle: Tensor) -> Tensor:
    """Return the same angles in [-pi, pi)."""
    return torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi


@torch.no_grad()
def infer(model: TargetVae, images: Tensor) -> Inferred:
    """Return what the model infers of images (B, C, H, W)."""
    device = model.points_px.device
    images = images.to(device)
    with mixed_precision(device):
        posterior = model.infer(images)
    latents = most_likely(model, posterior)
    z, angle, shift = latents["z_mean"], latents["angle_rad"], latents["shift_px"]
    with mixed_precision(device):
        raw = model.generator(model.points_px, z, angle, shift).float()  # (B, P, C)
    pixels = images.flatten(2).transpose(1, 2)
    expected = expected_pixels(raw, model.model)
    difference = (pixels - expected)[:, model.compared]
    log_p = log_likelihood(raw, pixels, model.model)[:, model.compared].sum(1)
    found = {
        **latents,
        "entropy": entropy(posterior.log_q),
        "rotation": posterior.log_q.exp().sum(1),
        "reconstruction": expected.transpose(1, 2).reshape(images.shape),
        "reconstruction_error": difference.square().mean((1, 2)),
        "elbo": log_p - kl_terms(posterior, model.prior).total,
    }
    return Inferred(**{name: value.float().cpu() for name, value in found.items()})


def most_likely(model: TargetVae, posterior: Posterior) -> dict[str, Tensor]:
    """Return z, angle and shift with their spreads at each image's most likely cell."""
    rotations = posterior.log_q.shape[2]
    peak, cell = posterior.log_q.flatten(1).max(1)
    chosen = cell[:, None]

    def here(values: Tensor) -> Tensor:
        return at_cells(values, chosen)[:, 0].float()

    cells = model.cells
    shift = cells.positions_px[cell // rotations]
    spread = torch.full_like(shift, 12**-0.5)  # a whole cell: uniform over one pixel
    if posterior.shift_mean is not None and posterior.shift_log_std is not None:
        shift = shift + here(posterior.shift_mean)
        spread = here(posterior.shift_log_std).exp()[:, None].expand(-1, 2)
    angle = wrap(here(posterior.angle_mean) + cells.angles[cell % rotations])
    return {
        "z_mean": here(posterior.z_mean),
        "z_std": here(posterior.z_log_std).exp(),
        "angle_rad": angle,
        "angle_std_rad": here(posterior.angle_log_std).exp(),
        "shift_px": model.placed(angle, shift),
        "shift_std_px": spread,
        "peak": peak.exp(),
    }
