"""The group-equivariant encoder: image to posterior (paper section 3.3.1).

Shapes: B batch, C channels, S shift cells, R rotations, K kernels, D content dimensions.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from tvae_core.config import ModelConfig
from tvae_core.engine.device import full_precision
from tvae_core.engine.lifting.fourier_conv import FourierPlan
from tvae_core.engine.lifting.plain_conv import lifting_layer
from tvae_core.engine.model.generator import activation
from tvae_core.engine.model.group_linear import GroupLinear
from tvae_core.engine.model.posterior import CellParameters, Posterior, Prior, ShiftGrid
from tvae_core.engine.together.ranks import Ranks
from tvae_core.geometry import group_angles

LOG_STD_BOUND = 4.0
_ROWS_BYTES = 1 << 20  # of a core's cache, for rows that pass all layers before the next are taken


class Encoder(nn.Module):
    """Lifting convolution, 1x1 group convolutions, one fused head.

    The 1x1 layers act on each rotation alike and so are matrix products over kernels. The head
    gives per cell (t, r) one logit, mean and log deviation of the angle offset, of z, and of the
    shift within the cell. That shift is predicted in the frame of the turned kernel and turned into
    the image's frame, so that it follows when the image turns.
    """

    angles: Tensor

    def __init__(
        self, model: ModelConfig, channels: int, grid: ShiftGrid, trainable: bool = True
    ) -> None:
        super().__init__()
        self.model = model
        self.grid = grid
        kernels = model.encoder_kernels
        self.lifting = lifting_layer(model, channels, grid.kernel, trainable)
        self.lifting_bias = nn.Parameter(torch.zeros(kernels))
        self.layers = nn.ModuleList(
            GroupLinear(kernels, model.rotations if model.group_conv else 1, model.rotation_mixing)
            for _ in range(model.encoder_layers)
        )
        self.head = nn.Linear(kernels, 3 + 2 * model.z_dim + 3 * model.subpixel_shift)
        self.act = activation(model.activation)
        mixed = model.group_conv and not model.rotation_inference
        self.mix = nn.Linear(model.rotations, 1) if mixed else None
        angles = torch.tensor(group_angles(model.rotation_cells), dtype=torch.float32)
        self.register_buffer("angles", angles, persistent=False)

    def features(self, images: Tensor) -> Tensor:
        """Return the equivariant features (B, S, R, K) of images (B, C, H, W).

        The mean of each image's border is taken off first, so that the zero padding continues the
        background.
        """
        return self.features_of(self._lifted(images - border_mean(images)))

    def _lifted(self, images: Tensor) -> Tensor:
        lifted: Tensor = self.lifting(images, self.grid.padding, self.grid.pitch)
        return lifted

    def features_of(self, lifted: Tensor) -> Tensor:
        """Return the features (B, S, R, K) of what the lifting layer gave, (B, h, w, R, K).

        `lifted` is overwritten.
        """
        if torch.is_grad_enabled():
            # in place on whole matrices: done to a view, autograd copies it (`test_step.py` counts)
            hidden: Tensor = self._layers(self.act(lifted.add_(self.lifting_bias)).flatten(0, -2))
        else:
            hidden = lifted.flatten(0, -2)
            for rows in torch.split(hidden, self._rows_at_once(hidden)):
                rows.copy_(self._layers(self.act(rows.add_(self.lifting_bias))))
        features = hidden.view(len(lifted), -1, *lifted.shape[-2:])  # (B, S, R, K)
        if self.mix is not None:
            features = self.mix(features.transpose(2, 3)).transpose(2, 3)  # (B, S, 1, K)
        return features

    def attention(self, features: Tensor) -> Tensor:
        """Return a(y), (B, S, R), from features (B, S, R, K): the logits without the prior."""
        with full_precision(features.device):
            logits: Tensor = features.to(self.angles.dtype) @ self.head.weight[0]
            return logits + self.head.bias[0]

    def _layers(self, hidden: Tensor) -> Tensor:
        for layer in self.layers:
            hidden = self.act(layer(hidden))
        return hidden

    def _rows_at_once(self, hidden: Tensor) -> int:
        """Return how many rows stay in a core's cache, whole groups of R; on a GPU all."""
        if hidden.device.type != "cpu":
            return len(hidden)
        rows = max(256, _ROWS_BYTES // (4 * hidden.shape[1]))
        return -(-rows // self.model.rotations) * self.model.rotations

    def hidden_weights(self) -> list[Tensor]:
        """Return the weights between hidden layers, the filters among them."""
        filters = [] if self.lifting.weights is None else [self.lifting.weights]
        return [*filters, *(layer.get_parameter("weight") for layer in self.layers)]

    def one_bank(self) -> AbstractContextManager[None]:
        """Return a block within which the filters are expanded once (`LiftingConv.one_bank`)."""
        return self.lifting.one_bank(self.grid.side, self.grid.padding, self.grid.pitch)

    def same_lifting(self, ranks: Ranks, trained: bool) -> None:
        """Let all ranks of a run lift images in the way that rank 0 measures to be faster."""
        if ranks.size > 1:
            grid, kernel = self.grid, self.lifting.shape[-1]
            plan = FourierPlan(grid.side, kernel, grid.padding, grid.pitch)
            method = self.lifting.choose_method(plan, trained) if ranks.is_first else ""
            self.lifting.method = ranks.told(method)

    def log_q(self, features: Tensor, prior: Prior) -> Tensor:
        """Return log q(t, r | y), (B, S, R), from features (B, S, R, K)."""
        return _normalised(self.attention(features) + prior.log_cell)

    def cells(self, features: Tensor, angles: Tensor, prior: Prior) -> CellParameters:
        """Return what the heads say of cells whose features are (..., K) and angles (...)."""
        return self._read(in_full_precision(self.head, features), angles, prior)

    def posterior(self, features: Tensor, prior: Prior) -> Posterior:
        """Return the posterior over all cells from features (B, S, R, K)."""
        out = in_full_precision(self.head, features)
        log_q = _normalised(out[..., 0] + prior.log_cell)
        return Posterior(log_q, *self._read(out, self.angles, prior))

    def _read(self, out: Tensor, angles: Tensor, prior: Prior) -> CellParameters:
        model, d = self.model, self.model.z_dim
        shift_mean, shift_log_std = None, None
        if model.subpixel_shift:
            local = out[..., 3 + 2 * d : 5 + 2 * d] * prior.shift_std_px
            shift_mean = turn(local, angles)
            shift_log_std = bounded(out[..., 5 + 2 * d]) + math.log(prior.shift_std_px)
        return CellParameters(
            angle_mean=self.within_component(out[..., 1] * prior.angle_std_rad, angles),
            angle_log_std=bounded(out[..., 2]) + math.log(prior.angle_std_rad),
            z_mean=out[..., 3 : 3 + d],
            z_log_std=bounded(out[..., 3 + d : 3 + 2 * d]),
            shift_mean=shift_mean,
            shift_log_std=shift_log_std,
        )

    def within_component(self, angle: Tensor, offset: Tensor) -> Tensor:
        """Return angles as the posterior holds them, counted from each rotation's own `offset`.

        Without `rotation_offset` (ablation 3) the network's angle is the whole angle, and p(theta |
        r) stays where the paper puts it, at r 2 pi / R.
        """
        if self.model.rotation_offset:
            return angle
        return wrap(angle - offset)

    def forward(self, images: Tensor, prior: Prior) -> Posterior:
        """Return the posterior of images (B, C, H, W)."""
        return self.posterior(self.features(images), prior)


def in_full_precision(layer: nn.Linear, features: Tensor) -> Tensor:
    """Return what a layer gives of features, in the weights' precision also under autocast.

    A logit of bf16 has 8 bits: cells of equal weight would differ by as much as their prior does.
    """
    with full_precision(features.device):
        out: Tensor = layer(features.to(layer.weight.dtype))
        return out


def _normalised(logits: Tensor) -> Tensor:
    return logits.flatten(1).log_softmax(1).view_as(logits)


def bounded(log_std: Tensor) -> Tensor:
    """Return log deviations, relative to the prior's, bent smoothly into (-4, 4).

    A cell that q has given up may otherwise drift to an infinite KL, and 0 times infinity is NaN.
    """
    return LOG_STD_BOUND * torch.tanh(log_std / LOG_STD_BOUND)


def border_mean(images: Tensor) -> Tensor:
    """Return the mean of each image's outermost pixels, (B, C, 1, 1)."""
    last = max(1, images.shape[-1] - 1)  # by a stride: a list of indices would go to the GPU
    rows = images[..., ::last, :].mean((-2, -1), keepdim=True)
    columns = images[..., ::last].mean((-2, -1), keepdim=True)
    return 0.5 * (rows + columns)


def wrap(angle: Tensor) -> Tensor:
    """Return the same angles in [-pi, pi)."""
    return torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi


def turn(vectors: Tensor, angles: Tensor) -> Tensor:
    """Return vectors (..., R, 2) turned counter-clockwise by angles (R,) or (..., R)."""
    cos, sin = angles.cos(), angles.sin()
    x, y = vectors[..., 0], vectors[..., 1]
    return torch.stack([cos * x - sin * y, sin * x + cos * y], -1)
