"""Originals behind the thumbnails of a gallery, read in the background while they are in view."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QObject, pyqtSignal

from tvae_core.errors import TvaeError
from tvae_core.progress import Cancel
from tvae_gui.jobs.latest_worker import LatestWorker

if TYPE_CHECKING:
    from tvae_core.work.originals import Originals

Array = NDArray[Any]
_SLOT, _CLOSING = "originals", "closing"
_PART_PIXELS = 1 << 18  # of originals read before the next look at whether they are still wanted


@dataclass(frozen=True)
class OriginalPictures:
    """Originals (n, s, s[, 3]) uint8 of the images `numbers`, in the levels of their thumbnails."""

    kind: str
    side: int
    numbers: Array
    levels: Array


@dataclass(frozen=True)
class NoOriginals:
    """These images keep their thumbnails, all where `numbers` is None, and why."""

    numbers: Array | None
    error: Exception


class OriginalJob(QObject):
    """Reads the images of one store on a thread of its own.

    Signals: arrived(OriginalPictures), refused(NoOriginals).
    """

    arrived = pyqtSignal(object)
    refused = pyqtSignal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path: Path | None = None
        self._reader = _Reader()
        self._worker = LatestWorker("originals", self)
        self._worker.answered.connect(self._on_answered)
        self._worker.failed.connect(lambda _, error: self.refused.emit(NoOriginals(None, error)))

    @property
    def idle(self) -> bool:
        """Whether nothing is being read."""
        return self._worker.idle

    def open(self, path: Path) -> None:
        """Read the images of another store from now on; its files are opened when asked for."""
        self.close()
        self._path = path

    def close(self) -> None:
        """Forget the store; its files are closed on their own thread."""
        self.drop()
        reader = self._reader

        def closing(_: Cancel) -> Iterator[object]:
            reader.close()
            yield from ()

        if self._path is not None:
            self._worker.ask(_CLOSING, closing)
        self._path = None

    def drop(self) -> None:
        """Stop reading what was asked for: it is not in view any more."""
        self._worker.forget(_SLOT)

    def ask(self, kind: str, side: int, numbers: Array) -> None:
        """Ask for originals of images, `raw` or `upright`, of `side` pixels; they come in parts."""
        path, reader = self._path, self._reader
        if path is None:
            return
        wanted = np.array(numbers, dtype=np.int64)

        def work(cancelled: Cancel) -> Iterator[object]:
            originals = reader.of(path)
            step = max(1, _PART_PIXELS // max(side, originals.side) ** 2)
            for start in range(0, len(wanted), step):
                if cancelled():
                    return
                yield from _read(originals, kind, side, wanted[start : start + step])

        self._worker.ask(_SLOT, work)

    def _on_answered(self, _: str, answer: object) -> None:
        refused = isinstance(answer, NoOriginals)
        (self.refused if refused else self.arrived).emit(answer)

    def stop(self) -> bool:
        """Join the thread and close the files."""
        ended = self._worker.stop()
        self._reader.close()
        return ended


class _Reader:
    """Keeps the images of the store asked for last open; used on the worker's thread alone."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._originals: Originals | None = None

    def of(self, path: Path) -> Originals:
        if self._originals is None or self._path != path:
            from tvae_core.work.originals import Originals  # every reader: not before it is needed

            self.close()
            self._originals, self._path = Originals(path), path
        return self._originals

    def close(self) -> None:
        if self._originals is not None:
            self._originals.close()
        self._originals = None


def _read(originals: Originals, kind: str, side: int, numbers: Array) -> Iterator[object]:
    """Yield originals; where one of them is refused, each alone, and which are refused."""
    try:
        yield OriginalPictures(kind, side, numbers, originals.read(kind, numbers, side))
    except (TvaeError, OSError) as error:
        if len(numbers) == 1:
            yield NoOriginals(numbers, error)
            return
        for number in numbers:
            yield from _read(originals, kind, side, np.array([number]))
