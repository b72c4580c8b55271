"""The process of one run: started on its own, followed by reading what it writes, stopped.

The process is always detached, its records going to `progress.jsonl` and its other words to
`log.txt` of the run's folder. So it outlives the window, and a window that is opened again
follows it exactly as the one that started it did.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence

from PyQt6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, pyqtSignal

from tvae_core.errors import TrainingError, TvaeError
from tvae_core.files import write_text
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.job import cancel_job, live_job
from tvae_core.runs.process import mark
from tvae_core.work.train import TrainRequest
from tvae_gui.jobs.tail import Tail
from tvae_gui.state.training_state import TrainingState

TRAIN_COMMAND = (sys.executable, "-m", "tvae_core.cli.main", "train")

_FOLLOW_MS = 200
_IDLE_MS = 2000
_SLOW_AFTER_MS = 10_000
_AT_ONCE = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows knows one way only
_LOG_BYTES = 1 << 16


class TrainJob(QObject):
    """Starts, follows and stops the process of one run, feeding its state.

    Signals
    -------
    ended(RunStatus)
        A run that was followed while it worked stopped, finished or failed.
    """

    ended = pyqtSignal(object)

    def __init__(
        self,
        state: TrainingState,
        command: Sequence[str] = TRAIN_COMMAND,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.state = state
        self._command = tuple(command)
        self._progress = Tail(state.folder.progress)
        self._metrics = Tail(state.folder.metrics)
        self._log = Tail(state.folder.log_file, skip_to_last=_LOG_BYTES)
        self._is_caught_up = False
        self._was_working = False
        self._job_state = ""
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._look)
        self._slow = QTimer(self)
        self._slow.setSingleShot(True)
        self._slow.timeout.connect(self._say_slow)

    def launch(self, resume: bool = False, images_at: str = "") -> None:
        """Start the run's process, or start it again from its last checkpoint.

        `images_at` says where its images are now, when they have moved.

        Raises
        ------
        TrainingError
            A process works on this run already, or none could be started.
        """
        folder = self.state.folder
        if folder.works():
            raise TrainingError("this run is already training", folder.path, "stop it first")
        self._look()
        folder.forget_the_dead()  # a zombie's mark would look alive
        request = TrainRequest(folder=folder.path, resume=resume, images_at=images_at)
        start_detached(folder, self._command, request)
        self._was_working = True
        self.state.launched()
        self._timer.start(_FOLLOW_MS)

    def follow(self) -> None:
        """Read what the run has written and go on reading."""
        self._look()

    def stop(self) -> None:
        """Ask the process to write a checkpoint and end.

        It ends by itself within ten seconds. Where it does not, because the disk it writes to hangs
        or it is no program of ours, that is said, and asking again ends it at once.
        """
        number = _AT_ONCE if self.state.is_slow_to_stop else signal.SIGTERM
        if not self._signal(number):
            self.state.settle()
            return
        self.state.stopping()
        self._slow.start(_SLOW_AFTER_MS)
        self._timer.start(_FOLLOW_MS)

    def detach(self) -> None:
        """Stop following; the process goes on."""
        self._timer.stop()
        self._slow.stop()

    def _look(self) -> None:
        works = self.state.folder.works()
        self._read()
        if self._progress.at_end and not self._is_caught_up:
            self._catch_up(works)
        elif self._is_caught_up:
            self._follow_job()
        if self._was_working and not works:
            self._end()
        self._was_working = works
        waits = not works and self._is_caught_up
        self._timer.start(_IDLE_MS if waits else _FOLLOW_MS if self._is_caught_up else 0)

    def _follow_job(self) -> None:
        """Show that a run in a queue waits, works, or waits again."""
        job = live_job(self.state.folder.path)
        state = "" if job is None else job.state
        if state != self._job_state:
            self._job_state = state
            self.state.settle()

    def _read(self) -> None:
        self.state.feed_lines(self._progress.read())
        if self._progress.at_end and self.state.folder.metrics_are_ahead():
            self.state.feed_metrics(self._metrics.read())
        if lines := self._log.read():
            self.state.feed_log("\n".join(lines))

    def _catch_up(self, works: bool) -> None:
        self._is_caught_up = True
        if works or not self._was_working:
            self.state.settle()

    def _end(self) -> None:
        self._slow.stop()
        self.state.feed_lines(self._progress.read_rest())
        if rest := self._log.read_rest():
            self.state.feed_log("\n".join(rest))
        self.state.process_ended()
        self.ended.emit(self.state.status)

    def _say_slow(self) -> None:
        if self.state.folder.works():
            self.state.slow_to_stop()

    def _signal(self, number: signal.Signals) -> bool:
        try:
            folder = self.state.folder
            return cancel_job(folder.path) or folder.signal(number)
        except PermissionError:
            self.state.feed_log("The process belongs to another user and cannot be stopped here.")
        except TvaeError as error:
            self.state.feed_log(str(error))
        return False


def start_detached(folder: RunFolder, command: Sequence[str], request: TrainRequest) -> None:
    """Start the niced process of a run on its own and note its number in the folder.

    Raises
    ------
    TrainingError
        No process could be started.
    """
    _, _, *words = request.command()  # without `tvae train`, which `command` stands for
    arguments = [*command, *words, "--json"]
    if nice := shutil.which("nice"):
        arguments = [nice, "-n", "10", *arguments]
    process = QProcess()
    process.setProgram(arguments[0])
    process.setArguments(arguments[1:])
    process.setProcessEnvironment(_environment())
    process.setStandardInputFile(QProcess.nullDevice())
    append = QProcess.OpenModeFlag.Append
    folder.refuse_links()
    process.setStandardOutputFile(str(folder.progress), append)
    process.setStandardErrorFile(str(folder.log_file), append)
    began = time.time()
    started, pid = process.startDetached()
    if not started or not pid:
        raise TrainingError(
            "the training process could not be started", folder.path, "is the disk full?"
        )
    write_text(folder.launch_file, mark(pid))
    os.utime(folder.launch_file, (began, began))  # never later than the process's first word


def _environment() -> QProcessEnvironment:
    environment = QProcessEnvironment.systemEnvironment()
    environment.insert("PYTHONUNBUFFERED", "1")
    return environment
