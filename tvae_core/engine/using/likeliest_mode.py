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
    index, there = _about_the_peak(model.grid.cells_per_axis, log_q)
    rotations, middle = log_q.shape[2], index.shape[1] // 2
    flat = features.flatten(1, 2)  # (B, S R, K)
    near = flat.gather(1, index[..., None].expand(-1, -1, flat.shape[2]))
    geometry = model.cells
    own_turn = geometry.angles[index % rotations]
    at = model.encoder.cells(near, own_turn, model.prior)
    angle = wrap(at.angle_mean + own_turn)  # (B, N)
    turn = wrap(angle - angle[:, middle, None])
    log_weight = log_q.flatten(1).gather(1, index)
    peak = log_weight[:, middle].exp()
    together = there & (turn.abs() <= _TURN_RAD)
    weight = log_weight.masked_fill(~together, -torch.inf).softmax(1)[..., None]  # (B, N, 1)
    z, z_std = _moments(weight, at.z_mean, at.z_log_std.exp())
    mean_turn, angle_std = _moments(weight, turn[..., None], at.angle_log_std.exp()[..., None])
    shift = geometry.positions_px[index // rotations]
    spread = shift.new_full((1, 1, 1), model.grid.pitch * 12**-0.5)  # a cell: uniform on its side
    if at.shift_mean is not None and at.shift_log_std is not None:
        shift, spread = shift + at.shift_mean, at.shift_log_std.exp()[..., None]
    mean_shift, shift_std = _moments(weight, shift, spread)
    mean_angle = wrap(angle[:, middle] + mean_turn[:, 0])
    return {
        "z_mean": z,
        "z_std": z_std,
        "angle_rad": mean_angle,
        "angle_std_rad": angle_std[:, 0],
        "shift_px": model.placed(mean_angle, mean_shift, z),
        "shift_std_px": shift_std,
        "peak": peak,
    }


def _about_the_peak(side: int, log_q: Tensor) -> tuple[Tensor, Tensor]:
    """Return the flat cells (B, N) about each likeliest one, it in the middle; which are there."""
    rotations = log_q.shape[2]
    steps = min(max(1, rotations // 8), (rotations - 1) // 2)
    reach = torch.arange(-_REACH, _REACH + 1, device=log_q.device)
    turns = torch.arange(-steps, steps + 1, device=log_q.device)
    down, right, turn = (t.flatten() for t in torch.meshgrid(reach, reach, turns, indexing="ij"))
    peak = log_q.flatten(1).argmax(1)[:, None]
    row, column = peak // rotations // side + down, peak // rotations % side + right
    there = (row >= 0) & (row < side) & (column >= 0) & (column < side)
    place = row.clamp(0, side - 1) * side + column.clamp(0, side - 1)
    return place * rotations + (peak % rotations + turn) % rotations, there


def _moments(weight: Tensor, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation (B, d) of a mixture of weights (B, N, 1) of (B, N, d) each."""
    whole = (weight * mean).sum(1)
    variance = (weight * ((mean - whole[:, None]).square() + std.square())).sum(1)
    return whole, variance.sqrt()
