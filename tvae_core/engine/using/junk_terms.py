"""What the junk score is made of, read off each image's residual while it is embedded.

Shapes: B batch, C channels, H W image (H = W), K contents, R rotations, m side of the band.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvae_core.engine.data import Batch
from tvae_core.engine.model.likelihood import expected_pixels
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.using.inference import Inferred, infer

_CONTENTS = 3
_ITERATIONS = 50  # few hundred contents settle in a dozen
_ROTATIONS = 16
_BLOCKS = 5  # a side: residuals are compared over 5 x 5 blocks
_BAND = (16, 32)  # sides in pixels: half the image's, within these
_ENERGY = 0.95  # of the object within its radius
_CTFS = 8  # of the set: the energy of an object is the mean over them
_LEAST_SEEN = 0.2  # of an object's energy, by the image that it lies in
_FLOOR = 1e-3  # of the residual's variance: what is blank has no logarithm


@dataclass(frozen=True)
class JunkTerms:
    """What a set's images are compared with.

    Parameters
    ----------
    templates : (K R, C, M, M // 2 + 1) complex
        Objects of the set at R angles: their spectra within the band, by the band's noise variance.
    penalty : (K R, M, M)
        Half the energy of each object that an image shows of it at each place, by the same
        variance; infinite where too little is seen of it.
    radius_px : float
        Of the circle that holds an object.
    variance : float
        Of the residual, a pixel.
    noise_fit : (mean, standard deviation)
        Of the fit of images of noise that has the spectrum of the residuals.
    """

    templates: Tensor
    penalty: Tensor
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
        noise_in_band = _band_variance(residual)
        device = model.points_px.device
        return cls(
            templates=(_spectra(objects) / noise_in_band).to(device),
            penalty=(_half_energy(model, objects, sample.ctf) / noise_in_band).to(device),
            radius_px=_radius_px(objects),
            variance=float(residual.square().mean()),
            noise_fit=(float(empty.mean()), spread),
        )

    def of(
        self, model: TargetVae, images: Tensor, found: Inferred, ctf: Tensor | None = None
    ) -> NDArray[np.float32]:
        """Return the terms (B, 4) of images (B, C, H, W) and what was inferred of them."""
        device = self.templates.device
        found = replace(found, reconstruction=_there(found.reconstruction, device))
        images, shift_px = _there(images, device), _there(found.shift_px, device)
        residual = _residual(model, images, found)
        mean, spread = self.noise_fit
        fit = (_fit(model, images, found) - mean) / spread
        size = images.shape[-1] // _BLOCKS
        blocks = residual[..., : size * _BLOCKS, : size * _BLOCKS]
        blocks = blocks.reshape(*images.shape[:2], _BLOCKS, size, _BLOCKS, size)
        energy = blocks.square().mean((1, 3, 5))  # (B, blocks, blocks)
        patchy = (energy + _FLOOR * self.variance).log().flatten(1).std(1)
        uneven = blocks.mean((1, 3, 5)).square().flatten(1).mean(1) / self.variance
        second = self._second(_seen_back(model, residual, ctf), shift_px)
        terms = torch.stack([fit, patchy, uneven, second], 1)
        return terms.cpu().numpy().astype(np.float32)

    def _second(self, residual: Tensor, shift_px: Tensor) -> Tensor:
        """Return how much more likely a second object makes residuals (B, C, H, W), (B,).

        In deviations of noise, sqrt(2 log ratio); 0 where none makes them more likely.
        """
        places = _places(residual.shape[-1], residual.device)
        x = places[None, None, :] - shift_px[:, 0, None, None]
        y = -places[None, :, None] - shift_px[:, 1, None, None]
        far = torch.hypot(x, y) >= self.radius_px  # (B, M, M)
        size = self._at_once
        both = zip(torch.split(_spectra(residual), size), torch.split(far, size), strict=True)
        ratios = [self._log_ratio(some, apart) for some, apart in both]
        return (2 * torch.cat(ratios).clamp_min(0)).sqrt()

    def _log_ratio(self, spectra: Tensor, far: Tensor) -> Tensor:
        """Return the highest log likelihood ratio (n,) of an object at any place that is `far`."""
        product = (spectra[:, None] * self.templates.conj()).sum(2)  # (n, K R, M, M // 2 + 1)
        ratio = (torch.fft.irfft2(product, s=far.shape[-2:]) - self.penalty).amax(1)
        highest: Tensor = ratio.masked_fill(~far, 0.0).amax((1, 2))
        return highest

    @property
    def _at_once(self) -> int:
        """Images whose products stay in cache, or fill a GPU."""
        return 1 if self.templates.device.type == "cpu" else 256


def _there(images: Tensor | None, device: torch.device) -> Tensor:
    """Return images, which are there, on a device; nobody waits for those that are pinned."""
    assert images is not None
    return images.to(device, non_blocking=device.type == "cuda")


def _residual(model: TargetVae, images: Tensor, found: Inferred) -> Tensor:
    """Return what of images (B, C, H, W) is not explained, zero where nothing is compared."""
    assert found.reconstruction is not None
    return (images - found.reconstruction) * model.inside.to(images.device)


def _fit(model: TargetVae, images: Tensor, found: Inferred) -> Tensor:
    """Return the product (B,) of images and reconstructions of mean zero, these of unit norm."""
    assert found.reconstruction is not None
    inside = model.compared.to(images.device)
    seen, drawn = (i.flatten(2)[..., inside] for i in (images, found.reconstruction))  # (B, C, P)
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
    centres = _typical(z.double())
    count = len(centres)
    contents = centres.float().repeat_interleave(_ROTATIONS, 0)
    angles = (torch.arange(_ROTATIONS) * (2 * math.pi / _ROTATIONS)).repeat(count)
    device = model.points_px.device
    raw = model.draw(contents.to(device), angles.to(device), torch.zeros(len(angles), 2).to(device))
    drawn = expected_pixels(raw, model.model).transpose(1, 2).float().cpu()
    drawn = drawn.reshape(*drawn.shape[:2], model.side, model.side)
    border = torch.cat([drawn[..., [0, -1], :].flatten(2), drawn[..., [0, -1]].flatten(2)], 2)
    objects: Tensor = (drawn - border.median(2).values[..., None, None]) * model.inside.cpu()
    return objects


def _typical(z: Tensor) -> Tensor:
    """Return the means (K, D) of the groups that contents (n, D) fall into, as k-means finds them.

    The first means lie far apart, so none is drawn by chance. (SciPy's would take 28 MB more of
    every embedding, scikit-learn's 110 MB.)
    """
    means = z.mean(0, keepdim=True)
    for _ in range(_CONTENTS):
        far = torch.cdist(z, means).amin(1).argmax()
        means = torch.cat([means, z[far, None]])
    means = means[1:]
    for _ in range(_ITERATIONS):
        nearest = torch.cdist(z, means).argmin(1)
        held = torch.stack([(nearest == k).sum() for k in range(len(means))])
        sums = torch.zeros_like(means).index_add_(0, nearest, z)
        means = (sums / held.clamp_min(1)[:, None])[held > 0]
    return means


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
    """Return images (..., H, W) of mean zero in fewer, larger pixels (..., m, m): the same band."""
    side, band = images.shape[-1], _band(images.shape[-1])
    half = band // 2
    spectra = torch.fft.rfft2(images)[..., : half + 1]
    kept = torch.cat([spectra[..., :half, :], spectra[..., -half:, :]], -2)
    kept[..., 0, 0] = 0
    smaller: Tensor = torch.fft.irfft2(kept, s=(band, band)) * (band / side) ** 2
    return smaller


def _spectra(images: Tensor) -> Tensor:
    """Return spectra (..., M, M // 2 + 1) within the band, blank around images: M = 2 m."""
    size = 2 * _band(images.shape[-1])
    spectra: Tensor = torch.fft.rfft2(_within_band(images), s=(size, size))
    return spectra


def _places(side: int, device: torch.device) -> Tensor:
    """Return the shifts (M,) in pixels, in a transform's order, that `_spectra` compares."""
    band = _band(side)
    order = torch.arange(2 * band, device=device)
    return ((order + band) % (2 * band) - band) * (side / band)


def _band_variance(residual: Tensor) -> float:
    """Return the variance of residuals within the band, of the middlemost image."""
    middle = _within_band(residual).square().mean((1, 2, 3)).median()
    return max(float(middle), torch.finfo(torch.float32).tiny)


def _half_energy(model: TargetVae, objects: Tensor, ctf: Tensor | None) -> Tensor:
    """Return half the energy (K R, M, M) that an image shows of each object at each place.

    Seen through a CTF, it is the mean over a few of the set's.
    """
    if ctf is None:
        return _half_energy_of(model, objects)
    some = ctf[:: max(1, len(ctf) // _CTFS)][:_CTFS]
    energies = [_half_energy_of(model, _through(model, objects, one)) for one in some]
    return torch.stack(energies).mean(0)


def _half_energy_of(model: TargetVae, objects: Tensor) -> Tensor:
    small = _within_band(objects)
    band = small.shape[-1]
    size = 2 * band
    inside = model.inside.cpu().float()[None, None]
    mask = torch.nn.functional.interpolate(inside, (band, band), mode="area")[0]
    product = torch.fft.rfft2(mask, s=(size, size))
    product = product * torch.fft.rfft2(small.square().sum(1), s=(size, size)).conj()
    shown = torch.fft.irfft2(product, s=(size, size)).clamp_min(0)
    enough = shown >= _LEAST_SEEN * small.square().sum((1, 2, 3))[:, None, None]
    penalty: Tensor = (shown / 2).masked_fill(~enough, torch.inf)
    return penalty


def _seen_back(model: TargetVae, residual: Tensor, ctf: Tensor | None) -> Tensor:
    """Return a residual filtered by the CTF, as a matched filter of what is seen through it is."""
    return residual if ctf is None else _through(model, residual, ctf)


def _through(model: TargetVae, images: Tensor, ctf: Tensor) -> Tensor:
    """Return images (B, C, H, W) seen through the CTF of each (B, 9), or of all (9,)."""
    device = model.points_px.device
    flat = images.flatten(2).transpose(1, 2).to(device)
    seen = model.through_ctf(flat, ctf.expand(len(images), -1).to(device))
    return seen.transpose(1, 2).to(images.device).reshape(images.shape)
