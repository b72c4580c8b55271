"""Thumbnails of a gallery: what the system has cached at once, the rest a moment later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from tvae_core.errors import Cancelled, StoreError
from tvae_core.progress import Cancel
from tvae_core.thumbnails import ThumbnailFile
from tvae_gui.jobs.latest_worker import LatestWorker

if TYPE_CHECKING:
    from tvae_core.analysis.honest_resolution import PoseFreedom

Array = NDArray[Any]
AT_ONCE_S = 0.006  # of a frame of 16 ms
KINDS = ("raw", "upright")
MOST_OF_A_CLASS = 2_000  # images averaged for a card
FIRST = 6  # images shown on a card
_SLOT, _CLASSES = "tiles", "classes"


@dataclass(frozen=True)
class ClassPicture:
    """What a class looks like: its average (h, w[, 3]) and some images (n, h, w[, 3]), 0..255.

    `resolution_px` is in pixels of the thumbnail, infinite where nothing is resolved.
    """

    tag: Any
    number: int
    mean: Array
    first: Array
    resolution_px: float


class TileJob(QObject):
    """Reads the thumbnails of one store on the window's own thread while that is quick.

    Signals: arrived() when rows that were not there can now be read at once,
    class_ready(ClassPicture), failed(error) when thumbnails are damaged: nothing is drawn then.
    """

    arrived = pyqtSignal()
    class_ready = pyqtSignal(object)
    failed = pyqtSignal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._files: dict[str, ThumbnailFile] = {}
        self._worker = LatestWorker("tiles", self)
        self._worker.answered.connect(self._on_answered)
        self._worker.failed.connect(lambda _, error: self._give_up(error))

    @property
    def side(self) -> int:
        """Side of a thumbnail in pixels, 0 where there are none."""
        file = self._files.get("upright")
        return 0 if file is None else file.shape[0]

    @property
    def idle(self) -> bool:
        """Whether nothing is being read."""
        return self._worker.idle

    def open(self, path: Path, has_thumbnails: bool) -> None:
        """Read from another store from now on."""
        self.close()
        if has_thumbnails:
            try:
                self._files = {kind: ThumbnailFile(path, kind) for kind in KINDS}
            except StoreError as error:
                self._give_up(error)

    def close(self) -> None:
        """Forget the store."""
        self._worker.forget(_SLOT)
        self._worker.forget(_CLASSES)
        self._files.clear()

    def tiles(self, kind: str, numbers: Array) -> tuple[Array, Array]:
        """Return thumbnails (n, h, w[, 3]) uint8 of images, and which of them are there.

        The others are read in the background; `arrived` follows.
        """
        file = self._files.get(kind)
        if file is None:
            return np.zeros((len(numbers), 1, 1), np.uint8), np.zeros(len(numbers), dtype=bool)
        try:
            rows, there = file.read(numbers, AT_ONCE_S)
        except StoreError as error:
            self._give_up(error)
            return self.tiles(kind, numbers)
        if not there.all():
            missing = np.asarray(numbers)[~there]

            def work(cancelled: Cancel) -> Iterator[object]:
                file.warm(missing, cancelled)
                yield len(missing)

            self._worker.ask(_SLOT, work)
        return rows, there

    def ask_classes(
        self, classes: list[Array], tag: Any, angle_rad: Array, shift_px: Array, images: int
    ) -> None:
        """Ask what classes look like, one answer each, from 2,000 of their images at most.

        Parameters
        ----------
        classes : list of (n,) int
            The images of each.
        angle_rad, shift_px : (N,), (N, 2)
            Poses of all images, the shifts in pixels of the thumbnails.
        images : int
            N.
        """
        file = self._files.get("upright")
        if file is None:
            return
        done: list[int] = []

        def work(cancelled: Cancel) -> Iterator[object]:
            # averages bring scipy along, which the first window starts without
            from tvae_core.analysis.honest_resolution import PoseFreedom

            for number in range(len(done), len(classes)):
                if cancelled():
                    raise Cancelled("something else is wanted first")
                chosen = classes[number]
                most = min(len(chosen), MOST_OF_A_CLASS)  # a class may have lost all its images
                some = chosen[np.linspace(0, len(chosen) - 1, most).astype(np.int64)]
                rows, _ = file.read(some)
                freedom = PoseFreedom.of(angle_rad[some], shift_px[some])
                yield _class_picture(tag, number, rows, freedom, len(chosen) / max(images, 1))
                done.append(number)

        self._worker.ask(_CLASSES, work, patient=True)

    def _give_up(self, error: Exception) -> None:
        self._files.clear()
        error.__traceback__ = None  # it would keep the painter of a half painted page
        QTimer.singleShot(0, lambda: self.failed.emit(error))  # not while a page is painted

    def _on_answered(self, slot: str, answer: object) -> None:
        if slot == _CLASSES:
            self.class_ready.emit(answer)
        else:
            self.arrived.emit()

    def stop(self) -> bool:
        """Join the thread and close the files."""
        ended = self._worker.stop()
        self.close()
        return ended


def _class_picture(
    tag: Any, number: int, rows: Array, freedom: PoseFreedom, share: float
) -> ClassPicture:
    """Return the average of upright thumbnails; grey and square ones also say what is resolved."""
    if not len(rows):
        return ClassPicture(tag, number, np.zeros(rows.shape[1:], np.float32), rows, np.inf)
    mean = rows.mean(axis=0, dtype=np.float32)
    resolved = np.inf
    if rows.ndim == 3 and rows.shape[1] == rows.shape[2] and len(rows) > 1:
        from tvae_core.analysis.class_averages import ClassAccumulator, random_halves

        total = ClassAccumulator(rows.shape[1])
        total.add(rows.astype(np.float32), random_halves(len(rows)))
        resolved = total.result(freedom, share).resolution_px()
    return ClassPicture(tag, number, mean, rows[:FIRST], float(resolved))
