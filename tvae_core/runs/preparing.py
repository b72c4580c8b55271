"""Prepared images of a run on disk: found in the cache, or filled by processes beside the training.

The first epoch reads what is there from the file and makes the rest itself; all images come rounded
to the file's pixel type, so what is there makes no difference to the bits of a run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import numpy as np
import psutil

from tvae_core import errors, words
from tvae_core.config import DataConfig
from tvae_core.errors import BusyError, Cancelled, DeviceError, FileError, TvaeError
from tvae_core.files import file_error
from tvae_core.images.pixel_forms import FORMS, Form
from tvae_core.images.prepared import PreparedStack
from tvae_core.images.prepared_cache import PreparedCache
from tvae_core.images.prepared_file import PreparedFile
from tvae_core.locks import held
from tvae_core.progress import Remark
from tvae_core.runs.costs import fits_in_memory
from tvae_core.runs.folder import RunFolder

_LOOK_EVERY_S = 1.0
_TRY_EVERY_S = 10.0
_MOST_WORKERS = 32
_NICE = 10
_WORKER_BYTES = 400e6  # NumPy, SciPy, a table and a few images
_MOST_STARTS = 5
_POLL_S = 0.1


def form_of(data: DataConfig) -> Form:
    """Return the pixel type of a run's prepared images; runs of older programs have float32."""
    return next((form for form in FORMS if form == data.kept_as), "float32")


def is_kept(images: PreparedStack, data: DataConfig) -> bool:
    """Return whether images are kept on disk between epochs: too many for memory, and wanted."""
    return data.kept_as != "none" and not fits_in_memory(len(images), images.channels, images.side)


def attach(run: RunFolder, images: PreparedStack, data: DataConfig) -> PreparedFile | None:
    """Let images be read from the file of them, if there is one; they are rounded in any case."""
    if not is_kept(images, data):
        return None
    form = form_of(data)
    file = PreparedCache().find(images, form, run.path)
    images.keep_in(form, file)
    return file


class Preparation:
    """The processes that fill the file of a run's prepared images.

    Parameters
    ----------
    run : RunFolder
        Its images are known (`keep_run_images`).
    images : PreparedStack
        Of which the file is.
    data : DataConfig
        How they are opened.
    workers : int
        Processes; 0: one less than there are cores, one at least, which leave the cores to
        whoever trains beside them.
    """

    def __init__(
        self, run: RunFolder, images: PreparedStack, data: DataConfig, workers: int = 0
    ) -> None:
        self._run, self._images, self._data = run, images, data
        self._wanted = workers
        self._workers: list[subprocess.Popen[str]] = []
        self._held = ExitStack()
        self._owns = False
        self._starts = 0
        self._looked_at = self._tried_at = -_TRY_EVERY_S
        self.ended = not is_kept(images, data)
        self.failure: TvaeError | None = None
        self.file: PreparedFile | None = None

    def begin(self) -> Iterator[Remark]:
        """Find or make the file and let the images be read from there; say so.

        Where there is no room for one, images are prepared in each epoch, rounded all the same.

        Raises
        ------
        ImageFileError
            The file is of other images than those that the run knows.
        """
        if self.ended:
            return
        form = form_of(self._data)
        self._images.keep_in(form, None)
        try:
            self.file = PreparedCache().file_of(self._images, form, self._run.path)
        except FileError as error:
            self.ended, self.failure = True, error
            yield Remark(f"prepared images are not kept, so each epoch makes them anew: {error}")
            return
        self._images.keep_in(form, self.file)
        size = words.size(self.file.about.bytes_on_disk)
        if self.file.is_complete:
            self.ended = True
            learn_all(self._images, self.file)
            yield Remark(f"prepared images are read from {self.file.folder} ({size}, {form})")
        else:
            yield Remark(f"prepared images are written to {self.file.folder} ({size}, {form})")

    def look(self) -> Iterator[Remark]:
        """Start processes where blocks are missing and nobody writes them; tell what has ended.

        Raises
        ------
        TvaeError
            The images themselves are at fault.
        """
        now = time.monotonic()
        if self.ended or self.file is None or now - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = now
        yield from self._look(self.file)

    def _look(self, file: PreparedFile) -> Iterator[Remark]:
        missing = len(file.missing())
        if not missing and not any(one.poll() is None for one in self._workers):
            self.close()
            learn_all(self._images, file)
            yield Remark(f"every prepared image is kept in {file.folder}")
        elif not self._owns:
            self._try_to_own(file)
        elif all(one.poll() is not None for one in self._workers):
            self._reap(file)
            if self.failure is not None:
                self.close()
                yield Remark(f"images that are not kept are made in each epoch: {self.failure}")
            else:
                self._start(file)

    def _try_to_own(self, file: PreparedFile) -> None:
        """Begin to write, unless another process does."""
        if time.monotonic() - self._tried_at < _TRY_EVERY_S:
            return
        self._tried_at = time.monotonic()
        try:
            self._held.enter_context(held(file.folder))
        except BusyError:
            return
        except FileError as error:
            self.failure = error
        self._owns = True

    def _start(self, file: PreparedFile) -> None:
        """Start as many processes as there is work, cores and memory for."""
        missing = len(file.missing())
        if not missing:
            return
        self._starts += 1
        if self._starts > _MOST_STARTS:
            self.failure = DeviceError("processes that prepare images ended one after the other")
            return
        count = min(missing, self._wanted or max(1, cores() - 1), _MOST_WORKERS)
        count = max(1, min(count, int(psutil.virtual_memory().available / _WORKER_BYTES)))
        task = {
            "run": str(self._run.path.absolute()),
            "data": self._data.model_dump(mode="json"),
            "folder": str(file.folder.absolute()),
            "step": count,
            "nice": 0 if self._wanted else _NICE,
        }
        try:
            for number in range(count):
                worker = _worker()
                self._workers.append(worker)
                assert worker.stdin is not None
                worker.stdin.write(json.dumps(task | {"first": number}) + "\n")
                worker.stdin.flush()
        except OSError as error:  # no memory for a process, or it ended at once
            self.failure = file_error(error, file.folder, "processes cannot be started")

    def _reap(self, file: PreparedFile) -> None:
        """Take what ended processes have said.

        Raises
        ------
        TvaeError
            The images themselves are at fault.
        """
        for worker in self._workers:
            assert worker.stdout is not None
            error = _said(worker.stdout.read())
            _closed(worker)
            if error is None:
                continue
            if not error.where.startswith(str(file.folder)) and not isinstance(error, DeviceError):
                self.close()
                raise error
            self.failure = error
        self._workers = []

    def fill(self, progress: Callable[[float, str], None], cancelled: Callable[[], bool]) -> None:
        """Wait until every block is there.

        Raises
        ------
        Cancelled
            `cancelled()` turned true; the blocks that are there stay.
        TvaeError
            They cannot be written, or the images themselves are at fault.
        """
        while not self.ended and self.file is not None:
            if cancelled():
                self.close()
                raise Cancelled("stopped; the images prepared so far are kept", self.file.folder)
            for _ in self.look():
                continue
            progress(self.file.share, "preparing images")
            time.sleep(_POLL_S)
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """End the processes; what they have written stays."""
        self.ended = True
        for worker in self._workers:
            worker.kill()
            _closed(worker)
        self._workers = []
        self._held.close()


def learn_all(images: PreparedStack, file: PreparedFile) -> None:
    """Let images be known by the fingerprints in a complete file, without reading them again.

    Raises
    ------
    ImageFileError
        One has changed since it was known.
    """
    every = np.arange(len(images))
    images.stack.told(every, file.prints(every))


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _worker() -> subprocess.Popen[str]:
    """Start a process that waits for its task; it computes with one thread."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return subprocess.Popen(
        [sys.executable, "-m", "tvae_core.runs.prepare_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | one,
    )


def _closed(worker: subprocess.Popen[str]) -> None:
    worker.wait()
    for stream in (worker.stdin, worker.stdout):
        if stream is not None:
            with suppress(OSError):  # it ended before it was told anything
                stream.close()


def _said(text: str) -> TvaeError | None:
    """Return the error that a process has printed, if it has."""
    if not text.strip():
        return None
    name, what, where, todo = json.loads(text.strip().splitlines()[-1])
    kind = getattr(errors, name, TvaeError)
    error: TvaeError = kind(what, where, todo)
    return error
