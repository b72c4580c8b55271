"""The posterior q(z, theta, t, r | y) and its priors (paper section 3.2, equations 3-5).

Shapes: B batch, S shift cells, R rotations, D content dimensions, M samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tvae_core.config import ModelConfig
from tvae_core.errors import ConfigError
from tvae_core.geometry import axis_px, group_angles, shift_cells_per_axis

SUBPIXEL_PRIOR_STD_PX = 0.5


@dataclass(frozen=True)
class ShiftGrid:
    """The shift cells: places on a grid about the image's centre, within the prior's reach.

    A turn by 90 degrees maps the grid to itself. At pitch 1 and 3 the cells are pixel centres, at
    pitch 2 too where the side is odd; where it is even they are corners of pixels, and the kernel
    is even.

    Parameters
    ----------
    side : int
        Side of the image in pixels.
    kernel : int
        Side of the lifting kernel.
    prior_std_px, limit_sigmas : float
        Cells beyond `limit_sigmas * prior_std_px` in x or y are left out; 0 keeps all.
    pitch : int
        Pixels from one cell to the next.
    """

    side: int
    kernel: int
    prior_std_px: float
    limit_sigmas: float
    pitch: int = 1

    @property
    def cells_per_axis(self) -> int:
        """Number of cells along x and along y."""
        reach = self.limit_sigmas * self.prior_std_px
        return shift_cells_per_axis(self.side, self.kernel, reach, self.pitch)

    @property
    def padding(self) -> int:
        """Padding that makes the convolution's output exactly the cells; negative crops."""
        return (self.kernel - self.side + self.pitch * (self.cells_per_axis - 1)) // 2

    def positions_px(self) -> Tensor:
        """Return (S, 2) cell centres (x, y) in pixels, y up, row by row from the top."""
        axis = self.pitch * axis_px(self.cells_per_axis)
        y, x = np.meshgrid(-axis, axis, indexing="ij")
        return torch.tensor(np.stack([x.ravel(), y.ravel()], 1), dtype=torch.float32)


@dataclass(frozen=True)
class Prior:
    """The priors of section 3.2: log p(t) + log p(r), (S, R), and the widths given a cell."""

    log_cell: Tensor
    angle_std_rad: float
    shift_std_px: float = SUBPIXEL_PRIOR_STD_PX

    def narrowed(self, weight: float) -> Prior:
        """Return the priors with log p(r) times `weight`: a normal of deviation / sqrt(weight)."""
        log_t = self.log_cell.logsumexp(1, keepdim=True)
        log_r = self.log_cell.logsumexp(0, keepdim=True)
        return replace(self, log_cell=log_t + (weight * log_r).log_softmax(1))

    @classmethod
    def of(cls, model: ModelConfig, grid: ShiftGrid) -> Prior:
        """Return the discretised priors of a model on its cells, each summing to one.

        The deviation of the shift within a cell grows with the pitch p, 0.5 p; that of the cells
        shrinks, to sigma^2 - (p^2 - 1) / 4, so that the prior on the whole shift stays.

        Raises
        ------
        ConfigError
            The pitch is too coarse for the prior.
        """
        within = SUBPIXEL_PRIOR_STD_PX * grid.pitch
        variance = grid.prior_std_px**2 + SUBPIXEL_PRIOR_STD_PX**2 - within**2
        if variance <= 0:  # `ModelConfig.pitch_fits`
            raise ConfigError(
                f"shift cells {grid.pitch} px apart are too coarse for a prior on shift of "
                f"{grid.prior_std_px:g} px", "model.shift_pitch_px",
                "set model.shift_pitch_px=1",
            )  # fmt: skip
        log_t = -grid.positions_px().square().sum(1) / (2 * variance)
        angles = torch.tensor(group_angles(model.rotation_cells), dtype=torch.float32)
        log_r = torch.zeros_like(angles)
        if model.rotation_prior == "normal":
            log_r = -angles.square() / (2 * model.rotation_prior_std_rad**2)
        log_cell = log_t.log_softmax(0)[:, None] + log_r.log_softmax(0)[None]
        if len(angles) == 1 and model.rotation_prior == "normal":
            return cls(log_cell, model.rotation_prior_std_rad, within)
        return cls(log_cell, math.pi / len(angles), within)


class CellParameters(NamedTuple):
    """What is said of each cell, of any leading shape, under the names of `Posterior`."""

    angle_mean: Tensor
    angle_log_std: Tensor
    z_mean: Tensor
    z_log_std: Tensor
    shift_mean: Tensor | None
    shift_log_std: Tensor | None


@dataclass(frozen=True)
class Posterior:
    """The approximate posterior of a batch.

    log_q (B, S, R); angle_mean without its offset, angle_log_std (B, S, R), radians;
    z_mean, z_log_std (B, S, R, D); shift_mean (B, S, R, 2), shift_log_std (B, S, R), pixels within
    the cell in the image's frame, or None when shifts are whole cells.
    """

    log_q: Tensor
    angle_mean: Tensor
    angle_log_std: Tensor
    z_mean: Tensor
    z_log_std: Tensor
    shift_mean: Tensor | None
    shift_log_std: Tensor | None


@dataclass(frozen=True)
class KlTerms:
    """The terms of equation 5 of each image, (B,) nats."""

    pose: Tensor
    angle: Tensor
    shift: Tensor
    content: Tensor

    @property
    def total(self) -> Tensor:
        """Their sum, (B,)."""
        return self.pose + self.angle + self.shift + self.content


def kl_normal(mean: Tensor, log_std: Tensor, prior_std: float) -> Tensor:
    """Return KL(N(mean, std^2) || N(0, prior_std^2)) elementwise, nats."""
    ratio = (2 * (log_std - math.log(prior_std))).exp()
    return 0.5 * (ratio + (mean / prior_std).square() - 1.0) - log_std + math.log(prior_std)


def kl_terms(posterior: Posterior, prior: Prior) -> KlTerms:
    """Return KL_{t,r} and the q-weighted KL_theta, KL_delta and KL_z (equation 5)."""
    q = posterior.log_q.exp()
    pose = (q * (posterior.log_q - prior.log_cell)).sum((1, 2))
    kl_angle = kl_normal(posterior.angle_mean, posterior.angle_log_std, prior.angle_std_rad)
    kl_z = kl_normal(posterior.z_mean, posterior.z_log_std, 1.0).sum(-1)
    shift = torch.zeros_like(pose)
    if posterior.shift_mean is not None and posterior.shift_log_std is not None:
        log_std = posterior.shift_log_std[..., None]
        kl_shift = kl_normal(posterior.shift_mean, log_std, prior.shift_std_px).sum(-1)
        shift = (q * kl_shift).sum((1, 2))
    return KlTerms(pose, (q * kl_angle).sum((1, 2)), shift, (q * kl_z).sum((1, 2)))


def entropy(log_q: Tensor) -> Tensor:
    """Return the entropy of q(t, r | y), (B,), nats."""
    return -(log_q.exp() * log_q).sum((1, 2))
