"""The likeliest mode of q(t, r | y): the means over the cells about its highest peak.

Where noise is strong an image is told from its neighbours by less than a cell: the likeliest cell
is then one of several that say nearly the same, and their mean errs less than any of them. Modes
far apart, an object upside down, are not averaged: content and pose are those of one reading of the
image.

Shapes: B batch, S cells, R rotations, K kernels, N cells of a mode, D content dimensions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tvae_core.engine.model.encoder import wrap
from tvae_core.engine.model.target_vae import TargetVae

_REACH = 2  # cells each way
_TURN_RAD = math.pi / 4


@torch.no_grad()
def likeliest_mode(model: TargetVae, features: Tensor, log_q: Tensor) -> dict[str, Tensor]:
    """Return z, angle and shift with their spreads over each image's likeliest mode.

    The mode are the cells at most two along x and y from the likeliest whose angles differ from its
    own by at most 45 degrees, each with its share of q. `peak` is q of the likeliest cell.

    Parameters
    ----------
    features : (B, S, R, K)
    log_q : (B, S, R)
    """
    peak, place, turn, beyond = _about_the_peak(model.grid.cells_per_axis, log_q)
    rotations, middle = log_q.shape[2], place.shape[1] // 2
    index = place * rotations + turn
    flat = features.flatten(1, 2)  # (B, S R, K)
    near = flat.gather(1, index[..., None].expand(-1, -1, flat.shape[2]))
    geometry = model.cells
    own_turn = geometry.angles[turn]
    at = model.encoder.cells(near, own_turn, model.prior)
    angle = at.angle_mean + own_turn  # (B, N)
    away = wrap(angle - angle[:, middle, None])
    log_weight = log_q.flatten(1).gather(1, index)
    apart = beyond | (away.abs() > _TURN_RAD)
    weight = log_weight.masked_fill(apart, -torch.inf).softmax(1)[:, None]  # (B, 1, N)
    shift = geometry.positions_px[place]
    # a whole cell: uniform on its side
    shift_log_std = torch.full_like(away, math.log(model.grid.pitch * 12**-0.5))
    if at.shift_mean is not None and at.shift_log_std is not None:
        shift, shift_log_std = shift + at.shift_mean, at.shift_log_std
    log_std = [at.z_log_std, at.angle_log_std[..., None], shift_log_std[..., None].expand_as(shift)]
    mean, std = _moments(weight, torch.cat([at.z_mean, away[..., None], shift], 2),
                         torch.cat(log_std, 2))  # fmt: skip
    z, step, mean_shift = mean.tensor_split((-3, -2), 1)
    z_std, angle_std, shift_std = std.tensor_split((-3, -2), 1)
    mean_angle = wrap(angle[:, middle] + step[:, 0])
    return {
        "z_mean": z,
        "z_std": z_std,
        "angle_rad": model.turned(mean_angle, z),
        "angle_std_rad": angle_std[:, 0],
        "shift_px": model.placed(mean_angle, mean_shift, z),
        "shift_std_px": shift_std,
        "peak": peak,
    }


def _about_the_peak(side: int, log_q: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return q of each likeliest cell (B,), and the cells about it, it in the middle, (B, N) each.

    Of each its place, its rotation and whether it lies beyond the border, where there is none.
    """
    rotations = log_q.shape[2]
    peak, cell = log_q.flatten(1).max(1, keepdim=True)
    step, turn = _steps(rotations, log_q.device)
    place = cell // rotations
    wanted = torch.stack([place // side, place % side], 2) + step  # (B, N, 2): row, column
    inside = wanted.clamp(0, side - 1)
    beyond = (wanted != inside).any(2)
    turned = (cell % rotations + turn) % rotations
    return peak[:, 0].exp(), inside[..., 0] * side + inside[..., 1], turned, beyond


def _steps(rotations: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return how far the cells of a mode lie from its peak: down and right (N, 2), turned (N,)."""
    most = min(max(1, rotations // 8), (rotations - 1) // 2)
    across, turns = 2 * _REACH + 1, 2 * most + 1
    number = torch.arange(across * across * turns, device=device)
    step = torch.stack([number // (across * turns), number // turns % across], 1)
    return step - _REACH, number % turns - most


def _moments(weight: Tensor, mean: Tensor, log_std: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation (B, d) of a mixture of weights (B, 1, N) of (B, N, d) each."""
    whole = weight @ mean
    variance = weight @ ((mean - whole).square() + (2 * log_std).exp())
    return whole[:, 0], variance[:, 0].sqrt()
