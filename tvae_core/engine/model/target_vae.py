"""The TARGET-VAE: encoder, priors and generator in one module.

Shapes: B batch, C channels, H W image, P pixels, S cells, R rotations, M samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tvae_core.config import ModelConfig
from tvae_core.engine.model.ctf import check_ctf_given, seen_through_ctf
from tvae_core.engine.model.encoder import Encoder, turn, wrap
from tvae_core.engine.model.generator import Generator
from tvae_core.engine.model.likelihood import log_likelihood
from tvae_core.engine.model.origin import Origin, OriginKind, drawn_centroids_px
from tvae_core.engine.model.posterior import KlTerms, Posterior, Prior, ShiftGrid, kl_terms
from tvae_core.engine.model.sampling import CellGeometry, LatentSample
from tvae_core.errors import ConfigError
from tvae_core.geometry import pixel_grid_px

TERMS = ("elbo", "log_likelihood", "kl_pose", "kl_angle", "kl_shift", "kl_content")


@dataclass(frozen=True)
class ElboTerms:
    """The terms of equation 6 of each image, (B,) nats."""

    log_likelihood: Tensor
    kl: KlTerms

    @property
    def elbo(self) -> Tensor:
        """Equation 6, (B,)."""
        return self.log_likelihood - self.kl.total

    def sums(self) -> Tensor:
        """Return the sums over the images of what `TERMS` names, (6,) float64, on the device."""
        kl = self.kl
        values = (self.elbo, self.log_likelihood, kl.pose, kl.angle, kl.shift, kl.content)
        return torch.stack([value.detach().double().sum() for value in values])


class TargetVae(nn.Module):
    """TARGET-VAE for square images.

    Parameters
    ----------
    model : ModelConfig
    side, channels : int
        Of the images the model sees.
    mask : Tensor or None
        (H, W) bool, pixels that are compared; None compares all.
    trainable : bool
        False builds a model that embeds and decodes without escnn once its weights are loaded.
    """

    points_px: Tensor
    positions_px: Tensor
    log_cell: Tensor
    compared: Tensor
    centre_px: Tensor | None
    origin_weights: Tensor | None
    zero_weights: Tensor | None

    def __init__(
        self,
        model: ModelConfig,
        side: int,
        channels: int,
        mask: Tensor | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__()
        if model.likelihood == "bernoulli" and channels not in (1, 3):
            raise ConfigError(f"{channels} channels", todo="grey or RGB images are needed")
        self.model, self.side, self.channels = model, side, channels
        self.grid = self.make_grid()
        self.encoder: Any = self.make_encoder(trainable)  # `Encoder`, or another system's
        self.generator = self.make_generator()
        prior = self.make_prior()
        self._widths = (prior.angle_std_rad, prior.shift_std_px)
        self.register_buffer("log_cell", prior.log_cell, persistent=False)
        self.register_buffer("positions_px", self.grid.positions_px(), persistent=False)
        points = torch.tensor(pixel_grid_px(side, side), dtype=torch.float32)
        self.register_buffer("points_px", points, persistent=False)
        inside = torch.ones(side, side, dtype=torch.bool) if mask is None else mask
        self.register_buffer("compared", inside.flatten().nonzero()[:, 0], persistent=True)
        self.register_buffer("centre_px", None, persistent=False)  # once it is learned
        self.register_buffer("origin_weights", None, persistent=False)  # and where it differs
        self.origin_kind: OriginKind = "content"
        self.register_buffer("zero_weights", None, persistent=False)  # where contents are turned

    def make_grid(self) -> ShiftGrid:
        """Return the shift cells; this and the next three are where another system differs."""
        m, side = self.model, self.side
        return ShiftGrid(
            side, m.kernel_side(side), m.prior_std_px(side), m.shift_limit_sigmas, m.shift_pitch_px
        )

    def make_encoder(self, trainable: bool) -> nn.Module:
        """Return the encoder: images and prior to `Posterior`, with the cells' `angles`."""
        return Encoder(self.model, self.channels, self.grid, trainable)

    def make_generator(self) -> Generator:
        """Return the generator."""
        return Generator(self.model, self.channels)

    def make_prior(self) -> Prior:
        """Return the priors."""
        return Prior.of(self.model, self.grid)

    def in_frame(self, angle_rad: Tensor, shift_px: Tensor) -> Tensor:
        """Return where the posterior's shift (..., 2) at an angle (...) moves the model's frame.

        Which point of the frame lies where the cells say is for the model to choose as it learns:
        `centre_px` (2,) leads from there to the frame's middle (`move_centre`).
        """
        if self.centre_px is None:
            return shift_px
        return shift_px + turn(self.centre_px.expand_as(shift_px), angle_rad)

    def placed(self, angle_rad: Tensor, shift_px: Tensor, z: Tensor) -> Tensor:
        """Return where that shift moves the origin of an object of content z (..., D), (..., 2)."""
        moved, origin = self.in_frame(angle_rad, shift_px), self.origin_px(z)
        return moved if origin is None else moved + turn(origin, angle_rad)

    def origin_px(self, z: Tensor) -> Tensor | None:
        """Return the origin (..., 2) of objects of content z (..., D) in the model's frame.

        None where it is the middle of the frame whatever the content.
        """
        if self.origin_weights is None:
            return None
        constant, matrix = self.origin_weights[:, 0], self.origin_weights[:, 1:]
        flat = z.to(matrix.dtype).flatten(0, -2)
        if self.origin_kind == "centroid":
            flat = drawn_centroids_px(self.generator, self.model, self.inside, flat)
        return (constant + flat @ matrix.T).view(*z.shape[:-1], 2)

    def turned(self, angle_rad: Tensor, z: Tensor) -> Tensor:
        """Return the angles (...) of objects of content z (..., D) where the frame has these."""
        zero = self.zero_rad(z)
        return angle_rad if zero is None else wrap(angle_rad + zero)

    def zero_rad(self, z: Tensor) -> Tensor | None:
        """Return how far objects of content z (..., D) stand turned in the model's frame, (...).

        None where they stand as it does whatever the content (`engine/training/zero_angle.py`).
        """
        if self.zero_weights is None:
            return None
        weights = self.zero_weights
        return weights[0] + (z.to(weights.dtype) * weights[1:]).sum(-1)

    def of_frame(self, z: Tensor, angle_rad: Tensor, shift_px: Tensor) -> tuple[Tensor, Tensor]:
        """Return angle (...) and place (..., 2) of the frame of objects at these poses."""
        zero, origin = self.zero_rad(z), self.origin_px(z)
        angle = angle_rad if zero is None else wrap(angle_rad - zero)
        return angle, shift_px if origin is None else shift_px - turn(origin, angle)

    def move_centre(self, by_px: Tensor) -> None:
        """Let the point `by_px` (2,) of the frame be its middle; nothing else changes.

        cos(w . x + phase) at x + c is cos(w . x + phase + w . c): the phases of the Fourier
        features take the whole of it, and the shifts (`in_frame`) as much the other way.
        """
        self.generator.phases.add_(self.generator.frequencies @ by_px)
        self.centre_px = by_px if self.centre_px is None else self.centre_px + by_px

    def set_zero(self, weights: Tensor) -> None:
        """Let angles be of the objects, which stand turned by w0 + w . z: `weights` (1 + D)."""
        self.zero_weights = weights

    def set_origin(self, origin: Origin) -> None:
        """Let shifts be of an origin of each content; nothing else changes.

        Objects are placed by it (`placed`) and drawn about it (`draw`).
        """
        self.origin_kind, self.origin_weights = origin.kind, origin.weights

    @property
    def stands_alike(self) -> bool:
        """Whether objects of every content stand in the model's frame as it does itself."""
        return self.origin_weights is None and self.zero_weights is None

    @property
    def prior(self) -> Prior:
        """The priors over cells and within them."""
        return Prior(self.log_cell, *self._widths)

    @property
    def inside(self) -> Tensor:
        """Which pixels are compared, (H, W) bool: outside them nothing says what is drawn."""
        inside = torch.zeros(self.side**2, dtype=torch.bool, device=self.compared.device)
        inside[self.compared] = True
        return inside.view(self.side, self.side)

    @property
    def cells(self) -> CellGeometry:
        """Positions and angles of the cells."""
        near = self.model.rotation_offset
        return CellGeometry(self.positions_px, self.encoder.angles, near)

    def infer(self, images: Tensor, prior: Prior | None = None) -> Posterior:
        """Return the posterior of images (B, C, H, W), by the model's own prior or another."""
        posterior: Posterior = self.encoder(images, prior or self.prior)
        return posterior

    def draw(
        self, z: Tensor, angle_rad: Tensor, shift_px: Tensor, pixels: Tensor | None = None
    ) -> Tensor:
        """Return raw outputs (B, P, C) of z (B, D) at poses, of all pixels or those of `pixels`.

        The poses are those of the objects: `shift_px` (B, 2) is where their origins lie.
        """
        angle_rad, shift_px = self.of_frame(z, angle_rad, shift_px)
        if pixels is None and self.points_px.device.type == "cpu":
            x = self.points_px[: self.side, 0]
            y = self.points_px[:: self.side, 1]
            return self.generator.draw(x, y, z, angle_rad, shift_px)
        points = self.points_px if pixels is None else self.points_px[pixels]
        raw: Tensor = self.generator(points, z, angle_rad, shift_px)
        return raw

    def through_ctf(self, raw: Tensor, ctf: Tensor | None) -> Tensor:
        """Return raw outputs of all pixels (B M, P, C) with their means seen through the CTF.

        `ctf` is (B, 9) as for `ctf_values`; None leaves them as they are.
        """
        check_ctf_given(self.model.ctf == "likelihood", ctf)
        if ctf is None:
            return raw
        means, rest = raw[..., : self.channels], raw[..., self.channels :]
        return torch.cat([seen_through_ctf(means, ctf, self.side), rest], -1)

    def log_likelihood(
        self,
        images: Tensor,
        sample: LatentSample,
        pixels: Tensor | None = None,
        ctf: Tensor | None = None,
    ) -> Tensor:
        """Return log p(y | sample) of each sample, (B, M) nats.

        Parameters
        ----------
        images : (B, C, H, W)
        sample : M samples an image
        pixels : (P,) int or None
            A random subset of `compared` drawn without replacement; the sum over it is scaled up
            to an unbiased estimate of the sum over all compared pixels. None takes all.
        ctf : (B, 9) or None
            Of each image, for a model that sees through it: then all pixels are drawn.
        """
        chosen = self.compared if pixels is None else pixels
        batch, count = sample.angle_rad.shape
        raw = self.generator(
            self.points_px if ctf is not None else self.points_px[chosen],
            sample.z.flatten(0, 1),
            sample.angle_rad.flatten(),
            self.in_frame(sample.angle_rad, sample.shift_px).flatten(0, 1),
        )
        raw = self.through_ctf(raw, ctf)
        raw = raw if ctf is None else raw[:, chosen]
        values = images.flatten(2)[:, :, chosen].transpose(1, 2)  # (B, P, C)
        values = values.repeat_interleave(count, 0)
        by_pixel = log_likelihood(raw, values, self.model)
        scale = len(self.compared) / len(chosen)
        return by_pixel.sum(1).view(batch, count) * scale

    def elbo_terms(
        self,
        images: Tensor,
        posterior: Posterior,
        sample: LatentSample,
        pixels: Tensor | None = None,
        ctf: Tensor | None = None,
    ) -> ElboTerms:
        """Return the terms of the ELBO (equation 6) of images (B, C, H, W)."""
        by_sample = self.log_likelihood(images, sample, pixels, ctf)
        return ElboTerms((by_sample * sample.weight).sum(1), kl_terms(posterior, self.prior))
