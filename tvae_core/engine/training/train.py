"""Training a run: a generator of progress records that can be stopped and resumed at any step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext

import numpy as np

from tvae_core import words
from tvae_core.analysis.verdict import Verdict, verdict
from tvae_core.config import DataConfig, RunConfig
from tvae_core.engine.data import (
    Batch,
    CachedImages,
    PreparedImages,
    Split,
    batch_of,
    epoch_batches,
    prefetch,
    split_images,
)
from tvae_core.engine.device import choose_device, cores, set_threads, tune_convolutions
from tvae_core.engine.judging.evaluate import mean_elbo
from tvae_core.engine.judging.learned import learning_figures
from tvae_core.engine.model.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_newest,
    model_bytes,
    save_checkpoint,
    save_step,
    step_name,
)
from tvae_core.engine.model.systems import compared_with, free_parameters
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.together.ranks import ALONE, Ranks, is_loss_of_a_rank
from tvae_core.engine.training import previews
from tvae_core.engine.training.centring import centre
from tvae_core.engine.training.linear_start import Found, LinearModel, find_linear_model
from tvae_core.engine.training.start import set_filters, unit_variance
from tvae_core.engine.training.step import SharedStep, micro_batch_size, train_step
from tvae_core.engine.training.trainer_state import TrainerState, initial_model
from tvae_core.errors import Cancelled, TrainingError
from tvae_core.files import write_bytes
from tvae_core.images.prepared import PreparedStack
from tvae_core.progress import Epoch, Finished, Judged, Preview, Record, Remark, Started, Step
from tvae_core.runs.advice import command_again, keep_verdict, try_again
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.images import keep_run_images, more_images, open_images_of_run, place_of_images
from tvae_core.runs.pace import TOLD_AFTER, Pace, shorter
from tvae_core.runs.preparing import Preparation

_STEP_REPORT_S = 0.5
_READ_EVERY, _SLOW_REPORT_S = 50, 2.0  # steps; on a GPU, where to read is to wait
_MOST_SKIPPED = 20  # steps in a row, each on other images: the weights are past help
_FEWEST_JUDGED = 8  # held-out images; with fewer, those trained on are looked at as well
_WORTH_TELLING_S, _LONG_S = 60.0, 600.0
_JUDGED_EVERY = 15  # times as long as it takes
_FIRST_IMAGES = 64  # on which the start is scaled
_CENTRED_ON = 1000  # images, each looked at twice


def train(
    run: RunFolder,
    resume: bool = False,
    cancelled: Callable[[], bool] = lambda: False,
    images_at: str = "",
    ranks: Ranks = ALONE,
) -> Iterator[Record]:
    """Train the run in `run` from its config and yield progress records.

    Ends when the epochs are done or the loss stalls (paper section 4.1). When `cancelled()` turns
    true, a checkpoint of the last whole step is written and `Cancelled` raised.

    Parameters
    ----------
    run : RunFolder
    resume : bool
        Go on with a run that was begun.
    cancelled : callable
    images_at : str
        Where the images of the run are now, when they have moved.
    ranks : Ranks
        Which of the processes that train it this is; rank 0 alone writes.

    Raises
    ------
    ImageFileError
        The images are not those that the run was begun with.
    TrainingError
        The ELBO is not finite (the last good checkpoint is kept), or the run was already started.
    Cancelled
        `cancelled()` turned true.
    """
    config = run.config()
    if run.begun and not resume:
        raise TrainingError(
            "the run was already started", run.path, "add --resume, or choose another folder"
        )
    with run.locked() if ranks.is_first else nullcontext():
        set_threads(ranks.threads(config.train.threads, cores()))
        through_ctf = config.model.ctf == "likelihood"
        data = place_of_images(run, config.data, images_at)
        with open_images_of_run(run, data, through_ctf) as images:
            yield from _trained(run, config, data, images, cancelled, images_at, ranks)


def _trained(
    run: RunFolder,
    config: RunConfig,
    data: DataConfig,
    images: PreparedStack,
    cancelled: Callable[[], bool],
    images_at: str,
    ranks: Ranks,
) -> Iterator[Record]:
    """Train on images that are open, prepared once and kept where they are too many for memory."""
    known = images.stack
    known.require_all()
    known.described()  # what the store will hold of the table: refused now or never
    if more := more_images(known):
        yield Remark(more)

    def keep() -> None:
        if ranks.is_first:
            keep_run_images(run, known.identity, images_at)

    keep()
    with closing(Preparation(run, images, data)) as preparation:
        begun = list(preparation.begin()) if ranks.is_first else []
        ranks.wait()
        yield from begun if ranks.is_first else preparation.begin()
        trainer = Trainer(run, config, images, cancelled, keep, ranks)
        keep()
        for record in trainer.records():
            yield record
            if ranks.local == 0:  # one on each machine, which may have a disk of its own
                yield from preparation.look()
    keep()


class Trainer:
    """One run in progress.

    Parameters
    ----------
    run : RunFolder
    config : RunConfig
    images : PreparedImages
        All images of the run, of which the split takes its parts.
    cancelled : callable
        Asked between micro-batches whether to stop.
    on_save : callable
        Told that a checkpoint is written.
    ranks : Ranks
        Which of the processes that train the run this is. All take every step together; what is
        written, judged and told is rank 0's.
    """

    def __init__(
        self,
        run: RunFolder,
        config: RunConfig,
        images: PreparedImages,
        cancelled: Callable[[], bool],
        on_save: Callable[[], None] = lambda: None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.run, self.config, self._cancelled, self._on_save = run, config, cancelled, on_save
        self.ranks = ranks
        self.device = choose_device(config.train.device, ranks.local, ranks.local_size)
        tune_convolutions(self.device)
        self.images, self._prepared = CachedImages(images), images
        self.split: Split = split_images(len(images), config.data, config.train.seed)
        mask = getattr(images, "mask", None)
        self.model: TargetVae = initial_model(config, self.images, mask, self.device)
        if config.train.compile and self.device.type == "cuda":
            self.model.generator.compile()
        saved = self._newest()
        if saved is None and config.train.start == "unit-variance":
            some = self.split.train[:: -(-len(self.split.train) // _FIRST_IMAGES)]
            unit_variance(
                self.model, batch_of(self.images, some).to(self.device), config.train.seed
            )
        self.state = TrainerState(self.model, config, len(self.split.train))
        if saved is not None:
            self.state.restore(saved)
        self._new = saved is None
        self.model.encoder.same_lifting(ranks, trained=True)
        self._shared = SharedStep(self.model, config, ranks)
        self.micro_batch = ranks.told(micro_batch_size(self.model, config, self.device))
        self._saved_at = time.monotonic()
        self._judging_s = 0.0
        self._pace, self._told = Pace(), False

    def _newest(self) -> Checkpoint | None:
        """Return the newest sound checkpoint: the one that rank 0 finds."""
        folder = self.run.checkpoints
        saved = load_newest(folder) if self.ranks.is_first else None
        step = self.ranks.told(None if saved is None else saved.values["step"])
        if self.ranks.is_first or step is None:
            return saved
        return load_checkpoint(folder, step_name(step))

    def records(self) -> Iterator[Record]:
        """Train to the end, yielding records."""
        began = time.monotonic()
        epochs = self.config.train.epochs
        yield Started(
            str(self.run.path),
            len(self.images),
            epochs,
            str(self.device),
            free_parameters(self.model),
            self.state.epoch,
            self.config.model.system,
            compared_with(self.model),
        )
        yield from self._first_found()
        while not self.state.finished:
            yield from self._epoch()
        if not self.ranks.is_first:
            return
        self._finish()
        yield self._judged(final=True)
        seconds = time.monotonic() - began
        yield Finished(str(self.run.model), self.state.reason, seconds)

    def _first_found(self) -> Iterator[Record]:
        """Find the linear model that teaches a new run, where it is asked for; say so."""
        if not self._new or self.config.train.content_start == "none":
            return
        found = Found(None, "")
        if self.ranks.is_first:
            found = find_linear_model(self.images, self.split.train, self.config, self._check_early)
        linear = found.linear
        parts = self.ranks.tensors_of_first({} if linear is None else linear.tensors())
        if parts:
            self.state.teach(linear := LinearModel(**parts))
            set_filters(self.model, linear.to(self.device))
            self.ranks.from_first(self.model.parameters())
        yield Remark(found.words)

    def _epoch(self) -> Iterator[Record]:
        state, began = self.state, time.monotonic()
        batches = epoch_batches(
            self.split.train, self.config.train.batch_size, self.config.train.seed, state.epoch
        )
        remaining = batches[state.steps_in_epoch :]
        reported = began
        self._pace.begin()
        mine = [self._shared.share(batch) for batch in remaining]
        for batch, part in zip(remaining, prefetch(self.images, mine, self.device), strict=True):
            self._step(part, len(batch))
            self._pace.step(len(batch))
            yield from self._time_to_go()
            waited = time.monotonic() - reported
            if self.device.type == "cpu" or self._is_due(waited):
                self._read_steps()
            if not self.state.unread and waited > _STEP_REPORT_S:
                reported = time.monotonic()
                yield self._step_record(len(batches))
            self._save_when_due()
        try:
            yield from self._close_epoch(began)
        except Cancelled:
            self.save()
            raise
        self._pace.end()

    def _step(self, batch: Batch, images: int) -> None:
        """Take a step on a batch of so many images, of which `batch` is this rank's share."""
        state = self.state
        try:
            figures = train_step(
                self.model,
                state.optimizer,
                batch,
                self.config,
                state.schedule(),
                state.step,
                self.micro_batch,
                self._check,
                state.lessons(),
                shared=(self._shared, images),
            )
        except Cancelled:
            self.save()
            raise
        except RuntimeError as error:
            if self.ranks.is_first and is_loss_of_a_rank(error):
                self.save()  # the weights are those of the last whole step
            raise
        state.after_step(figures, images)

    def _is_due(self, waited_s: float) -> bool:
        """Return whether it is time to wait for a GPU, to learn what became of its steps."""
        return len(self.state.unread) >= _READ_EVERY or waited_s > _SLOW_REPORT_S

    def _read_steps(self) -> None:
        """Learn which of the last steps were skipped.

        Raises
        ------
        TrainingError
            One had an ELBO that is not finite, or too many in a row were skipped.
        """
        for step, elbo in self.state.read_steps():
            if not math.isfinite(elbo):
                raise TrainingError(
                    f"the ELBO became {elbo} at step {step}",
                    self.run.path,
                    "the last good checkpoint is kept; lower train.learning_rate",
                )
            if self.state.skipped_in_a_row >= _MOST_SKIPPED:
                raise TrainingError(
                    f"{_MOST_SKIPPED} steps in a row had a gradient that is not finite",
                    self.run.path,
                    "the last good checkpoint is kept; train again with a lower "
                    "train.learning_rate",
                )

    def _close_epoch(self, began: float) -> Iterator[Record]:
        self._read_steps()
        state, config = self.state, self.config
        means = state.epoch_means()
        schedule = state.schedule()
        validation = None
        with state.averaged_weights():
            if len(self.split.validation):
                size = min(256, self.micro_batch * 2)
                parts = mean_elbo(
                    self.model, self.images, self.split.validation, size,
                    check=self._check, ranks=self.ranks,
                )  # fmt: skip
                validation = parts["elbo"]
            judged = means if validation is None else parts
            score = judged["elbo"] - (config.model.beta - 1) * judged["kl_content"]
            if not math.isfinite(score):
                raise TrainingError(f"the validation ELBO became {score}", self.run.path)
            shown = list(self._shown(score, began)) if self.ranks.is_first else []
            self.ranks.check_agree(self.model)
        epoch, skipped = state.epoch, state.skipped
        state.after_epoch(score)
        seconds = time.monotonic() - began
        left = max(0, config.train.epochs - state.epoch)
        record = Epoch(
            epoch=epoch,
            epochs=config.train.epochs,
            step=state.step,
            **means,
            validation_elbo=validation,
            learning_rate=schedule.learning_rate,
            temperature=schedule.temperature,
            seconds=seconds,
            eta_s=left * seconds,
            skipped=skipped,
        )
        if not self.ranks.is_first:
            return
        self.run.append_metrics(record)
        if state.finished:
            self.save()
        yield record
        yield from shown

    def _shown(self, score: float, began: float) -> Iterator[Record]:
        """Keep the weights that stand in the model if they are the best, and show what they do."""
        state = self.state
        if state.is_best(score):
            save_checkpoint(self.run.checkpoints, "best", state.model_checkpoint())
        yield previews.write(self.run, self.model, self.images, self.config, state.epoch)
        if time.monotonic() - began > _JUDGED_EVERY * self._judging_s:
            yield self._judged()

    def _judged(self, final: bool = False) -> Judged:
        """Return what the weights that stand in the model have learned; keep it in the run."""
        began = time.monotonic()
        held_out = self.split.validation
        if len(held_out) < _FEWEST_JUDGED:
            held_out = np.concatenate([held_out, self.split.train])
        self.model.eval()
        figures = learning_figures(
            self.model, self.images, held_out, len(self.split.train), turned=final
        )
        found: Verdict = verdict(figures)
        stack = getattr(self._prepared, "stack", None)
        settings = try_again(found, self.config, stack) if final else {}
        keep_verdict(self.run, found, settings)
        self._judging_s = time.monotonic() - began
        again = command_again(self.run, settings)
        return Judged(found.learned, found.words, settings, final, again)

    def save(self) -> str:
        """Write a checkpoint of the last whole step and return its SHA-256."""
        self._read_steps()
        self._saved_at = time.monotonic()
        self._on_save()
        return save_step(self.run.checkpoints, self.state.step, self.state.checkpoint())

    def _save_when_due(self) -> None:
        due = time.monotonic() - self._saved_at > 60 * self.config.train.checkpoint_minutes
        if due and self.ranks.is_first:
            self.save()

    def _check_early(self) -> None:
        if self._cancelled():
            what = "stopped while the linear model was sought; it is sought again"
            raise Cancelled(what, self.run.path, "add --resume")

    def _check(self) -> None:
        if self._cancelled():
            raise Cancelled("stopped; a checkpoint was written", self.run.path, "add --resume")

    def _step_record(self, steps: int) -> Step:
        state, rate = self.state, self._pace.images_per_second
        means = state.epoch_means()
        return Step(state.epoch, state.steps_in_epoch, steps, means["elbo"], rate, self._left_s())

    def _left_s(self) -> float:
        state, epochs = self.state, self.config.train.epochs - self.state.epoch
        images = len(self.split.train) * epochs - state.images_in_epoch
        return self._pace.left_s(images, epochs, len(self.images))

    def _time_to_go(self) -> Iterator[Record]:
        """Say once, after the first steps, how long it will take and what would shorten it."""
        if self._told or self._pace.steps < TOLD_AFTER:
            return
        self._told, left = True, self._left_s()
        if left < _WORTH_TELLING_S:
            return
        said = f"about {words.duration(left)} to go"
        ways = shorter(self.config, self.model.side, self.model.channels)
        if left > _LONG_S and ways:
            said += f"; what would shorten it: {', '.join(ways)}"
        yield Remark(said)

    def _finish(self) -> None:
        best = load_checkpoint(self.run.checkpoints, "best")
        self.model.load_state_dict(best.tensors)
        self.model.eval()
        some = self.split.train[:: -(-len(self.split.train) // _CENTRED_ON)]
        centre(self.model, batch_of(self.images, some), self._check)
        write_bytes(self.run.model, model_bytes(self.model))


__all__ = ["Preview", "Trainer", "train"]
