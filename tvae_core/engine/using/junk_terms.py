"""What the junk score is made of, read off each image's residual while it is embedded.

Shapes: B batch, C channels, H W image (H = W), K contents, R rotations, m side of the band.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvae_core.engine.data import Batch
from tvae_core.engine.model.likelihood import expected_pixels
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.using.inference import Inferred, infer

_CONTENTS = 2
_ROTATIONS = 16
_BLOCKS = 5  # a side: residuals are compared over 5 x 5 blocks
_BAND = (16, 32)  # sides in pixels: half the image's, within these
_ENERGY = 0.95  # of the object within its radius
_FLOOR = 1e-3  # of the residual's variance: what is blank has no logarithm


@dataclass(frozen=True)
class JunkTerms:
    """What a set's images are compared with.

    Parameters
    ----------
    templates : (K R, C, m, m // 2 + 1) complex
        Objects of the set at R angles: their spectra within the band, of unit norm.
    radius_px : float
        Of the circle that holds an object.
    variance : float
        Of the residual, a pixel.
    noise_fit : (mean, standard deviation)
        Of the fit of images of noise that has the spectrum of the residuals.
    """

    templates: Tensor
    radius_px: float
    variance: float
    noise_fit: tuple[float, float]

    @classmethod
    def learned(cls, model: TargetVae, sample: Batch) -> JunkTerms:
        """Return what the images of a set, a few hundred of it, are compared with."""
        images = sample.images
        found = infer(model, images, 1.0, sample.ctf)
        residual = _residual(model, images, found)
        noise = _with_spectrum_of(residual) + images.mean((2, 3), keepdim=True)
        empty = _fit(model, noise, infer(model, noise, 1.0, sample.ctf))
        objects = _objects(model, found.z_mean)
        spread = max(float(empty.std()), 1e-6)
        return cls(
            templates=_unit(_within_band(objects)).to(model.points_px.device),
            radius_px=_radius_px(objects),
            variance=float(residual.square().mean()),
            noise_fit=(float(empty.mean()), spread),
        )

    def of(
        self, model: TargetVae, images: Tensor, found: Inferred, ctf: Tensor | None = None
    ) -> NDArray[np.float32]:
        """Return the terms (B, 4) of images (B, C, H, W) and what was inferred of them."""
        residual = _residual(model, images, found)
        mean, spread = self.noise_fit
        fit = (_fit(model, images, found) - mean) / spread
        size = images.shape[-1] // _BLOCKS
        blocks = residual[..., : size * _BLOCKS, : size * _BLOCKS]
        blocks = blocks.reshape(*images.shape[:2], _BLOCKS, size, _BLOCKS, size)
        energy = blocks.square().mean((1, 3, 5))  # (B, blocks, blocks)
        patchy = (energy + _FLOOR * self.variance).log().flatten(1).std(1)
        uneven = blocks.mean((1, 3, 5)).square().flatten(1).mean(1) / self.variance
        second = self._second(_seen_back(model, residual, ctf), found.shift_px)
        terms = torch.stack([fit, patchy, uneven, second / math.sqrt(self.variance)], 1)
        return terms.numpy().astype(np.float32)

    def _second(self, residual: Tensor, shift_px: Tensor) -> Tensor:
        """Return the highest response (B,) to any template farther away than an object's radius."""
        side, band = residual.shape[-1], _band(residual.shape[-1])
        spectra = _within_band(residual)
        step = side / band
        along = ((torch.arange(band) + band // 2) % band - band // 2) * step
        x = along[None, None, :] - shift_px[:, 0, None, None]
        y = -along[None, :, None] - shift_px[:, 1, None, None]
        far = torch.hypot(x, y) >= self.radius_px
        device = self.templates.device
        size = self._at_once
        blocks = zip(torch.split(spectra, size), torch.split(far, size), strict=True)
        parts = [self._highest(some.to(device), allowed.to(device)) for some, allowed in blocks]
        return torch.cat(parts).cpu()

    def _highest(self, spectra: Tensor, allowed: Tensor) -> Tensor:
        """Return the highest response (n,) of each image where it is `allowed` (n, m, m)."""
        band = allowed.shape[-1]
        product = (spectra[:, None] * self.templates.conj()).sum(2)  # (n, K R, m, m // 2 + 1)
        response = torch.fft.irfft2(product, s=(band, band)).amax(1)
        highest: Tensor = response.masked_fill(~allowed, 0.0).amax((1, 2))
        return highest

    @property
    def _at_once(self) -> int:
        """Images whose products stay in cache, or fill a GPU."""
        return 1 if self.templates.device.type == "cpu" else 256


def _residual(model: TargetVae, images: Tensor, found: Inferred) -> Tensor:
    """Return what of images (B, C, H, W) is not explained, zero where nothing is compared."""
    assert found.reconstruction is not None
    return (images - found.reconstruction) * model.inside.cpu()


def _fit(model: TargetVae, images: Tensor, found: Inferred) -> Tensor:
    """Return the product (B,) of images and reconstructions of mean zero, these of unit norm."""
    assert found.reconstruction is not None
    inside = model.inside.cpu()
    seen, drawn = images[..., inside], found.reconstruction[..., inside]  # (B, C, P)
    seen, drawn = seen - seen.mean(2, keepdim=True), drawn - drawn.mean(2, keepdim=True)
    norm = drawn.square().sum((1, 2)).sqrt().clamp_min(1e-12)
    fit: Tensor = (seen * drawn).sum((1, 2)) / norm
    return fit


def _with_spectrum_of(images: Tensor) -> Tensor:
    """Return noise that has the amplitudes of images (B, C, H, W) and phases of white noise."""
    g = torch.Generator().manual_seed(len(images))
    phases = torch.fft.rfft2(torch.randn(images.shape, generator=g))
    phases = phases / phases.abs().clamp_min(1e-12)
    noise: Tensor = torch.fft.irfft2(torch.fft.rfft2(images).abs() * phases, s=images.shape[-2:])
    return noise


@torch.no_grad()
def _objects(model: TargetVae, z: Tensor) -> Tensor:
    """Return pictures (K R, C, H, W) of typical contents at R angles, their border at zero."""
    from sklearn.cluster import KMeans

    count = min(_CONTENTS, len(z))
    centres = KMeans(count, n_init=1, random_state=0).fit(z.double().numpy()).cluster_centers_
    contents = torch.from_numpy(centres).float().repeat_interleave(_ROTATIONS, 0)
    angles = (torch.arange(_ROTATIONS) * (2 * math.pi / _ROTATIONS)).repeat(count)
    device = model.points_px.device
    raw = model.draw(contents.to(device), angles.to(device), torch.zeros(len(angles), 2).to(device))
    drawn = expected_pixels(raw, model.model).transpose(1, 2).float().cpu()
    drawn = drawn.reshape(*drawn.shape[:2], model.side, model.side)
    border = torch.cat([drawn[..., [0, -1], :].flatten(2), drawn[..., [0, -1]].flatten(2)], 2)
    objects: Tensor = (drawn - border.median(2).values[..., None, None]) * model.inside.cpu()
    return objects


def _radius_px(objects: Tensor) -> float:
    """Return the radius that holds nearly all of the objects' energy, at most 0.45 sides."""
    side = objects.shape[-1]
    axis = torch.arange(side) - (side - 1) / 2
    apart, order = torch.hypot(axis[:, None], axis[None]).flatten().sort()
    within = objects.square().sum((0, 1)).flatten()[order].cumsum(0)
    reached = torch.searchsorted(within, _ENERGY * within[-1]).clamp_max(len(apart) - 1)
    return min(float(apart[reached]), 0.45 * side)


def _band(side: int) -> int:
    """Return the even side of the band in which objects are looked for."""
    return min(2 * (side // 2), max(_BAND[0], min(_BAND[1], 2 * (side // 4))))


def _within_band(images: Tensor) -> Tensor:
    """Return the low frequencies (..., m, m // 2 + 1) of images (..., H, W) without their mean."""
    half = _band(images.shape[-1]) // 2
    spectra = torch.fft.rfft2(images)[..., : half + 1]
    kept = torch.cat([spectra[..., :half, :], spectra[..., -half:, :]], -2)
    kept[..., 0, 0] = 0
    return kept


def _unit(spectra: Tensor) -> Tensor:
    norm = spectra.abs().square().sum((1, 2, 3), keepdim=True).sqrt()
    unit: Tensor = spectra / norm.clamp_min(1e-12)
    return unit


def _seen_back(model: TargetVae, residual: Tensor, ctf: Tensor | None) -> Tensor:
    """Return a residual filtered by the CTF, as a matched filter of what is seen through it is."""
    if ctf is None:
        return residual
    device = model.points_px.device
    flat = residual.flatten(2).transpose(1, 2).to(device)
    seen = model.through_ctf(flat, ctf.to(device)).transpose(1, 2).cpu()
    return seen.reshape(residual.shape)
