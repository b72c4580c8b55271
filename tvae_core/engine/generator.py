"""The spatial generator: pixel values as a function of content and object coordinates.

Shapes: B poses, P pixels, F Fourier features, D content dimensions, H hidden units, C outputs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

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
        with torch.autocast(points_px.device.type, enabled=False):
            exact = self.frequencies.dtype
            angle, shift = angle_rad.to(exact), shift_px.to(exact)
            cos, sin = angle.cos()[:, None], angle.sin()[:, None]
            wx, wy = self.frequencies[:, 0], self.frequencies[:, 1]
            turned = torch.stack([cos * wx - sin * wy, sin * wx + cos * wy], 1)  # (B, 2, F)
            constant = self.phases - (shift[:, None] @ turned)[:, 0]  # (B, F)
            phase = points_px @ turned  # (B, P, F)
            return phase.add_(constant[:, None]).cos().mul_(math.sqrt(2.0))

    def content_branch(self, coordinates: Tensor, z: Tensor) -> Tensor:
        """Return raw outputs (B, P, C) from a coordinate branch (B or 1, P, H) and z (B, D)."""
        hidden = self.act(coordinates + self.content_layer(z)[:, None])
        for layer in self.shared:
            hidden = self.act(layer(hidden))
        raw: Tensor = self.output(hidden)
        return raw.to(self.frequencies.dtype)

    def forward(self, points_px: Tensor, z: Tensor, angle_rad: Tensor, shift_px: Tensor) -> Tensor:
        """Return raw outputs (B, P, C) of z (B, D) at pose angle (B,), shift (B, 2)."""
        return self.content_branch(self.coordinate_branch(points_px, angle_rad, shift_px), z)
