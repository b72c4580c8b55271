"""The systems TARGET-VAE is compared with (paper tables 1-3), in the form of a `TargetVae`.

A plain VAE has one pose cell at zero, which costs no KL, and a fully-connected decoder. The
spatial-VAE has one cell too, with a Gaussian over the angle and the shift in it. So both are
trained, kept, embedded and decoded by the code of TARGET-VAE.

Shapes: B batch, C channels, H W image, P pixels, D content dimensions.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tvae_core.config import ModelConfig
from tvae_core.engine.model.encoder import bounded, in_full_precision, turn
from tvae_core.engine.model.generator import OUTPUTS, Generator, GridPart, GridTables, activation
from tvae_core.engine.model.posterior import CellParameters, Posterior, Prior, ShiftGrid
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.together.ranks import Ranks

NO_ANGLE_RAD = 1e-6  # the width of "no rotation": prior and posterior alike, so its KL is zero


class OneCell(ShiftGrid):
    """No shift cells: one place, the image centre."""

    @property
    def cells_per_axis(self) -> int:
        """One."""
        return 1

    def positions_px(self) -> Tensor:
        """Return (1, 2) zeros."""
        return torch.zeros(1, 2)


class MlpEncoder(nn.Module):
    """Two fully-connected layers over the pixels, then the parameters of one cell.

    Parameters
    ----------
    model : ModelConfig
    side, channels : int
    poses : bool
        Whether angle and shift are inferred (spatial-VAE), or nothing but z (VAE).
    """

    angles: Tensor
    lifting = None

    def __init__(self, model: ModelConfig, side: int, channels: int, poses: bool) -> None:
        super().__init__()
        hidden, self.z_dim, self.poses = model.mlp_hidden, model.z_dim, poses
        self.first = nn.Linear(channels * side * side, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, 2 * model.z_dim + 5 * poses)
        self.act = activation(model.activation)
        self.register_buffer("angles", torch.zeros(1), persistent=False)

    def hidden_weights(self) -> list[Tensor]:
        """Return the weights between hidden layers."""
        return [self.second.weight]

    def one_bank(self) -> AbstractContextManager[None]:
        """Return a block without a meaning here: there are no filters to expand."""
        return nullcontext()

    def same_lifting(self, ranks: Ranks, trained: bool) -> None:
        """Nothing is lifted here."""

    def features(self, images: Tensor) -> Tensor:
        """Return the features (B, 1, 1, H) of images (B, C, H, W)."""
        hidden: Tensor = self.act(self.second(self.act(self.first(images.flatten(1)))))
        return hidden[:, None, None]

    def log_q(self, features: Tensor, prior: Prior) -> Tensor:
        """Return log q of the one cell, (B, 1, 1) zeros."""
        return torch.zeros_like(features[..., 0], dtype=self.angles.dtype)

    def cells(self, features: Tensor, angles: Tensor, prior: Prior) -> CellParameters:
        """Return what is said of the cell from features (..., H); `angles` are zero here."""
        out = in_full_precision(self.head, features)
        d, zero = self.z_dim, torch.zeros_like(out[..., 0])
        angle_mean, angle_log_std, shift_mean, shift_log_std = zero, zero, None, None
        if self.poses:
            pose = out[..., 2 * d :]
            angle_mean, angle_log_std = pose[..., 0] * prior.angle_std_rad, bounded(pose[..., 1])
            shift_mean = pose[..., 2:4] * prior.shift_std_px
            shift_log_std = bounded(pose[..., 4]) + math.log(prior.shift_std_px)
        return CellParameters(
            angle_mean=angle_mean,
            angle_log_std=angle_log_std + math.log(prior.angle_std_rad),
            z_mean=out[..., :d],
            z_log_std=bounded(out[..., d : 2 * d]),
            shift_mean=shift_mean,
            shift_log_std=shift_log_std,
        )

    def posterior(self, features: Tensor, prior: Prior) -> Posterior:
        """Return the posterior over the cell from features (B, 1, 1, H)."""
        return Posterior(self.log_q(features, prior), *self.cells(features, self.angles, prior))

    def forward(self, images: Tensor, prior: Prior) -> Posterior:
        """Return the posterior of images (B, C, H, W) over one cell."""
        return self.posterior(self.features(images), prior)


class PlainGenerator(Generator):
    """z to the pixels of one grid by two fully-connected layers; between pixels, bilinear.

    It knows nothing of coordinates: asked for another pose or grid, it turns the finished picture.
    In `Generator`'s terms the coordinate branch is where a pixel lies in that picture (H = 2), and
    the content is the picture.
    """

    def __init__(self, model: ModelConfig, side: int, channels: int) -> None:
        nn.Module.__init__(self)
        hidden, self.side = model.mlp_hidden, side
        outputs = channels * OUTPUTS[model.likelihood] * side * side
        self.register_buffer("phases", torch.zeros(1), persistent=False)
        self.content_layer = nn.Sequential(
            nn.Linear(model.z_dim, hidden),
            activation(model.activation),
            nn.Linear(hidden, hidden),
            activation(model.activation),
            nn.Linear(hidden, outputs),
        )

    def hidden_weights(self) -> list[Tensor]:
        """Return the weights between hidden layers."""
        return [self.content_layer[2].get_parameter("weight")]

    @property
    def branch_units(self) -> int:
        """Two: x and y in the picture."""
        return 2

    def coordinate_branch(self, points_px: Tensor, angle_rad: Tensor, shift_px: Tensor) -> Tensor:
        """Return the object points x' = R(-angle)(x - shift) in pixels, (B, P, 2)."""
        return turn(points_px[None] - shift_px[:, None], -angle_rad[:, None])

    def content_branch(self, coordinates: Tensor, z: Tensor) -> Tensor:
        """Return raw outputs (B, P, C) at object points (B or 1, P, 2) of z (B, D)."""
        return self._sampled(coordinates, self.content_layer(z))

    def part_pixels(self, branch_kept: bool = False) -> int:
        """Return how many pixels are drawn between two looks at whether to stop."""
        return 1 << 16

    def grid_branch(self, tables: GridTables, part: GridPart) -> Tensor:
        """Return the object points (P, 2) of a part of a regular grid."""
        rows, columns = part
        x = tables.cos_x[None, columns] + tables.sin_y[rows, None]
        y = tables.cos_y[rows, None] + tables.sin_x[None, columns]
        return torch.stack([x, y], -1).flatten(0, 1)

    def grid_tables(
        self, x_px: Tensor, y_px: Tensor, angle_rad: Tensor, shift_px: Tensor
    ) -> GridTables:
        """Return what columns and rows each add to the object points of a regular grid."""
        cos, sin = angle_rad.cos(), angle_rad.sin()
        x, y = x_px - shift_px[0], y_px - shift_px[1]
        return GridTables(cos * x, -sin * x, cos * y, sin * y)

    def draw_part(self, branch: Tensor, content: Tensor, keep: bool = False) -> Tensor:
        """Return raw outputs (P, C) at object points (P, 2) of a picture; they are kept anyway."""
        return self._sampled(branch[None], content[None])[0]

    @torch.no_grad()
    def draw(
        self, x_px: Tensor, y_px: Tensor, z: Tensor, angle_rad: Tensor, shift_px: Tensor
    ) -> Tensor:
        """Return raw outputs (B, h w, C) on a regular grid."""
        points = torch.cartesian_prod(y_px, x_px).flip(1)
        raw: Tensor = self(points, z, angle_rad, shift_px)
        return raw

    def _sampled(self, points: Tensor, pictures: Tensor) -> Tensor:
        pictures = pictures.to(points.dtype).view(len(pictures), -1, self.side, self.side)
        flip = points.new_tensor([2.0 / self.side, -2.0 / self.side])  # rows count down
        places = (points * flip).expand(len(pictures), -1, 2)[:, :, None]
        drawn = F.grid_sample(pictures, places, padding_mode="border", align_corners=False)
        return drawn[..., 0].transpose(1, 2)  # (B, P, C)


class Vae(TargetVae):
    """The plain VAE, and with a `beta` the beta-VAE [3, 4]: z explains all, pose is not known."""

    def make_grid(self) -> ShiftGrid:
        """Return one cell."""
        return OneCell(self.side, 1, 1.0, 0.0)

    def make_encoder(self, trainable: bool) -> nn.Module:
        """Return the fully-connected encoder."""
        return MlpEncoder(self.model, self.side, self.channels, poses=False)

    def make_generator(self) -> Generator:
        """Return the fully-connected decoder."""
        return PlainGenerator(self.model, self.side, self.channels)

    def make_prior(self) -> Prior:
        """Return the prior of one cell without a rotation."""
        return Prior(torch.zeros(1, 1), NO_ANGLE_RAD)


class SpatialVae(TargetVae):
    """The spatial-VAE [6]: one Gaussian each over theta and t, the spatial generator.

    Its own order: pixels are turned, then shifted, x' = R(-theta) x - t, so that t lies in the
    object's frame; `in_frame` gives where t moves that frame in the image. The prior on theta is
    N(0, pi^2) for `uniform`, that on t N(0, sigma^2); one deviation serves both axes of t.
    """

    def make_grid(self) -> ShiftGrid:
        """Return one cell."""
        return OneCell(self.side, 1, self.model.prior_std_px(self.side), 0.0)

    def make_encoder(self, trainable: bool) -> nn.Module:
        """Return the fully-connected encoder of z, theta and t."""
        return MlpEncoder(self.model, self.side, self.channels, poses=True)

    def make_generator(self) -> Generator:
        """Return the spatial generator, as wide as the encoder."""
        return spatial_generator(self.model, self.channels)

    def make_prior(self) -> Prior:
        """Return the priors on theta and t in the one cell."""
        prior = Prior.of(self.model, self.grid)
        return replace(prior, shift_std_px=self.model.prior_std_px(self.side))

    def in_frame(self, angle_rad: Tensor, shift_px: Tensor) -> Tensor:
        """Return t (..., 2) of the object's frame in the image's frame: R(theta) t."""
        moved = shift_px if self.centre_px is None else shift_px + self.centre_px
        return turn(moved, angle_rad)


def spatial_generator(model: ModelConfig, channels: int) -> Generator:
    """Return TARGET-VAE's generator in the width of a fully-connected encoder."""
    return Generator(model.model_copy(update={"generator_hidden": model.mlp_hidden}), channels)
