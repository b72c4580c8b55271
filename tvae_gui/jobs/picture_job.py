"""Thumbnails and averages, read and summed in the background; the latest question wins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QObject, pyqtSignal

from tvae_core.analysis.averages import AverageAccumulator
from tvae_core.errors import Cancelled
from tvae_core.progress import Cancel
from tvae_core.store import EmbeddingStore
from tvae_gui.jobs.latest_worker import LatestWorker

Array = NDArray[Any]
KEEP_BYTES = 400 << 20
FIRST_SUM = 512
LIVE_SUM = 2_000
MOST_OF_A_CLUSTER = 2_000
SELECTION, NEAREST, HOVER, POINTS, CONTRAST = "selection", "nearest", "hover", "points", "contrast"
CLUSTERS = "clusters"
_SLOTS = (SELECTION, NEAREST, HOVER, POINTS, CONTRAST, CLUSTERS)


@dataclass(frozen=True)
class Thumbnails:
    """Thumbnails (n, h, w[, 3]) uint8 of the images `indices`, and their raw form when asked."""

    indices: Array
    upright: Array
    raw: Array | None = None


@dataclass(frozen=True)
class SelectionPictures:
    """What a selection looks like: some upright thumbnails; mean and deviation of `summed` images.

    All in thumbnail units 0..255.
    """

    thumbnails: Thumbnails
    mean: Array | None
    std: Array | None
    summed: int
    selected: int


@dataclass(frozen=True)
class ClusterAverages:
    """Average (h, w[, 3]) of each cluster of `labels`, thumbnail units; None of an empty one."""

    labels: Array
    averages: list[Array | None]


class PictureJob(QObject):
    """The thread that reads thumbnails of one store.

    Signals: selection_ready(SelectionPictures), nearest_ready(Thumbnails),
    hover_ready(Thumbnails), points_ready(Thumbnails), contrast_ready((low, high)) in thumbnail
    units, clusters_ready(ClusterAverages), failed(error).
    """

    selection_ready = pyqtSignal(object)
    nearest_ready = pyqtSignal(object)
    hover_ready = pyqtSignal(object)
    points_ready = pyqtSignal(object)
    contrast_ready = pyqtSignal(object)
    clusters_ready = pyqtSignal(object)
    failed = pyqtSignal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reader: _Reader | None = None
        self._worker = LatestWorker("pictures", self)
        self._worker.answered.connect(self._on_answered)
        self._worker.failed.connect(lambda _, error: self.failed.emit(error))

    @property
    def idle(self) -> bool:
        """Whether nothing is being read."""
        return self._worker.idle

    def open(self, path: Path, has_thumbnails: bool) -> None:
        """Read from another store from now on."""
        self.close()
        self._reader = _Reader(path) if has_thumbnails else None
        reader = self._reader
        if reader is not None:
            self._worker.ask(CONTRAST, lambda _: iter([reader.contrast()]))

    def close(self) -> None:
        """Forget the store."""
        self._reader = None
        for slot in _SLOTS:
            self._worker.forget(slot)

    def ask(self, slot: str, indices: Array, with_raw: bool = False) -> None:
        """Ask for the thumbnails of images; the answer comes by the signal of the slot."""
        reader = self._reader
        if reader is None:
            return
        chosen = np.array(indices, dtype=np.int64)

        def work(_: Cancel) -> Iterator[object]:
            raw = reader.read("raw", chosen) if with_raw else None
            yield Thumbnails(chosen, reader.read("upright", chosen), raw)

        self._worker.ask(slot, work)

    def ask_selection(self, mask: Array, shown: int, live: bool) -> None:
        """Ask what the images of a mask (N,) look like; live sums fewer, the rest come at rest."""
        reader = self._reader
        if reader is None:
            return

        def work(cancelled: Cancel) -> Iterator[object]:
            indices = np.flatnonzero(mask)
            some = _spread_out(indices, shown)
            thumbnails = Thumbnails(some, reader.read("upright", some))
            for mean, std, summed in _sums(reader, indices, live, cancelled):
                yield SelectionPictures(thumbnails, mean, std, summed, len(indices))

        self._worker.ask(SELECTION, work, stubborn=live)

    def ask_clusters(self, labels: Array, clusters: int) -> None:
        """Ask for the upright average of each cluster of labels (N,), of 2,000 images at most."""
        reader = self._reader
        if reader is None:
            return
        done: list[Array | None] = []

        def work(cancelled: Cancel) -> Iterator[object]:
            for number in range(len(done), clusters):
                if cancelled():
                    raise Cancelled("something else is wanted first")
                some = _spread_out(np.flatnonzero(labels == number), MOST_OF_A_CLUSTER)
                done.append(reader.read("upright", some).mean(axis=0) if len(some) else None)
            yield ClusterAverages(labels, done)

        self._worker.ask(CLUSTERS, work, patient=True)

    def stop(self) -> bool:
        """Join the thread."""
        return self._worker.stop()

    def _on_answered(self, slot: str, answer: object) -> None:
        signals = {
            SELECTION: self.selection_ready,
            NEAREST: self.nearest_ready,
            HOVER: self.hover_ready,
            POINTS: self.points_ready,
            CONTRAST: self.contrast_ready,
            CLUSTERS: self.clusters_ready,
        }
        signals[slot].emit(answer)


class _Reader:
    """Reads thumbnails with a file handle of its own; keeps them when they fit in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: EmbeddingStore | None = None
        self._kept: dict[str, Array] = {}

    def __del__(self) -> None:
        if self._store is not None:
            self._store.close()

    def read(self, kind: str, indices: Array) -> Array:
        if self._store is None:
            self._store = EmbeddingStore(self._path)
        if kind not in self._kept and kind == "upright":
            one = self._store.thumbnails(kind, np.arange(min(1, len(self._store))))
            if one.nbytes * len(self._store) <= KEEP_BYTES:
                self._kept[kind] = self._store.thumbnails(kind, np.arange(len(self._store)))
        if kind in self._kept:
            return np.asarray(self._kept[kind][indices])
        return self._store.thumbnails(kind, indices)

    def contrast(self) -> tuple[float, float]:
        """Return the values, 0..255, that nearly all of some raw thumbnails lie between."""
        if self._store is None:
            self._store = EmbeddingStore(self._path)
        some = self.read("raw", _spread_out(np.arange(len(self._store)), 256))
        low, high = np.percentile(some, [0.5, 99.5]) if some.size else (0, 255)
        return float(low), float(max(high, low + 1))


def _spread_out(indices: Array, how_many: int) -> Array:
    """Return some of the indices, evenly spread and always the same."""
    if len(indices) <= how_many:
        return indices
    return np.asarray(indices[np.linspace(0, len(indices) - 1, how_many).astype(np.int64)])


def _sums(
    reader: _Reader, indices: Array, live: bool, cancelled: Cancel
) -> Iterator[tuple[Array | None, Array | None, int]]:
    """Give mean and deviation of ever more of the images: first few, then all."""
    if not len(indices):
        yield None, None, 0
        return
    first = reader.read("upright", indices[:1])
    for most in (LIVE_SUM,) if live else (FIRST_SUM, len(indices)):
        some = _spread_out(indices, most)
        total = AverageAccumulator(first.shape[1:])
        for start in range(0, len(some), 2048):
            if cancelled():
                return
            total.add(reader.read("upright", some[start : start + 2048]))
        result = total.result()
        yield result.mean, result.std, result.count
        if most >= len(indices):
            return
