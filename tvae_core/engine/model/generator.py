"""The spatial generator: pixel values as a function of content and object coordinates.

Shapes: B poses, P pixels, F Fourier features, D content dimensions, H hidden units, C outputs;
h w a regular grid of pixels.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from tvae_core.config import ModelConfig

OUTPUTS = {"bernoulli": 1, "gaussian": 1, "gaussian-learned": 2}


def activation(name: str) -> nn.Module:
    """Return the non-linearity of that name, in place."""
    return nn.SiLU(inplace=True) if name == "silu" else nn.LeakyReLU(inplace=True)


def content_layers(model: ModelConfig) -> nn.Sequential:
    """Return the fully-connected layers that z passes before it meets the coordinates."""
    hidden = model.generator_hidden
    layers: list[nn.Module] = [nn.Linear(model.z_dim, hidden)]
    for _ in range(model.content_layers - 1):
        layers += [activation(model.activation), nn.Linear(hidden, hidden)]
    return nn.Sequential(*layers)


class _Cosines(torch.autograd.Function):
    """sqrt(2) cos(points @ waves) of points (P, 3) and waves (B, 3, F); no gradient to points.

    Phases are in the waves' precision, cosines and sines in that of the layer that follows: bf16
    under autocast, half the bytes. Backwards only three sums a wave are wanted, so the sign and the
    factor are put on those.
    """

    @staticmethod
    def forward(ctx: Any, points: Tensor, waves: Tensor, dtype: torch.dtype) -> Tensor:
        phase = points @ waves
        ctx.save_for_backward(points, phase)
        out = phase.new_empty(phase.shape, dtype=dtype)
        return torch.cos(phase, out=out).mul_(math.sqrt(2.0))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        points, phase = ctx.saved_tensors
        sine = phase.new_empty(phase.shape, dtype=gradient.dtype)
        sums = points.T.to(sine.dtype) @ torch.sin(phase, out=sine).mul_(gradient)
        return None, sums.to(phase.dtype).mul_(-math.sqrt(2.0)), None


GridPart = tuple[slice, slice]
_PART_MULTIPLY_ADDS = (
    2e8  # 2 to 4 ms on one core or two, so that a newer request soon gets its turn
)


class GridTables(NamedTuple):
    """cos and sin of the phases along x (w, F) and along y (h, F) of one pose."""

    cos_x: Tensor
    sin_x: Tensor
    cos_y: Tensor
    sin_y: Tensor


def grid_parts(height: int, width: int, pixels: int) -> list[GridPart]:
    """Return rows and columns that cut a grid into parts of at most about `pixels` pixels."""
    columns = min(width, max(1, pixels))
    rows = max(1, pixels // width)
    return [
        (slice(top, min(top + rows, height)), slice(left, min(left + columns, width)))
        for top in range(0, height, rows)
        for left in range(0, width, columns)
    ]


class Generator(nn.Module):
    """p(pixel | z, x'): random Fourier features of x' beside z, summed, then shared layers.

    Paper section 3.3.2. Coordinates are pixels of the training images, so any output grid, finer or
    larger, is drawn by asking for other coordinates.
    """

    frequencies: Tensor
    phases: Tensor

    def __init__(self, model: ModelConfig, channels: int) -> None:
        super().__init__()
        features, hidden = model.fourier_features, model.generator_hidden
        self.register_buffer("frequencies", torch.randn(features, 2) / model.fourier_scale_px)
        self.register_buffer("phases", 2 * math.pi * torch.rand(features))
        self.coordinate_layer = nn.Linear(features, hidden)
        self.content_layer = content_layers(model)
        self.shared = nn.ModuleList(
            nn.Linear(hidden, hidden) for _ in range(model.generator_layers - 1)
        )
        self.output = nn.Linear(hidden, channels * OUTPUTS[model.likelihood])
        self.act = activation(model.activation)

    def hidden_weights(self) -> list[Tensor]:
        """Return the weights between hidden layers, the one of the Fourier features among them."""
        linear = [layer for layer in self.content_layer if isinstance(layer, nn.Linear)]
        inner = [layer.weight for layer in linear[1:]]
        shared = [layer.get_parameter("weight") for layer in self.shared]
        return [self.coordinate_layer.weight, *inner, *shared]

    def coordinate_branch(self, points_px: Tensor, angle_rad: Tensor, shift_px: Tensor) -> Tensor:
        """Return the coordinate layer's output, (B, P, H), at x' = R(-angle)(x - shift).

        The frequencies are turned instead of the pixels: w . R(-a)(x - t) = (R(a) w) . (x - t).

        Parameters
        ----------
        points_px : (P, 2)
        angle_rad : (B,)
        shift_px : (B, 2)
        """
        hidden: Tensor = self.coordinate_layer(self._features(points_px, angle_rad, shift_px))
        return hidden

    def _features(self, points_px: Tensor, angle_rad: Tensor, shift_px: Tensor) -> Tensor:
        # in full precision also under autocast: phases reach tens of turns, bf16 has 8 bits
        kind, dtype = points_px.device.type, self.frequencies.dtype
        if torch.is_autocast_enabled(kind):
            dtype = torch.get_autocast_dtype(kind)
        with torch.autocast(kind, enabled=False):
            turned, constant = self._turned(angle_rad, shift_px)
            ones = torch.ones_like(points_px[:, :1])
            waves = torch.cat([turned, constant[:, None]], 1)  # (B, 3, F)
            features: Tensor = _Cosines.apply(  # type: ignore[no-untyped-call]
                torch.cat([points_px, ones], 1), waves, dtype
            )
            return features  # (B, P, F)

    def _turned(self, angle_rad: Tensor, shift_px: Tensor) -> tuple[Tensor, Tensor]:
        """Return the turned frequencies (B, 2, F) and the phases at the image's centre (B, F)."""
        exact = self.frequencies.dtype
        angle, shift = angle_rad.to(exact), shift_px.to(exact)
        cos, sin = angle.cos()[:, None], angle.sin()[:, None]
        wx, wy = self.frequencies[:, 0], self.frequencies[:, 1]
        turned = torch.stack([cos * wx - sin * wy, sin * wx + cos * wy], 1)
        return turned, self.phases - (shift[:, None] @ turned)[:, 0]

    def content_branch(self, coordinates: Tensor, z: Tensor) -> Tensor:
        """Return raw outputs (B, P, C) from a coordinate branch (B or 1, P, H) and z (B, D)."""
        joined = self.act(coordinates + self.content_layer(z)[:, None])
        hidden = joined.flatten(0, 1)  # matrices: in place on a view, autograd copies
        for layer in self.shared:
            hidden = self.act(layer(hidden))
        raw: Tensor = self.output(hidden).unflatten(0, joined.shape[:2])
        return raw.to(self.frequencies.dtype)

    def forward(self, points_px: Tensor, z: Tensor, angle_rad: Tensor, shift_px: Tensor) -> Tensor:
        """Return raw outputs (B, P, C) of z (B, D) at pose angle (B,), shift (B, 2)."""
        return self.content_branch(self.coordinate_branch(points_px, angle_rad, shift_px), z)

    @property
    def branch_units(self) -> int:
        """Numbers a pixel in a coordinate branch, H."""
        return self.coordinate_layer.out_features

    def part_pixels(self, branch_kept: bool = False) -> int:
        """Return how many pixels make a part of a few milliseconds and of little memory.

        `branch_kept`: the coordinate branch is there already.
        """
        hidden = self.coordinate_layer.out_features
        each = hidden * hidden * len(self.shared) + (
            0 if branch_kept else hidden * len(self.phases)
        )
        return max(64, int(_PART_MULTIPLY_ADDS / max(each, 1)))

    def grid_tables(
        self, x_px: Tensor, y_px: Tensor, angle_rad: Tensor, shift_px: Tensor
    ) -> GridTables:
        """Return the tables of one pose on the regular grid of columns x (w,) and rows y (h,).

        Parameters
        ----------
        angle_rad : scalar
        shift_px : (2,)
        """
        turned, constant = self._turned(angle_rad[None], shift_px[None])
        along_x = torch.outer(x_px, turned[0, 0])
        along_y = torch.outer(y_px, turned[0, 1]) + constant
        scale = math.sqrt(2.0)
        return GridTables(
            along_x.cos(), along_x.sin(), along_y.cos().mul_(scale), along_y.sin().mul_(scale)
        )

    def grid_branch(self, tables: GridTables, part: GridPart) -> Tensor:
        """Return the coordinate layer's output (P, H) on a part of a grid, without gradient.

        cos(a + b) = cos a cos b - sin a sin b: h + w cosines a feature instead of h w.
        """
        rows, columns = part
        features = tables.cos_y[rows, None] * tables.cos_x[None, columns]
        features.addcmul_(tables.sin_y[rows, None], tables.sin_x[None, columns], value=-1)
        hidden: Tensor = self.coordinate_layer(features.flatten(0, 1))
        return hidden

    def draw_part(self, branch: Tensor, content: Tensor, keep: bool = False) -> Tensor:
        """Return raw outputs (P, C) of a branch (P, H) and a content vector (H,).

        The branch is overwritten unless it is to be kept.
        """
        hidden = self.act(torch.add(branch, content) if keep else branch.add_(content))
        for layer in self.shared:
            hidden = self.act(layer(hidden))
        raw: Tensor = self.output(hidden)
        return raw

    @torch.no_grad()
    def draw(
        self, x_px: Tensor, y_px: Tensor, z: Tensor, angle_rad: Tensor, shift_px: Tensor
    ) -> Tensor:
        """Return raw outputs (B, h w, C) on a regular grid, part by part; no gradient passes.

        The same values as `forward` on the grid's points to within rounding.
        """
        height, width = len(y_px), len(x_px)
        raw = x_px.new_empty(len(z), height, width, self.output.out_features)
        parts = grid_parts(height, width, self.part_pixels())
        for image, content, angle, shift in zip(
            raw, self.content_layer(z), angle_rad, shift_px, strict=True
        ):
            tables = self.grid_tables(x_px, y_px, angle, shift)
            for part in parts:
                values = self.draw_part(self.grid_branch(tables, part), content)
                image[part] = values.view(image[part].shape)
        return raw.flatten(1, 2)
