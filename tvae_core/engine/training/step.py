"""One optimiser step: micro-batches that fit the device, noise keyed by image and step.

Several ranks take a step together (`SharedStep`): each has its share of the batch, and the gradient
and the figures are those of the whole.

Shapes: B batch, C channels, H W image, P pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tvae_core.config import RunConfig
from tvae_core.engine.data import Batch, Indices
from tvae_core.engine.device import full_precision, mixed_precision, working_set_bytes
from tvae_core.engine.model.noise import Noise
from tvae_core.engine.model.posterior import Posterior, kl_terms
from tvae_core.engine.model.sampling import (
    LatentSample,
    cells_sample,
    gumbel_softmax_sample,
    log_density,
)
from tvae_core.engine.model.target_vae import TERMS, ElboTerms, TargetVae
from tvae_core.engine.together.ranks import ALONE, Ranks, apart
from tvae_core.engine.training.linear_start import Lesson, Lessons
from tvae_core.engine.training.optimizer import Optimizer, Steps, set_rate
from tvae_core.runs import costs


@dataclass(frozen=True)
class StepFigures:
    """What a step gave: sums over its images of what `TERMS` names, (6,) nats, on the device.

    `finite` (a truth, there too) is false where the weights were left as they are.
    """

    sums: Tensor
    finite: Tensor

    @property
    def taken(self) -> bool:
        """Whether the weights were changed; reading it waits for the device."""
        return bool(self.finite)

    @property
    def elbo(self) -> float:
        """The ELBO summed over the images; reading it waits for the device."""
        return float(self.sums[0])


@dataclass(frozen=True)
class Schedule:
    """Learning rate, temperature, weight of KL_z and of log p(r) at one step."""

    learning_rate: float
    temperature: float
    content_weight: float = 1.0
    rotation_weight: float = 1.0


class _Terms(nn.Module):
    """What is maximised, as a module, whose gradients DistributedDataParallel averages."""

    def __init__(self, model: TargetVae, config: RunConfig) -> None:
        super().__init__()
        self.model, self.config = model, config

    def forward(
        self,
        part: Batch,
        schedule: Schedule,
        noise: Noise,
        pixels: Tensor | None,
        lessons: Lessons | None,
    ) -> tuple[ElboTerms, Tensor]:
        """Return the terms of images, and what is maximised of each."""
        if lessons is None:
            return _seen(self.model, part, self.config, schedule, noise, pixels)
        return _taught(self.model, lessons.draw(self.model, part, noise), part, pixels)


class SharedStep:
    """What the ranks of a run need to take a step together; alone, it shares nothing.

    Parameters
    ----------
    model : TargetVae
        As it will be trained: its weights become those of rank 0.
    config : RunConfig
    ranks : Ranks
    """

    def __init__(self, model: TargetVae, config: RunConfig, ranks: Ranks = ALONE) -> None:
        self.ranks = ranks
        self.terms = ranks.averaging(_Terms(model, config))

    def share(self, batch: Indices) -> Indices:
        """Return this rank's images of a batch; where there are too few for all, one that is.

        Its weight is then zero (`weight`): every rank must take part in every step.
        """
        mine = self.ranks.share(batch)
        return mine if len(mine) else batch[:1]

    def weight(self, images: int) -> float:
        """Return the weight of this rank's images in a batch of so many."""
        return 1.0 if self.ranks.rank < images else 0.0


def micro_batch_size(model: TargetVae, config: RunConfig, device: torch.device) -> int:
    """Return how many images' activations fit the device's working set."""
    pixels, cells = len(model.compared), len(model.positions_px)
    room = working_set_bytes(device)
    return costs.micro_batch_size(model.model, config.train, pixels, cells, room)


def draw(
    model: TargetVae,
    posterior: Posterior,
    config: RunConfig,
    temperature: float,
    noise: Noise,
) -> LatentSample:
    """Draw the training samples of a posterior as the config says."""
    samples = config.train.samples
    with full_precision(posterior.log_q.device):
        if config.train.sampler == "cells":
            return cells_sample(posterior, model.cells, samples, noise)
        return gumbel_softmax_sample(posterior, model.cells, temperature, samples, noise)


def pixel_subset(model: TargetVae, share: float, noise: Noise) -> Tensor | None:
    """Return a random share of the compared pixels, None for all; `noise` is that of the step."""
    if share >= 1:
        return None
    count = len(model.compared)
    order = noise.uniform(count)[0].argsort()
    return model.compared[order[: max(1, round(share * count))]]


def train_step(
    model: TargetVae,
    optimizer: Steps,
    batch: Batch,
    config: RunConfig,
    schedule: Schedule,
    step: int,
    micro_batch: int,
    check: Callable[[], None],
    lessons: Lessons | None = None,
    *,
    shared: tuple[SharedStep, int] | None = None,
) -> StepFigures:
    """Take a step on a batch, or with `lessons` on as many images drawn by the linear model.

    The step is skipped, and the weights stay as they are, where the ELBO or the gradient is not
    finite. `check` is called between micro-batches and may raise to give the step up: weights
    change only at the very end. `shared` says how many images the batch has of which this rank is
    given its share.
    """
    set_rate(optimizer, schedule.learning_rate)
    optimizer.zero_grad(set_to_none=True)
    device = model.points_px.device
    seed = config.train.seed
    pixels = pixel_subset(model, config.train.pixel_share, Noise.of_step(seed, step, device))
    together, count = shared or (SharedStep(model, config), len(batch))
    weight, ranks = together.weight(count), together.ranks
    sums = torch.zeros(len(TERMS), dtype=torch.float64, device=device)
    with model.encoder.one_bank():
        parts = list(batch.numbered(device).split(micro_batch))
        for number, part in enumerate(parts, 1):
            check()
            part = part.to(device)
            noise = Noise(seed, step, part.numbers)
            with apart(together.terms) if number < len(parts) else nullcontext():
                with mixed_precision(device):
                    terms, wanted = together.terms(part, schedule, noise, pixels, lessons)
                loss = -wanted.sum() * (weight * ranks.size) / count  # gradients are averaged
                loss.backward()
            sums += terms.sums() * weight
    sums = ranks.summed(sums)
    check()
    norm = _clipped(model, config.train.clip_gradient)
    finite = (norm + sums[0]).isfinite()
    _change(optimizer, finite)
    return StepFigures(sums, finite)


def _change(optimizer: Steps, finite: Tensor) -> None:
    """Move the weights where `finite` says so; a GPU decides by itself, and nobody waits for it."""
    if finite.is_cuda and isinstance(optimizer, Optimizer):
        optimizer.step(unless=~finite)
    elif finite:
        optimizer.step()


def _seen(
    model: TargetVae,
    part: Batch,
    config: RunConfig,
    schedule: Schedule,
    noise: Noise,
    pixels: Tensor | None,
) -> tuple[ElboTerms, Tensor]:
    """Return the ELBO's terms of images, and what is maximised of each.

    In what is maximised KL_z has its weight, and the prior on rotation its deviation of this step.
    """
    prior = model.prior
    if schedule.rotation_weight != 1.0:
        prior = prior.narrowed(schedule.rotation_weight)
    posterior = model.infer(part.images, prior)
    sample = draw(model, posterior, config, schedule.temperature, noise)
    terms = model.elbo_terms(part.images, posterior, sample, pixels, part.ctf)
    wanted = terms.elbo + (1.0 - schedule.content_weight) * terms.kl.content
    if schedule.rotation_weight != 1.0:
        wanted = wanted + terms.kl.pose - kl_terms(posterior, prior).pose
    return terms, wanted


def _taught(
    model: TargetVae, lesson: Lesson, part: Batch, pixels: Tensor | None
) -> tuple[ElboTerms, Tensor]:
    """Return the terms of drawn images, and log p(picture | latents) + log q(latents | image).

    Where the likelihood has no deviation of its own to learn, the generator is shown the picture
    without its noise: the gradient is the same in the mean, and quiet.
    """
    posterior = model.infer(lesson.images)
    known = model.model.likelihood == "gaussian"
    shown = lesson.pictures if known else lesson.images
    fit = model.log_likelihood(shown, lesson.latents, pixels, part.ctf)[:, 0]
    found = log_density(posterior, model.cells, lesson.latents)[:, 0]
    off = (lesson.images - shown).square().sum((1, 2, 3)) / (2 * model.model.noise_std**2)
    return ElboTerms(fit - off, kl_terms(posterior, model.prior)), fit + found


def _clipped(model: TargetVae, limit: float) -> Tensor:
    """Return the norm of the gradient, and bring the gradient down to it where `limit` is set."""
    parameters = [p for p in model.parameters() if p.grad is not None]
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if limit:
        torch.nn.utils.clip_grads_with_norm_(parameters, limit, norm)
    return norm
