"""What is known of one run while it trains: fed with progress records, evented, no Qt."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from tvae_core import words
from tvae_core.analysis.verdict import Verdict
from tvae_core.progress import (
    Embedded,
    Epoch,
    Failed,
    Finished,
    Judged,
    Preview,
    Record,
    Started,
    Step,
)
from tvae_core.runs.advice import settings_again
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.job import live_job
from tvae_core.runs.process import last_words, tail_of
from tvae_core.runs.status import RunStatus, log_words, read_record, says_stopped
from tvae_core.words import count

METRICS: dict[str, str] = {
    "elbo": "ELBO",
    "validation_elbo": "ELBO, validation",
    "log_likelihood": "log-likelihood",
    "kl_pose": "KL of pose",
    "kl_angle": "KL of angle",
    "kl_shift": "KL of shift",
    "kl_content": "KL of content",
    "learning_rate": "learning rate",
    "temperature": "temperature",
}

_LOG_LINES = 2000
_STEP_START = '{"kind": "step"'
_PREVIEW_KINDS = ("decoded_grid", "pairs", "latents")
_RESUME = "Resume continues from the last checkpoint."
_RESTART = "Resume starts from the beginning: there is no checkpoint yet."


class TrainingState:
    """One run: its status, history, previews and log.

    Signals
    -------
    status_changed(RunStatus)
    progress_changed()
        A step, an epoch or embedded images.
    epochs_changed()
        The history grew or was cut by a resume.
    preview_added(Preview)
    log_added(str)
        Whole lines.
    """

    status_changed = Signal(object)
    progress_changed = Signal()
    epochs_changed = Signal()
    preview_added = Signal(object)
    log_added = Signal(str)

    def __init__(self, run: Path | str) -> None:
        self.folder = RunFolder(Path(run))
        self.status = RunStatus.QUEUED
        self.is_slow_to_stop = False
        self.reason = ""
        self.todo = ""
        self.store: Path | None = None
        self.started: Started | None = None
        self.step: Step | None = None
        self.embedded: Embedded | None = None
        self.judged: Judged | None = None
        self.epochs: list[Epoch] = []
        self.previews: list[Preview] = []
        self.log: deque[str] = deque(maxlen=_LOG_LINES)

    @classmethod
    def from_folder(cls, run: Path | str) -> TrainingState:
        """Return the state of a run as its folder tells it."""
        state = cls(run)
        state.feed_lines(_lines_of(state.folder.progress))
        if state.folder.metrics_are_ahead():
            state.feed_metrics(_lines_of(state.folder.metrics))
        state.feed_log(tail_of(state.folder.log_file))
        state.settle()
        return state

    def settle(self) -> None:
        """Bring the status in line with whether the run's process lives, and find previews."""
        if not self.previews:
            self._find_previews()
        if self.judged is None:
            self._find_verdict()
        job = live_job(self.folder.path)
        if job is not None and job.waits:
            self._set_status(RunStatus.QUEUED, job.words)
        elif not self.folder.works():
            self.process_ended()
        elif not self.status.is_live:
            self._set_status(RunStatus.RUNNING)

    # ------------------------------------------------------------------------------- feeding

    def feed_lines(self, lines: Iterable[str]) -> None:
        """Take lines that the process printed; what is no record goes to the log."""
        held: str | None = None
        records: list[Record] = []
        for line in lines:
            if line.startswith(_STEP_START):
                held = line  # only the last of many steps matters
                continue
            records += self._parsed(held) + self._parsed(line)
            held = None
        for record in records + self._parsed(held):
            self.feed(record)

    def feed_metrics(self, lines: Iterable[str]) -> None:
        """Take lines of metrics.jsonl, of runs that were not started here: later epochs only."""
        for record in [record for line in lines for record in self._parsed(line)]:
            if isinstance(record, Epoch) and record.epoch > self.last_epoch:
                self._take_epoch(record)

    def feed(self, record: Record) -> None:
        """Take one progress record."""
        match record:
            case Started():
                self._take_started(record)
            case Step():
                self.step = record
                self._at_work()
                self.progress_changed.emit()
            case Epoch():
                self._at_work()
                self._take_epoch(record)
            case Preview():
                self._take_preview(record)
            case Embedded():
                self.embedded = record
                self._at_work()
                self.progress_changed.emit()
            case Judged():
                self.judged = record
                self.progress_changed.emit()
            case Finished():
                self._take_finished(record)
            case Failed():
                self._take_failed(record)

    def feed_log(self, text: str) -> None:
        """Take lines for the log pane."""
        lines = [said for line in text.splitlines() if (said := log_words(line))]
        self.log.extend(lines)
        if lines:
            self.log_added.emit("\n".join(lines))

    def launched(self) -> None:
        """Say that a process was started which has not spoken yet."""
        self.step = self.embedded = None
        self._set_status(RunStatus.QUEUED)

    def stopping(self) -> None:
        """Say that the process was asked to stop."""
        self.is_slow_to_stop = False
        self._set_status(RunStatus.STOPPING)

    def slow_to_stop(self) -> None:
        """Say that the process was asked to stop and has not yet."""
        self.is_slow_to_stop = True
        self.feed_log("The process has not ended yet: it is writing, or waits for the disk.")
        self.status_changed.emit(self.status)

    def process_ended(self) -> None:
        """Say that no process works for this run; decides how it ended when nothing said so."""
        if self.status in (RunStatus.STOPPED, RunStatus.FINISHED, RunStatus.FAILED):
            return
        if self.status is RunStatus.STOPPING:
            self._set_status(RunStatus.STOPPED, todo=_RESUME)
        elif self.folder.was_cut_off() or self.folder.never_spoke():
            self._set_status(RunStatus.FAILED, self._death_words(), self._death_remedy())
        elif self.folder.store.is_file():
            self.store = self.folder.store
            self._set_status(RunStatus.FINISHED)
        elif self.epochs or self.started:
            self._set_status(RunStatus.STOPPED, todo=_RESUME)

    def _find_verdict(self) -> None:
        """Take the verdict of a run that did not print here, as from a terminal."""
        found = Verdict.from_json(self.folder.verdict_text())
        if found is not None:
            again = settings_again(self.folder)
            self.judged = Judged(found.learned, found.words, again, True)

    # ------------------------------------------------------------------------------- reading

    @property
    def last_epoch(self) -> int:
        """Number of the last epoch that is done, -1 before the first."""
        return self.epochs[-1].epoch if self.epochs else -1

    @property
    def epochs_planned(self) -> int:
        """How many epochs the run may take, 0 while unknown."""
        if self.epochs and not self.started:
            return self.epochs[-1].epochs
        return self.started.epochs if self.started else 0

    @property
    def fraction(self) -> float | None:
        """Share of the present phase that is done, 0 to 1; None while unknown."""
        if self.status is RunStatus.FINISHED:
            return 1.0
        if self.embedded is not None:
            return self.embedded.done / max(1, self.embedded.total)
        if not self.epochs_planned:
            return None
        part = 0.0
        if self.step and self.step.epoch > self.last_epoch:
            part = self.step.step / max(1, self.step.steps)
        return min(1.0, (self._epochs_done() + part) / self.epochs_planned)

    @property
    def eta_s(self) -> float | None:
        """Seconds to the end of the present phase, None while unknown."""
        if not self.status.is_live:
            return None
        if self.embedded is not None:
            rate = self.embedded.images_per_second
            return (self.embedded.total - self.embedded.done) / rate if rate > 0 else None
        if self.step and self.step.epoch > self.last_epoch:
            return self.step.eta_s
        return self.epochs[-1].eta_s if self.epochs else None

    def _waiting_words(self) -> str:
        if (job := live_job(self.folder.path)) is not None:
            return job.words[:1].upper() + job.words[1:]
        return "Starting" if self.folder.process() else "Not started"

    @property
    def headline(self) -> str:
        """What the run is doing, in one line."""
        match self.status:
            case RunStatus.QUEUED:
                return self._waiting_words()
            case RunStatus.STOPPING:
                return "Stopping: writing a checkpoint"
            case RunStatus.STOPPED:
                return f"Stopped after {self._epoch_words()}"
            case RunStatus.FINISHED:
                return f"Finished after {self._epoch_words()}"
            case RunStatus.FAILED:
                if not self._epochs_done():
                    return "Failed before the first epoch finished"
                return f"Failed after {self._epoch_words()}"
        if self.embedded is not None:
            total = words.count(self.embedded.total, "image")
            return f"Embedding {count(self.embedded.done)} of {total}"
        return f"Training epoch {count(self._epochs_done() + 1)} of {count(self.epochs_planned)}"

    @property
    def images_per_second(self) -> float | None:
        """Training speed, None while unknown."""
        if self.step:
            return self.step.images_per_second
        if self.started and self.epochs and self.epochs[-1].seconds > 0:
            return self.started.images / self.epochs[-1].seconds
        return None

    def history(self, metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the epochs, counted from 1, and the values of a metric; missing ones left out."""
        values = [(e.epoch + 1, getattr(e, metric)) for e in self.epochs]
        known = [(x, y) for x, y in values if y is not None and math.isfinite(y)]
        table = np.array(known, dtype=np.float64).reshape(-1, 2)
        return table[:, 0], table[:, 1]

    def best(self) -> tuple[float, int] | None:
        """Return the best ELBO, of the validation images when there are any, and its epoch."""
        for metric in ("validation_elbo", "elbo"):
            epochs, values = self.history(metric)
            if len(values):
                index = int(np.argmax(values))
                return float(values[index]), int(epochs[index])
        return None

    def path_of(self, name: str) -> Path:
        """Return where a file that a record names lies now, also when the run was moved."""
        folder = self.folder.path
        inside = folder if name.endswith(".h5") else self.folder.previews
        return inside / Path(name).name

    # ------------------------------------------------------------------------------- taking

    def _parsed(self, line: str | None) -> list[Record]:
        if not line or not line.strip():
            return []
        try:
            return [read_record(line)]
        except (ValueError, TypeError, RecursionError):
            self.feed_log(line[:2000])
            return []

    def _take_started(self, record: Started) -> None:
        self.started = record
        self.step = self.embedded = None
        self.epochs = [e for e in self.epochs if e.epoch < record.first_epoch]
        self.previews = [p for p in self.previews if p.epoch < record.first_epoch]
        self._set_status(RunStatus.RUNNING)
        self.epochs_changed.emit()

    def _take_epoch(self, record: Epoch) -> None:
        while self.epochs and self.epochs[-1].epoch >= record.epoch:
            self.epochs.pop()
        self.epochs.append(record)
        self.epochs_changed.emit()
        self.progress_changed.emit()

    def _take_preview(self, record: Preview) -> None:
        while self.previews and self.previews[-1].epoch >= record.epoch:
            self.previews.pop()
        self.previews.append(record)
        self.preview_added.emit(record)

    def _find_previews(self) -> None:
        """List the previews of a run that printed no records here."""
        for grid in sorted(self.folder.previews.glob("decoded_grid_*.png"), key=_epoch_of):
            names = [f"previews/{kind}_{grid.stem.rpartition('_')[2]}" for kind in _PREVIEW_KINDS]
            self._take_preview(
                Preview(_epoch_of(grid), f"{names[0]}.png", f"{names[1]}.png", f"{names[2]}.npz")
            )

    def _take_finished(self, record: Finished) -> None:
        path = self.path_of(record.path)
        if path.suffix == ".h5":
            self.store = path
            self._set_status(RunStatus.FINISHED, record.reason)
        elif self.status is RunStatus.STOPPING or says_stopped(record.reason):
            self._set_status(RunStatus.STOPPED, todo=_RESUME)

    def _take_failed(self, record: Failed) -> None:
        if says_stopped(record.what):
            self._set_status(RunStatus.STOPPED, todo=_RESUME)
            return
        place = f" ({record.where})" if record.where else ""
        self._set_status(RunStatus.FAILED, record.what + place, record.todo)

    def _at_work(self) -> None:
        if not self.status.is_live:
            self._set_status(RunStatus.RUNNING)

    def _set_status(self, status: RunStatus, reason: str = "", todo: str = "") -> None:
        if (status, reason, todo) == (self.status, self.reason, self.todo):
            return
        self.status, self.reason, self.todo = status, reason, todo
        self.status_changed.emit(status)

    def _death_words(self) -> str:
        last = last_words(self.folder.log_file)
        said = f" Its last output: {last}" if last else ""
        if self.folder.never_spoke():
            return f"The training process ended before training began.{said}"
        return f"The training process was killed, or ended without an error message.{said}"

    def _death_remedy(self) -> str:
        if self.folder.never_spoke():
            return "See the log below for details."
        cause = "The usual cause is too little memory: try a smaller batch or smaller images."
        return f"{cause} {_RESUME if self.folder.has_checkpoint() else _RESTART}"

    def _epochs_done(self) -> int:
        return max(self.last_epoch + 1, self.started.first_epoch if self.started else 0)

    def _epoch_words(self) -> str:
        return words.count(self._epochs_done(), "epoch")


def _epoch_of(path: Path) -> int:
    number = path.stem.rpartition("_")[2]
    return int(number) if number.isdecimal() else 0


def _lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
