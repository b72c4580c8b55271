"""Thumbnails of a gallery: what the system has cached at once, the rest a moment later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QObject, pyqtSignal

from tvae_core.progress import Cancel
from tvae_core.thumbnails import ThumbnailFile
from tvae_gui.jobs.latest_worker import LatestWorker

Array = NDArray[Any]
AT_ONCE_S = 0.006  # of a frame of 16 ms
KINDS = ("raw", "upright")
_SLOT = "tiles"


class TileJob(QObject):
    """Reads the thumbnails of one store on the window's own thread while that is quick.

    Signals: arrived() when rows that were not there can now be read at once.
    """

    arrived = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._files: dict[str, ThumbnailFile] = {}
        self._worker = LatestWorker("tiles", self)
        self._worker.answered.connect(lambda *_: self.arrived.emit())

    @property
    def idle(self) -> bool:
        """Whether nothing is being read."""
        return self._worker.idle

    def open(self, path: Path, has_thumbnails: bool) -> None:
        """Read from another store from now on."""
        self.close()
        if has_thumbnails:
            self._files = {kind: ThumbnailFile(path, kind) for kind in KINDS}

    def close(self) -> None:
        """Forget the store."""
        self._worker.forget(_SLOT)
        self._files.clear()

    def tiles(self, kind: str, numbers: Array) -> tuple[Array, Array]:
        """Return thumbnails (n, h, w[, 3]) uint8 of images, and which of them are there.

        The others are read in the background; `arrived` follows.
        """
        file = self._files.get(kind)
        if file is None:
            return np.zeros((len(numbers), 1, 1), np.uint8), np.zeros(len(numbers), dtype=bool)
        rows, there = file.read(numbers, AT_ONCE_S)
        if not there.all():
            missing = np.asarray(numbers)[~there]

            def work(cancelled: Cancel) -> Iterator[object]:
                file.warm(missing, cancelled)
                yield len(missing)

            self._worker.ask(_SLOT, work)
        return rows, there

    def stop(self) -> bool:
        """Join the thread and close the files."""
        ended = self._worker.stop()
        self.close()
        return ended
