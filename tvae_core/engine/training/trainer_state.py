"""What a run has reached: weights, optimiser, schedule and counters, saved and restored whole."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvae_core.config import RunConfig
from tvae_core.engine.data import PreparedImages
from tvae_core.engine.device import random_numbers_apart
from tvae_core.engine.model.checkpoint import Checkpoint
from tvae_core.engine.model.systems import build_model
from tvae_core.engine.model.target_vae import TERMS, TargetVae
from tvae_core.engine.training.linear_start import Lessons, LinearModel, noise_share
from tvae_core.engine.training.optimizer import Optimizer
from tvae_core.engine.training.step import Schedule, StepFigures
from tvae_core.errors import CheckpointError

CONTENT_WEIGHT = 0.1  # of KL_z at the first step, where it is warmed up
_NARROW_RAD = math.pi / 10  # half a turn costs 50 nats: such a prior needs no narrower start
_ALL_DONE = "epochs are done"
_COUNTERS = (
    "step",
    "epoch",
    "steps_in_epoch",
    "images_in_epoch",
    "skipped",
    "skipped_in_a_row",
    "lr_factor",
    "best",
    "stalled",
    "since_halving",
    "reason",
)


def initial_model(
    config: RunConfig,
    images: PreparedImages,
    mask: NDArray[np.bool_] | None,
    device: torch.device,
) -> TargetVae:
    """Return the untrained model of a run, the same for the same seed."""
    with random_numbers_apart(config.train.seed):
        inside = None if mask is None else torch.from_numpy(np.asarray(mask, dtype=bool))
        model = build_model(config.model, images.side, images.channels, inside)
    return model.to(device)


class TrainerState:
    """Everything that changes while a run is trained.

    Parameters
    ----------
    model : TargetVae
    config : RunConfig
    train_images : int
        Number of training images, which fixes the steps of an epoch.
    """

    def __init__(self, model: TargetVae, config: RunConfig, train_images: int) -> None:
        self.model, self.config = model, config
        self.steps_per_epoch = math.ceil(train_images / config.train.batch_size)
        self.optimizer = Optimizer(model, config.train)
        self.average: dict[str, Tensor] | None = None
        if config.train.weight_average:
            self.average = {k: p.detach().clone() for k, p in model.named_parameters()}
        self.step = self.epoch = self.steps_in_epoch = self.images_in_epoch = 0
        self.sums = self._no_sums()
        self._sums_read: list[float] | None = None  # where they are known to the host
        self.skipped = self.skipped_in_a_row = 0
        self.unread: list[tuple[int, StepFigures]] = []  # not known yet whether they were taken
        self.lr_factor, self.best = 1.0, -math.inf
        self.stalled = self.since_halving = 0
        self.reason = ""
        self.linear: LinearModel | None = None  # what the first steps are taught by (`teach`)
        self._taught_share = 0.0

    def _no_sums(self) -> Tensor:
        return torch.zeros(len(TERMS), dtype=torch.float64, device=self.model.points_px.device)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do; `reason` says why."""
        return bool(self.reason)

    def teach(self, linear: LinearModel) -> None:
        """Let the first steps be taught by a linear model."""
        self.linear = linear.to(self.model.points_px.device)
        self._taught_share = linear.given * self.config.train.taught_share

    def lessons(self) -> Lessons | None:
        """Return what the next step is taught, nothing where it learns from the images."""
        total = self._taught_share * self.steps_per_epoch * self.config.train.epochs
        if self.linear is None or self.step >= total:
            return None
        return Lessons(self.linear, noise_share(self.step / total))

    def schedule(self) -> Schedule:
        """Return rate, temperature and the weights of KL_z and log p(r) of the next step."""
        train = self.config.train
        share = self.step / max(1, self.steps_per_epoch * train.epochs)
        rate = train.learning_rate * self.lr_factor
        if train.schedule == "cosine":
            rate *= 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
        if train.warmup_steps:
            rate *= min(1.0, (self.step + 1) / train.warmup_steps)
        temperature = train.temperature + (train.temperature_end - train.temperature) * share
        weight = CONTENT_WEIGHT + (1 - CONTENT_WEIGHT) * _risen(share, train.content_warmup)
        narrow = 1.0
        if _wide_prior(self.config):
            narrow = train.rotation_start ** (-2 * (1 - _risen(share, train.rotation_warmup)))
        return Schedule(rate, temperature, weight * self.config.model.beta, narrow)

    def after_step(self, figures: StepFigures, images: int) -> None:
        """Count a step with its figures and move the average of the weights.

        Whether it was taken or skipped is counted when it is read (`read_steps`).
        """
        self.unread.append((self.step, figures))
        self.step += 1
        self.steps_in_epoch += 1
        self.images_in_epoch += images
        self.sums += figures.sums
        self._sums_read = None
        if self.average is not None:
            decay = min(self.config.train.weight_average, (1 + self.step) / (10 + self.step))
            parameters = [p.detach() for p in self.model.parameters()]
            torch._foreach_lerp_(list(self.average.values()), parameters, 1 - decay)

    def read_steps(self) -> Iterator[tuple[int, float]]:
        """Count what became of the steps since the last reading, which waits for the device.

        Yields each that was skipped, as its number and its ELBO, after it is counted.
        """
        unread, self.unread = self.unread, []
        if not unread:
            return
        finite = torch.stack([figures.finite for _, figures in unread]).double()
        elbo = torch.stack([figures.sums[0] for _, figures in unread])
        read = torch.cat([finite, elbo, self.sums]).tolist()  # all of it at once
        self._sums_read = read[2 * len(unread) :]
        for (step, _), taken, value in zip(unread, read, read[len(unread) :], strict=False):
            self.skipped += not taken
            self.skipped_in_a_row = 0 if taken else self.skipped_in_a_row + 1
            if not taken:
                yield step, value

    def epoch_means(self) -> dict[str, float]:
        """Return the ELBO and its parts, nats an image, over the epoch so far."""
        count = max(1, self.images_in_epoch)
        return {name: value / count for name, value in self._known_sums().items()}

    def _known_sums(self) -> dict[str, float]:
        if self._sums_read is None:
            self._sums_read = self.sums.tolist()
        return dict(zip(TERMS, self._sums_read, strict=True))

    def is_best(self, score: float) -> bool:
        """Return whether `score`, a finite ELBO, is the highest so far."""
        return score > self.best

    def after_epoch(self, score: float) -> None:
        """Close an epoch: halve the learning rate or stop when the ELBO stalls."""
        train = self.config.train
        if self.is_best(score):
            self.best, self.stalled, self.since_halving = score, 0, 0
        else:
            self.stalled += 1
            self.since_halving += 1
        if train.schedule == "plateau" and self.since_halving >= train.plateau_epochs:
            self.lr_factor *= 0.5
            self.since_halving = 0
        self.epoch += 1
        self.steps_in_epoch = self.images_in_epoch = self.skipped = 0
        self.sums, self._sums_read = self._no_sums(), None
        if self.epoch >= train.epochs:
            self.reason = f"all {train.epochs} {_ALL_DONE}"
        elif train.stop_epochs and self.stalled >= train.stop_epochs:
            self.reason = f"no improvement in {self.stalled} epochs"

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Put the averaged weights into the model for the time of the block."""
        kept = {k: p.detach().clone() for k, p in self.model.named_parameters()}
        with torch.no_grad():
            _copy(self.model, self.average or {})
        self.model.eval()
        try:
            yield
        finally:  # also where the work is stopped within: what is saved then is the training's
            self.model.train()
            with torch.no_grad():
                _copy(self.model, kept)

    def model_checkpoint(self) -> Checkpoint:
        """Return the weights as they stand in the model."""
        tensors = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        return Checkpoint(tensors, {"step": self.step, "epoch": self.epoch} | self._form())

    def _form(self) -> dict[str, int]:
        return {"side": self.model.side, "channels": self.model.channels}

    def checkpoint(self) -> Checkpoint:
        """Return everything, so that `restore` continues to the same bits."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in (self.average or {}).items()}
        tensors |= self.optimizer.tensors()
        if self.linear is not None:
            tensors |= {f"linear.{k}": v for k, v in self.linear.tensors().items()}
        values: dict[str, Any] = {name: getattr(self, name) for name in _COUNTERS} | self._form()
        values["sums"] = self._known_sums()
        values["best"] = None if math.isinf(self.best) else self.best
        if self.model.encoder.lifting is not None:
            values["lifting"] = self.model.encoder.lifting.method
            values["lifting_on"] = self.model.points_px.device.type
        return Checkpoint(tensors, values | {"adam_steps": self.optimizer.counts()})

    def restore(self, saved: Checkpoint) -> None:
        """Take up a checkpoint.

        Raises
        ------
        CheckpointError
            It belongs to another model.
        """
        parts = _by_prefix(saved.tensors)
        try:
            self.model.load_state_dict(parts["model"])
        except RuntimeError as error:
            line = str(error).splitlines()[0]
            raise CheckpointError(f"the checkpoint is of another model ({line})") from None
        if self.average is not None:
            for name, tensor in self.average.items():
                tensor.copy_(parts["average"][name])
        if "linear" in parts:
            self.teach(LinearModel(**parts["linear"]))
        self.optimizer.restore(parts, saved.values["adam_steps"])
        for name in _COUNTERS:
            setattr(self, name, saved.values.get(name, 0))  # 0: of an earlier version
        if self.reason.endswith(_ALL_DONE) and self.epoch < self.config.train.epochs:
            self.reason = ""  # more epochs are asked for than when it was finished
        self._sums_read = None
        self.sums = self.sums.new_tensor([saved.values["sums"][name] for name in TERMS])
        self.best = -math.inf if self.best is None else self.best
        if self.model.encoder.lifting is not None:
            same = saved.values.get("lifting_on") in (None, self.model.points_px.device.type)
            self.model.encoder.lifting.method = saved.values.get("lifting") if same else None


def _copy(model: TargetVae, values: dict[str, Tensor]) -> None:
    for name, parameter in model.named_parameters():
        if name in values:
            parameter.copy_(values[name])


def _by_prefix(tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        prefix, _, rest = name.partition(".")
        parts.setdefault(prefix, {})[rest] = tensor
    return parts


def _risen(share: float, warmup: float) -> float:
    """Return how much of a warm-up over `warmup` of the steps is over after `share` of them."""
    return min(1.0, share / warmup) if warmup else 1.0


def _wide_prior(config: RunConfig) -> bool:
    """Return whether a normal prior on rotation lets objects be taken for turned ones."""
    model = config.model
    return model.rotation_prior == "normal" and model.rotation_prior_std_rad > _NARROW_RAD
