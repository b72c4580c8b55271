"""Long work in the background, with progress and a cancel that is obeyed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from tvae_core.errors import Cancelled
from tvae_core.progress import Cancel
from tvae_core.work.request import Progress

Work = Callable[[Progress, Cancel], Any]


class BackgroundJob(QObject):
    """One piece of work on a thread of its own.

    Signals: progressed(share, words), finished(result), failed(error), ended(). All arrive on the
    owner's thread. A result that comes after `cancel` is dropped.
    """

    progressed = pyqtSignal(float, str)
    finished = pyqtSignal(object)
    failed = pyqtSignal(object)
    ended = pyqtSignal()
    _came = pyqtSignal(bool, object)

    def __init__(self, title: str, work: Work, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.title = title
        self._work = work
        self._cancel = threading.Event()
        self._came.connect(self._on_came)
        self._thread = threading.Thread(target=self._run, name=f"job {title}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def cancel(self) -> None:
        """Ask the work to stop; it says Cancelled when it does."""
        self._cancel.set()

    @property
    def cancelled(self) -> bool:
        """Whether cancel was asked for."""
        return self._cancel.is_set()

    def join(self, timeout_s: float = 10.0) -> bool:
        """Wait for the thread; return whether it ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            result = self._work(self.progressed.emit, self._cancel.is_set)
        except Exception as error:  # noqa: BLE001 - handed to the one door for errors
            self._came.emit(False, error)
        else:
            self._came.emit(True, result)

    def _on_came(self, good: bool, answer: Any) -> None:
        if self.cancelled:
            self.failed.emit(Cancelled("stopped", todo=""))
        elif good:
            self.finished.emit(answer)
        else:
            self.failed.emit(answer)
        self.ended.emit()


class BackgroundJobs(QObject):
    """The jobs of one window: all are cancelled and joined before it closes."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._running: list[BackgroundJob] = []

    def run(
        self,
        title: str,
        work: Work,
        done: Callable[[Any], None],
        failed: Callable[[BaseException], None],
        progressed: Progress | None = None,
    ) -> BackgroundJob:
        """Start work; `done(result)` or `failed(error)` is called on this thread.

        `progressed(share, words)` is called on it meanwhile.
        """
        job = BackgroundJob(title, work, self)
        if progressed is not None:
            job.progressed.connect(progressed)
        job.finished.connect(done)
        job.failed.connect(failed)
        job.ended.connect(lambda: self._on_ended(job))
        self._running.append(job)
        job.start()
        return job

    @property
    def running(self) -> list[BackgroundJob]:
        """The jobs not yet ended."""
        return list(self._running)

    def stop(self) -> bool:
        """Cancel and join all; return whether all ended."""
        for job in self._running:
            job.cancel()
        ended = [job.join() for job in self._running]
        return all(ended)

    def _on_ended(self, job: BackgroundJob) -> None:
        if job in self._running:
            self._running.remove(job)
        job.deleteLater()
