"""Drawing (z, theta, t) from the posterior so that gradients pass (paper section 3.3.1).

Shapes: B batch, S shift cells, R rotations, D content dimensions, M samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tvae_core.engine.model.encoder import wrap
from tvae_core.engine.model.noise import Noise
from tvae_core.engine.model.posterior import Posterior


@dataclass(frozen=True)
class LatentSample:
    """Samples of each image: z (B, M, D), angle_rad (B, M), shift_px (B, M, 2), weight (B, M).

    Weights sum to one over M; the expectation of f is estimated by the weighted sum of f.
    """

    z: Tensor
    angle_rad: Tensor
    shift_px: Tensor
    weight: Tensor


@dataclass(frozen=True)
class CellGeometry:
    """Where cells lie: positions_px (S, 2) and angles (R,) counter-clockwise radians.

    near_angles: q(theta | r) lies about the angle of r; without it (ablation 3) anywhere.
    """

    positions_px: Tensor
    angles: Tensor
    near_angles: bool = True


def gumbel_softmax_sample(
    posterior: Posterior,
    cells: CellGeometry,
    temperature: float,
    samples: int,
    noise: Noise,
) -> LatentSample:
    """Draw soft one-hot cells and average the parameters with them, as the paper does.

    The offset angles are averaged on the circle (an arithmetic mean of 10 and 350 degrees would
    point the wrong way), everything else linearly; where theta may lie anywhere, whole angles are.
    """
    draws = [_soft_sample(posterior, cells, temperature, noise) for _ in range(samples)]
    weight = torch.full_like(draws[0].weight, 1.0 / samples)
    return LatentSample(
        torch.cat([d.z for d in draws], 1),
        torch.cat([d.angle_rad for d in draws], 1),
        torch.cat([d.shift_px for d in draws], 1),
        weight.expand(-1, samples),
    )


def cells_sample(
    posterior: Posterior, cells: CellGeometry, samples: int, noise: Noise
) -> LatentSample:
    """Draw distinct cells and a latent at each; nothing is averaged over cells.

    A sample is always a pose the posterior means, and the likelihoods of several poses of one image
    are compared at every step, which is what leaves the rotation-symmetric plateau early. A system
    of one cell has no others: all samples are drawn at it.
    """
    if posterior.log_q[0].numel() == 1:
        return categorical_sample(posterior, cells, samples, noise)
    chosen, weight = distinct_cells(posterior.log_q.flatten(1), samples, noise)
    rotations = posterior.log_q.shape[2]
    z, angle, shift = _parameters_at(posterior, cells, chosen, rotations, noise)
    return LatentSample(z, angle, shift, weight)


def distinct_cells(log_q: Tensor, samples: int, noise: Noise) -> tuple[Tensor, Tensor]:
    """Draw `samples` distinct cells of q (B, cells) by Gumbel top-k: cells (B, M), weights (B, M).

    The weights q / P(drawn), normalised to one, estimate expectations; the gradient passes through
    q alone. Kool, van Hoof and Welling (2020), "Estimating gradients for discrete random variables
    by sampling without replacement", equation 7 and its normalised form. Where all cells can be
    drawn, all are, with q itself as their weights.
    """
    if samples >= log_q.shape[1]:
        every = torch.arange(log_q.shape[1], device=log_q.device)
        return every.expand_as(log_q), log_q.softmax(1)
    with torch.no_grad():
        perturbed = log_q + noise.gumbel(log_q.shape[1])
        top = perturbed.topk(samples + 1, dim=1)
        chosen, threshold = top.indices[:, :samples], top.values[:, samples:]
        drawn = -torch.expm1(-(log_q.gather(1, chosen) - threshold).clamp(-30, 30).exp())
    log_weight = log_q.gather(1, chosen) - drawn.clamp_min(1e-12).log()
    return chosen, log_weight.softmax(1)


def categorical_sample(
    posterior: Posterior, cells: CellGeometry, samples: int, noise: Noise
) -> LatentSample:
    """Draw `samples` cells from q(t, r | y) itself: the unbiased estimate used for evaluation."""
    rotations = posterior.log_q.shape[2]
    with torch.no_grad():
        below = posterior.log_q.flatten(1).double().exp().cumsum(1)  # (B, S R)
        wanted = noise.uniform(samples).double() * below[:, -1:]
        chosen = torch.searchsorted(below, wanted).clamp_max(below.shape[1] - 1)
    z, angle, shift = _parameters_at(posterior, cells, chosen, rotations, noise)
    return LatentSample(z, angle, shift, torch.full_like(angle, 1.0 / samples))


def log_density(posterior: Posterior, cells: CellGeometry, sample: LatentSample) -> Tensor:
    """Return log q(z, theta, t, cell | y) of each sample, (B, M) nats, in the cell nearest to it.

    A pose may also lie in the tail of another cell, so the log of the whole density is at least
    this; about their own cells the densities are narrow.
    """
    rotations = posterior.log_q.shape[2]
    offset = wrap(sample.angle_rad[..., None] - cells.angles)  # (B, M, R)
    nearest = offset.abs().argmin(2, keepdim=True)
    away = sample.shift_px[:, :, None] - cells.positions_px  # (B, M, S, 2)
    place = away.square().sum(3).argmin(2, keepdim=True)
    chosen = (place * rotations + nearest)[..., 0]
    angle = wrap(offset.gather(2, nearest)[..., 0] - at_cells(posterior.angle_mean, chosen))
    found = at_cells(posterior.log_q, chosen)
    found = found + _log_normal(angle, at_cells(posterior.angle_log_std, chosen))
    z_mean, z_log_std = at_cells(posterior.z_mean, chosen), at_cells(posterior.z_log_std, chosen)
    found = found + _log_normal(sample.z - z_mean, z_log_std).sum(-1)
    if posterior.shift_mean is None or posterior.shift_log_std is None:
        return found
    shift = away.gather(2, place[..., None].expand(-1, -1, -1, 2))[:, :, 0]
    spread = at_cells(posterior.shift_log_std, chosen)[..., None]
    shift = shift - at_cells(posterior.shift_mean, chosen)
    return found + _log_normal(shift, spread).sum(-1)


def _log_normal(difference: Tensor, log_std: Tensor) -> Tensor:
    scaled = difference * (-log_std).exp()
    return -0.5 * scaled.square() - log_std - 0.5 * math.log(2 * math.pi)


def at_cells(values: Tensor, chosen: Tensor) -> Tensor:
    """Return values (B, S, R, ...) at flat cells `chosen` (B, M) as (B, M, ...)."""
    flat = values.flatten(1, 2)
    index = chosen.reshape(*chosen.shape, *([1] * (flat.ndim - 2)))
    return flat.gather(1, index.expand(*chosen.shape, *flat.shape[2:]))


def _parameters_at(
    posterior: Posterior,
    cells: CellGeometry,
    chosen: Tensor,
    rotations: int,
    noise: Noise,
) -> tuple[Tensor, Tensor, Tensor]:
    z_mean, z_log_std = at_cells(posterior.z_mean, chosen), at_cells(posterior.z_log_std, chosen)
    z = z_mean + z_log_std.exp() * noise.normal(*z_mean.shape[1:])
    angle = at_cells(posterior.angle_mean, chosen)
    angle = angle + at_cells(posterior.angle_log_std, chosen).exp() * noise.normal(*angle.shape[1:])
    angle = angle + cells.angles[chosen % rotations]
    shift = cells.positions_px[chosen // rotations]
    if posterior.shift_mean is not None and posterior.shift_log_std is not None:
        spread = at_cells(posterior.shift_log_std, chosen).exp()[..., None]
        offset = at_cells(posterior.shift_mean, chosen)
        shift = shift + offset + spread * noise.normal(*shift.shape[1:])
    return z, angle, shift


def _soft_sample(
    posterior: Posterior,
    cells: CellGeometry,
    temperature: float,
    noise: Noise,
) -> LatentSample:
    flat = posterior.log_q.flatten(1)
    soft = ((flat + noise.gumbel(flat.shape[1])) / temperature).softmax(1)
    weight = soft.view_as(posterior.log_q)

    def mean(values: Tensor) -> Tensor:
        return torch.einsum("bc,bcd->bd", soft, values.flatten(1, 2).flatten(2))

    z_mean, z_std = mean(posterior.z_mean), mean(posterior.z_log_std.exp())
    z = z_mean + z_std * noise.normal(*z_mean.shape[1:])
    angle_mean = _mean_angle(posterior, cells, weight)
    angle_std = mean(posterior.angle_log_std.exp()[..., None])[:, 0]
    angle = angle_mean + angle_std * noise.normal()
    shift = weight.sum(2) @ cells.positions_px
    if posterior.shift_mean is not None and posterior.shift_log_std is not None:
        shift_std = mean(posterior.shift_log_std.exp()[..., None])
        shift = shift + mean(posterior.shift_mean) + shift_std * noise.normal(2)
    one = torch.ones_like(angle)[:, None]
    return LatentSample(z[:, None], angle[:, None], shift[:, None], one)


def _mean_angle(posterior: Posterior, cells: CellGeometry, weight: Tensor) -> Tensor:
    """Return the angle (B,) averaged over cells with weights (B, S, R)."""
    if not cells.near_angles:
        whole = posterior.angle_mean + cells.angles
        return torch.atan2((weight * whole.sin()).sum((1, 2)), (weight * whole.cos()).sum((1, 2)))
    by_rotation = weight.sum(1)  # (B, R)
    axes = torch.stack([cells.angles.cos(), cells.angles.sin()], -1)
    direction = by_rotation @ axes.to(by_rotation.dtype)
    offset = torch.atan2(direction[:, 1], direction[:, 0] + 1e-12)
    return offset + torch.einsum("bsr,bsr->b", weight, posterior.angle_mean)
