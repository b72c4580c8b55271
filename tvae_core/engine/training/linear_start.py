"""A linear model of the images, found by EM, that draws what the network learns from first.

Where noise is strong, the pose is learned and the content dies: what varies from image to image is
worth less than a nat in each, and is only seen once poses are known. A linear model has no such
trap (`analysis.linear_content`). Images are

    y = CTF T(angle, shift) (mean + sum_q z_q component_q) + noise,   z ~ N(0, I),

and what is drawn from it comes with its latents, as many images as one likes. The network is first
fitted to these: the generator to the picture, the encoder to the latents by log q(latents | y),
whose mean over drawn images is highest where q is the posterior of the linear model: the sleep
phase of Hinton, Dayan, Frey and Neal (1995), "The wake-sleep algorithm". Nothing is fitted to the
noise of the images themselves.

Shapes: B batch, P pixels, Q components, s side of a picture, F components of `rfft2`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tvae_core.analysis.averages import soft_circle
from tvae_core.analysis.classification import Search
from tvae_core.analysis.linear_content import LinearContent, linear_content
from tvae_core.analysis.signal_to_noise import (
    CLEAR,
    NOISY,
    background,
    radius_in_sides,
    signal_to_noise,
)
from tvae_core.config import ModelConfig, RunConfig
from tvae_core.engine.data import Batch, Indices, PreparedImages, batch_of
from tvae_core.engine.model.ctf import ctf_values
from tvae_core.engine.model.noise import Noise
from tvae_core.engine.model.sampling import LatentSample
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.errors import ConfigError
from tvae_core.images.fourier import fourier_crop

COARSE_PX = 32  # side of what EM sees: its time grows with the fourth power
MOST_IMAGES, _FEWEST_IMAGES = 5000, 20
_TURNS, _ITERATIONS = 24, 12
_FARTHEST_PX = 6  # coarse pixels that EM looks for shifts in
_REACH = 2.5  # deviations of the prior on shift
_OUTSIDE = (0.38, 0.44)  # radii between which an average shows what is behind the object
_LEAST_NOISE = 0.1  # of a ring's power: the signal is an estimate too
_QUIET, _RISES, _RISEN = 0.3, 0.0, 0.2  # share of the noise at first; shares of the lessons


@dataclass(frozen=True)
class Lesson:
    """Drawn images and what they were drawn from.

    images, pictures (B, 1, H, W): with and without noise, both as the microscope shows them;
    latents: one sample an image.
    """

    images: Tensor
    pictures: Tensor
    latents: LatentSample


@dataclass(frozen=True)
class LinearModel:
    """What images are drawn from.

    Parameters
    ----------
    parts : (1 + Q, s, s)
        The mean, and the components for a content of 1, the strongest first.
    noise_std : (F,)
        Deviation of the noise at each component of `rfft2` of an image of the model, divided by
        its side: 1 for white noise of unit deviation.
    numbers : (2,) or (3,)
        Deviation of the shift, pixels of the model; brightness of the background; share of the
        lessons asked for that are given (`share_given`), all where it is not said.
    """

    parts: Tensor
    noise_std: Tensor
    numbers: Tensor

    def to(self, device: torch.device) -> LinearModel:
        """Return the model on a device."""
        return LinearModel(
            self.parts.to(device), self.noise_std.to(device), self.numbers.to(device)
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return the model as tensors, for a checkpoint."""
        return {"parts": self.parts, "noise_std": self.noise_std, "numbers": self.numbers}

    @property
    def given(self) -> float:
        """Share of the lessons asked for that are given."""
        return float(self.numbers[2]) if len(self.numbers) > 2 else 1.0

    def pictures(self, points_px: Tensor, latents: LatentSample, side: int) -> Tensor:
        """Return the objects at one pose each, without background, (B, P).

        Parameters
        ----------
        points_px : (P, 2)
        latents : LatentSample
            One sample an image; components beyond their content are left out.
        side : int
            Of the images in pixels.
        """
        z, angle, shift = latents.z[:, 0], latents.angle_rad[:, 0], latents.shift_px[:, 0]
        cos, sin = angle.cos()[:, None], angle.sin()[:, None]
        x = points_px[:, 0] - shift[:, :1]
        y = points_px[:, 1] - shift[:, 1:]
        places = torch.stack([cos * x + sin * y, sin * x - cos * y], -1) * (2 / side)  # rows down
        used = min(z.shape[1], len(self.parts) - 1)
        objects = self.parts[0] + torch.einsum("bq,qhw->bhw", z[:, :used], self.parts[1 : 1 + used])
        seen = F.grid_sample(objects[:, None], places[:, None], mode="bicubic", align_corners=False)
        return seen[:, 0, 0]

    def draw(self, model: TargetVae, batch: Batch, noise: Noise, share: float = 1.0) -> Lesson:
        """Draw as many images as a batch has, each through the CTF of its image.

        Parameters
        ----------
        model : TargetVae
            Whose prior and side they have.
        noise : Noise
            Keyed by the images of the batch.
        share : float
            Of the deviation of the noise.
        """
        side, b = model.side, len(batch)
        z = noise.normal(1, model.model.z_dim)
        angle = 2 * math.pi * noise.uniform(1)
        shift = self.numbers[0] * noise.normal(1, 2)
        latents = LatentSample(z, angle, shift, torch.ones_like(angle))
        drawn = self.pictures(model.points_px, latents, side)[..., None]  # (B, P, 1)
        if batch.ctf is not None:
            drawn = model.through_ctf(drawn, batch.ctf)
        pictures = drawn.view(b, 1, side, side) + self.numbers[1]
        spectrum = torch.fft.rfft2(noise.normal(1, side, side)) * self.noise_std
        images = pictures + share * torch.fft.irfft2(spectrum, s=(side, side))
        inside = model.inside
        return Lesson(torch.where(inside, images, 0.0), torch.where(inside, pictures, 0.0), latents)


def share_given(ratio: float) -> float:
    """Return the share of the lessons asked for that suits a signal to noise.

    The clearer the images, the sooner the network sees what is not linear in them by itself.
    """
    return min(1.0, NOISY / max(ratio, 1e-12))


def noise_share(done: float) -> float:
    """Return the share of the noise in lessons, where the share `done` of them has been given.

    Quiet images show at once which filters are wanted; the last lessons are as noisy as the images
    are.
    """
    return min(1.0, max(_QUIET, _QUIET + (1 - _QUIET) * (done - _RISES) / (_RISEN - _RISES)))


@dataclass(frozen=True)
class Lessons:
    """The linear model, on the device of the network, with the share of the noise at a step."""

    linear: LinearModel
    noise: float

    def draw(self, model: TargetVae, batch: Batch, noise: Noise) -> Lesson:
        """Draw as many images as a batch has."""
        return self.linear.draw(model, batch, noise, self.noise)


@dataclass(frozen=True)
class Found:
    """What a run starts from: a linear model or none, and why, in words."""

    linear: LinearModel | None
    words: str


def find_linear_model(
    images: PreparedImages, numbers: Indices, config: RunConfig, check: Callable[[], None]
) -> Found:
    """Return the linear model a run starts from, or none where the images do not call for it.

    Parameters
    ----------
    images : PreparedImages
    numbers : (n,)
        Of the training images; at most `MOST_IMAGES` of them are looked at.
    config : RunConfig
        With `train.content_start` other than "none".
    check : callable
        Called at each iteration; may raise to give up.

    Raises
    ------
    ConfigError
        The start is asked for and the images have colours, or are too few.
    """
    asked = config.train.content_start == "linear"
    unfit = _unfit(images, numbers, config)
    if unfit and asked:
        raise ConfigError(
            f"a linear start needs {unfit}", config.data.path, "set train.content_start=none"
        )
    if unfit:
        return Found(None, f"No linear start: it needs {unfit}.")
    batch = batch_of(images, numbers[:: -(-len(numbers) // MOST_IMAGES)])
    ratio = signal_to_noise(batch.images[:, 0].numpy())
    if not asked and ratio > CLEAR:
        return Found(
            None, f"No linear start: an object has {ratio:.0f} times the noise of a pixel."
        )
    given = 1.0 if asked else share_given(ratio)
    linear = fit_linear_model(batch, config.model, config.train.seed, check)
    linear = replace(linear, numbers=torch.cat([linear.numbers, torch.tensor([given])]))
    return Found(
        linear,
        f"An object has {ratio:.0f} times the noise of a pixel: a linear model with "
        f"{len(linear.parts) - 1} components draws the images of the first "
        f"{given * config.train.taught_share:.0%} of the steps.",
    )


def _unfit(images: PreparedImages, numbers: Indices, config: RunConfig) -> str:
    """Return what a linear start needs and does not have."""
    if config.model.system != "target-vae" or config.model.likelihood == "bernoulli":
        return "a TARGET-VAE with a Gaussian likelihood"
    if images.channels != 1:
        return "grey images"
    return "" if len(numbers) >= _FEWEST_IMAGES else f"{_FEWEST_IMAGES} images"


def fit_linear_model(
    batch: Batch, model: ModelConfig, seed: int, check: Callable[[], None] = lambda: None
) -> LinearModel:
    """Find the linear model of images by EM at a coarse pixel, on the CPU.

    Parameters
    ----------
    batch : Batch
        Grey images, at most `MOST_IMAGES`, and their CTF where the model sees through it.
    model : ModelConfig
    seed : int
    check : callable
        Called at each iteration; may raise to give up.
    """
    images = batch.images[:, 0].numpy()
    side = images.shape[-1]
    level = background(images)
    coarse = min(side, COARSE_PX)
    objects = np.where(radius_in_sides(side) <= 0.5, images - np.float32(level), np.float32(0))
    objects -= objects.mean((1, 2), keepdims=True)  # a brightness of its own is no content
    ratio = side / coarse
    reach = math.ceil(_REACH * model.prior_std_px(side) / ratio)
    search = Search(
        turns=_TURNS,
        shift_limit_px=max(2, min(_FARTHEST_PX, reach)),
        iterations=_ITERATIONS,
        seed=seed,
    )
    found = linear_content(
        fourier_crop(objects, coarse) if coarse < side else objects,
        min(model.z_dim + 1, len(images) - 1),  # one may go to what is not content
        search,
        None if batch.ctf is None else _transfer(batch.ctf, coarse, ratio),
        lambda share: check(),
    )
    parts = _scaled(found)
    return LinearModel(
        torch.from_numpy(parts),
        torch.from_numpy(_noise_std(images - np.float32(level), parts, batch.ctf)),
        torch.tensor([ratio * float(found.shift_px.std()), level], dtype=torch.float32),
    )


def _scaled(found: LinearContent) -> NDArray[np.float32]:
    """Return mean and components, these of what their scores have in variance, strongest first.

    A score that varies more than its prior says is one whose component came out too small. Images
    were given without their average brightness: behind each part is what it took off, and goes.
    """
    spread = np.maximum(1.0, found.score.std(0))
    components = found.components * spread[:, None, None]
    order = np.argsort(-np.square(components).sum((1, 2)))
    parts = np.concatenate([found.mean[None], components[order]])
    radius = radius_in_sides(parts.shape[-1])
    behind = parts[:, (radius > _OUTSIDE[0]) & (radius <= _OUTSIDE[1])].mean(1)
    parts -= behind[:, None, None] * soft_circle(parts.shape[-1])
    return parts.astype(np.float32)


def _noise_std(
    images: NDArray[np.float32], parts: NDArray[np.float32], ctf: Tensor | None
) -> NDArray[np.float32]:
    """Return the noise at each component of `rfft2`: what the signal leaves of a ring's power."""
    side, coarse = images.shape[-1], parts.shape[-1]
    rows, columns = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")
    ring = np.rint(np.hypot(rows, columns) * side).astype(np.int64)
    power = np.zeros(ring.shape)
    for some in np.array_split(images, max(1, len(images) // 256)):
        power += np.square(np.abs(np.fft.rfft2(some))).sum(0)
    cut = ring <= coarse // 2 - 1
    spectra = np.fft.rfft2(parts)
    rings = np.hypot(*np.meshgrid(np.fft.fftfreq(coarse), np.fft.rfftfreq(coarse), indexing="ij"))
    of_ring = _ring_means(np.square(np.abs(spectra)).sum(0), np.rint(rings * coarse).astype(int))
    signal = np.where(cut, of_ring[np.minimum(ring, len(of_ring) - 1)], 0) * (side / coarse) ** 4
    if ctf is not None:
        signal = signal * np.square(ctf_values(ctf[:256], side).numpy()).mean(0)
    inside = float((radius_in_sides(side) <= 0.5).mean()) if not images[:, 0, 0].any() else 1.0
    whole = _ring_means(power / len(images), ring)[ring] / inside
    left = np.maximum(whole - _ring_means(signal, ring)[ring], _LEAST_NOISE * whole)
    left[0, 0] = left[0, 1]  # the average of an image is its normalisation's
    return np.asarray(np.sqrt(left) / side, np.float32)


def _ring_means(values: NDArray[np.float64], ring: NDArray[np.int64]) -> NDArray[np.float64]:
    count = np.bincount(ring.ravel())
    means: NDArray[np.float64] = np.bincount(ring.ravel(), values.ravel()) / np.maximum(count, 1)
    return means


def _transfer(ctf: Tensor, coarse: int, ratio: float) -> NDArray[np.float32]:
    rows = ctf.clone()
    rows[:, -1] *= ratio  # the pixel is coarser
    return np.asarray(ctf_values(rows, coarse).numpy(), np.float32)
