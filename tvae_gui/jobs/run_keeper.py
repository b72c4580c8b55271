"""All runs that the window knows at a time: one state and one job for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal

from tvae_core.config import RunConfig
from tvae_core.errors import TvaeError
from tvae_core.runs.folder import make_run
from tvae_core.runs.status import RunStatus
from tvae_gui.jobs.train_job import TRAIN_COMMAND, TrainJob
from tvae_gui.state.training_state import TrainingState


class RunKeeper(QObject):
    """Opens, starts, resumes and stops runs.

    Signals
    -------
    run_started(Path)
        A process was started for a run, new or resumed.
    run_ended(Path, RunStatus)
        A run that was followed while it worked stopped, finished or failed.
    all_stopped()
        `stop_all` was asked for and the last process ended.
    failed(TvaeError)
        Something could not be done.
    """

    run_started = pyqtSignal(object)
    run_ended = pyqtSignal(object, object)
    all_stopped = pyqtSignal()
    failed = pyqtSignal(object)

    def __init__(
        self, command: Sequence[str] = TRAIN_COMMAND, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._command = command
        self._jobs: dict[Path, TrainJob] = {}
        self._stopping_all = False

    def open(self, run: Path) -> TrainingState:
        """Return the state of a run, which is followed from now on."""
        job = self._jobs.get(run.resolve())
        if job is None:
            job = self._add(run.resolve())
            job.follow()
        return job.state

    def start(self, run: Path, config: RunConfig) -> TrainingState | None:
        """Make a new run's folder and start it; None, and `failed`, when that cannot be."""
        try:
            make_run(run, config.model_dump_json(indent=2) + "\n")
        except TvaeError as error:
            self.failed.emit(error)
            return None
        return self._launch(run.resolve(), resume=False)

    def resume(self, run: Path, images_at: str = "") -> TrainingState | None:
        """Go on with a run from its last checkpoint, or from its start when there is none.

        `images_at` says where its images are now, when they have moved.
        """
        begun = self._job(run).state.folder.begun
        return self._launch(run.resolve(), resume=begun, images_at=images_at)

    def stop(self, run: Path) -> None:
        """Ask a run to write a checkpoint and end."""
        self._job(run).stop()

    def working(self) -> list[Path]:
        """Return the runs whose processes live."""
        return [run for run, job in self._jobs.items() if job.state.folder.process() is not None]

    def stop_all(self) -> None:
        """Stop every run; `all_stopped` follows, at once when none works."""
        self._stopping_all = True
        for run in self.working():
            self.stop(run)
        self._tell_when_all_stopped()

    def detach(self) -> None:
        """Leave every run to itself and follow none."""
        for job in self._jobs.values():
            job.detach()
            job.deleteLater()
        self._jobs.clear()

    def _job(self, run: Path) -> TrainJob:
        return self._jobs.get(run.resolve()) or self._add(run.resolve())

    def _add(self, run: Path) -> TrainJob:
        job = TrainJob(TrainingState(run), self._command, self)
        job.ended.connect(lambda status: self._on_ended(run, status))
        self._jobs[run] = job
        return job

    def _launch(self, run: Path, resume: bool, images_at: str = "") -> TrainingState | None:
        job = self._job(run)
        try:
            job.launch(resume, images_at)
        except TvaeError as error:
            self.failed.emit(error)
            return None
        self.run_started.emit(run)
        return job.state

    def _on_ended(self, run: Path, status: RunStatus) -> None:
        self.run_ended.emit(run, status)
        self._tell_when_all_stopped()

    def _tell_when_all_stopped(self) -> None:
        if self._stopping_all and not self.working():
            self._stopping_all = False
            self.all_stopped.emit()
