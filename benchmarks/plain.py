"""The baseline of the speed benchmarks: the paper's mathematics written down plainly.

Kernels turned by grid_sample at every call, conv2d over all cells, 1x1x1 convolutions, three heads,
one soft sample, all pixels, everything allocated afresh. The loss is that of
`tvae_core.engine.model.target_vae` with the settings of the `paper-*` presets.

Shapes: B batch, C channels, H W image, R rotations, K kernels, D content dimensions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tvae_core.config import ModelConfig
from tvae_core.geometry import group_angles, pixel_grid_px


class PlainEncoder(nn.Module):
    """Turned kernels, conv2d, two 1x1 group convolutions as conv3d, three heads."""

    def __init__(self, model: ModelConfig, side: int, channels: int) -> None:
        super().__init__()
        self.rotations, self.kernel = model.rotations, model.kernel_side(side)
        kernels = model.encoder_kernels
        shape = (kernels, channels, self.kernel, self.kernel)
        self.weight = nn.Parameter(torch.randn(shape) * (2 / (channels * self.kernel**2)) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(kernels))
        self.layers = nn.ModuleList(
            nn.Conv3d(kernels, kernels, 1) for _ in range(model.encoder_layers)
        )
        self.attention = nn.Conv3d(kernels, 1, 1)
        self.angle = nn.Conv3d(kernels, 2, 1)
        self.content = nn.Conv3d(kernels, 2 * model.z_dim, 1)
        for head in (self.attention, self.angle, self.content):
            nn.init.zeros_(head.bias)

    def turned_kernels(self) -> Tensor:
        """Return (K R, C, k, k): every kernel turned by every r 2 pi / R, bilinearly."""
        turned = []
        for angle in group_angles(self.rotations):
            cos, sin = math.cos(angle), math.sin(angle)
            matrix = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0]], dtype=torch.float32)
            grid = F.affine_grid(
                matrix[None].expand(len(self.weight), -1, -1),
                list(self.weight.shape),
                align_corners=False,
            )
            turned.append(F.grid_sample(self.weight, grid, align_corners=False))
        return torch.stack(turned, 1).flatten(0, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return attention (B, R, H, W), angle (B, 2, R, H, W), content (B, 2 D, R, H, W)."""
        lifted = F.conv2d(images, self.turned_kernels(), padding=self.kernel // 2)
        batch, _, height, width = lifted.shape
        hidden = lifted.view(batch, -1, self.rotations, height, width)
        hidden = F.leaky_relu(hidden + self.bias[:, None, None, None])
        for layer in self.layers:
            hidden = F.leaky_relu(layer(hidden))
        return self.attention(hidden)[:, 0], self.angle(hidden), self.content(hidden)


class PlainGenerator(nn.Module):
    """Random Fourier features of every pixel's own coordinates, then fully-connected layers."""

    def __init__(self, model: ModelConfig, channels: int) -> None:
        super().__init__()
        features, hidden = model.fourier_features, model.generator_hidden
        self.register_buffer("frequencies", torch.randn(2, features) / model.fourier_scale_px)
        self.register_buffer("phases", 2 * math.pi * torch.rand(features))
        self.coordinate = nn.Linear(features, hidden)
        self.content = nn.Linear(model.z_dim, hidden)
        self.shared = nn.ModuleList(
            nn.Linear(hidden, hidden) for _ in range(model.generator_layers - 1)
        )
        outputs = channels * (2 if model.likelihood == "gaussian-learned" else 1)
        self.output = nn.Linear(hidden, outputs)

    def forward(self, points: Tensor, z: Tensor) -> Tensor:
        """Return (B, P, outputs) of z (B, D) at points (B, P, 2)."""
        features = math.sqrt(2.0) * torch.cos(points @ self.frequencies + self.phases)
        hidden = F.leaky_relu(self.coordinate(features) + self.content(z)[:, None])
        for layer in self.shared:
            hidden = F.leaky_relu(layer(hidden))
        return self.output(hidden)


class PlainTargetVae(nn.Module):
    """The whole model; `forward` is the ELBO of each image, (B,) nats."""

    def __init__(self, model: ModelConfig, side: int, channels: int) -> None:
        super().__init__()
        self.model, self.side = model, side
        self.encoder = PlainEncoder(model, side, channels)
        self.generator = PlainGenerator(model, channels)
        points = torch.tensor(pixel_grid_px(side, side), dtype=torch.float32)
        angles = torch.tensor(group_angles(model.rotations), dtype=torch.float32)
        self.register_buffer("points", points)
        self.register_buffer("angles", angles)
        log_t = (-points.square().sum(1) / (2 * model.prior_std_px(side) ** 2)).log_softmax(0)
        self.register_buffer("log_prior", (log_t - math.log(model.rotations)).repeat(len(angles)))
        self.angle_std = math.pi / model.rotations

    def forward(self, images: Tensor, hard: bool = False) -> Tensor:
        """Return the ELBO of images (B, C, H, W) with one soft sample, or one of q itself."""
        attention, angle, content = self.encoder(images)
        log_q = (attention.flatten(1) + self.log_prior).log_softmax(1)  # (B, R S)
        angle_mean = angle[:, 0].flatten(1) * self.angle_std
        angle_log_std = angle[:, 1].flatten(1) + math.log(self.angle_std)
        z_mean, z_log_std = (part.flatten(2) for part in content.chunk(2, 1))
        gumbel = -(-torch.rand_like(log_q).clamp_min(1e-20).log()).log()
        soft = (log_q + gumbel).softmax(1)
        if hard:  # the largest of log q + Gumbel noise is a draw from q
            soft = F.one_hot(soft.argmax(1), soft.shape[1]).float()
        z = self._mean(soft, z_mean) + self._mean(soft, z_log_std.exp()) * torch.randn(
            len(images), self.model.z_dim
        )
        offset = self.angles.repeat_interleave(len(self.points))
        direction = torch.stack([soft @ offset.cos(), soft @ offset.sin()], 1)
        theta = torch.atan2(direction[:, 1], direction[:, 0])
        theta = theta + (soft * angle_mean).sum(1)
        theta = theta + (soft * angle_log_std.exp()).sum(1) * torch.randn(len(images))
        shift = soft @ self.points.repeat(len(self.angles), 1)
        log_p = self._log_likelihood(images, z, theta, shift)
        q = log_q.exp()
        kl = (q * (log_q - self.log_prior)).sum(1)
        kl = kl + (q * _kl(angle_mean, angle_log_std, self.angle_std)).sum(1)
        return log_p - kl - (q * _kl(z_mean, z_log_std, 1.0).sum(1)).sum(1)

    @torch.no_grad()
    def embed(self, images: Tensor) -> dict[str, Tensor]:
        """Return content, angle and shift of each image at its most likely cell."""
        attention, angle, content = self.encoder(images)
        log_q = (attention.flatten(1) + self.log_prior).log_softmax(1)
        cell = log_q.argmax(1)
        rows = torch.arange(len(images))
        z_mean, z_log_std = (part.flatten(2) for part in content.chunk(2, 1))
        offset = self.angles[cell // len(self.points)]
        return {
            "z_mean": z_mean[rows, :, cell],
            "z_std": z_log_std.exp()[rows, :, cell],
            "angle_rad": angle[:, 0].flatten(1)[rows, cell] * self.angle_std + offset,
            "angle_std_rad": angle[:, 1].flatten(1).exp()[rows, cell] * self.angle_std,
            "shift_px": self.points[cell % len(self.points)],
            "entropy": -(log_q.exp() * log_q).sum(1),
        }

    def draw(self, z: Tensor, theta: Tensor, shift: Tensor) -> Tensor:
        """Return raw outputs (B, P, outputs) at x' = R(-theta)(x - shift)."""
        cos, sin = theta.cos(), theta.sin()
        turn = torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)
        return self.generator((self.points - shift[:, None]) @ turn, z)

    def _log_likelihood(self, images: Tensor, z: Tensor, theta: Tensor, shift: Tensor) -> Tensor:
        raw, pixels = self.draw(z, theta, shift), images.flatten(2).transpose(1, 2)
        if self.model.likelihood == "bernoulli":
            return -F.binary_cross_entropy_with_logits(raw, pixels, reduction="none").sum((1, 2))
        log_std = torch.tensor(math.log(self.model.noise_std))
        if self.model.likelihood == "gaussian-learned":
            raw, log_std = raw.chunk(2, -1)
        scaled = (pixels - raw) * (-log_std).exp()
        return (-0.5 * scaled.square() - log_std - 0.5 * math.log(2 * math.pi)).sum((1, 2))

    @staticmethod
    def _mean(soft: Tensor, values: Tensor) -> Tensor:
        return (soft[:, None] * values).sum(2)


def _kl(mean: Tensor, log_std: Tensor, prior_std: float) -> Tensor:
    ratio = (log_std.exp() / prior_std) ** 2
    return 0.5 * (ratio + (mean / prior_std) ** 2 - 1) - log_std + math.log(prior_std)
