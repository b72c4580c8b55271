"""Decoding in the background: coarse at once, full at rest, the latest request wins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QObject, pyqtSignal

from tvae_core.errors import CheckpointError
from tvae_core.progress import Cancel
from tvae_core.store import EmbeddingStore
from tvae_gui.jobs.latest_worker import LatestWorker

Array = NDArray[Any]
REST_S = 0.05
QUICK_S = 0.06  # a full decode that takes less needs no coarse one before it
PART = 8  # images decoded before looking whether something more urgent waits
PROBE, HOVER, TILES, EXTRA, CENTRES = "probe", "hover", "tiles", "extra", "centres"
SYMMETRY, WALK, GALLERY = "symmetry", "walk", "gallery"


class DecoderLike(Protocol):
    """What makes images from z; `tvae_core.engine.using.decode.Decoder` is one."""

    @property
    def side(self) -> int:
        """Side of the model's images in pixels."""

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""

    @property
    def z_dim(self) -> int:
        """Dimensions of z."""

    def decode(
        self,
        z: Array,
        angle_rad: float | Array = 0.0,
        shift_px: Any = (0.0, 0.0),
        side: int | None = None,
        cancelled: Cancel | None = None,
    ) -> Array:
        """Return images (n, side, side[, 3]) float32 of z (n, D)."""


DecoderFactory = Callable[[EmbeddingStore], DecoderLike]


@dataclass(frozen=True)
class Decoded:
    """An exact image of a request; `full` when at the grid asked for."""

    request: int
    image: Array
    full: bool


@dataclass(frozen=True)
class DecodedMany:
    """Exact images (n, side, side[, 3]) of many z; `tag` is what the asker gave."""

    tag: Any
    images: Array


def engine_decoder(store: EmbeddingStore) -> DecoderLike:
    """Return the engine's decoder; this is where torch is imported, on the decode thread."""
    from tvae_core.engine.using import decode  # type: ignore[attr-defined,unused-ignore]

    made: DecoderLike = decode.Decoder.from_store(store)
    return made


class DecodeJob(QObject):
    """The decode thread of one window.

    Signals: ready(side), unavailable(error), decoded(Decoded), hover_decoded(DecodedMany),
    tiles_decoded(DecodedMany), extra_decoded(DecodedMany), centres_decoded(DecodedMany),
    symmetry_decoded(DecodedMany), walk_decoded(DecodedMany), gallery_decoded(DecodedMany),
    failed(error).
    """

    ready = pyqtSignal(int)
    unavailable = pyqtSignal(object)
    decoded = pyqtSignal(object)
    hover_decoded = pyqtSignal(object)
    tiles_decoded = pyqtSignal(object)
    extra_decoded = pyqtSignal(object)
    centres_decoded = pyqtSignal(object)
    symmetry_decoded = pyqtSignal(object)
    walk_decoded = pyqtSignal(object)
    gallery_decoded = pyqtSignal(object)
    failed = pyqtSignal(object)

    def __init__(self, factory: DecoderFactory = engine_decoder, parent: QObject | None = None):
        super().__init__(parent)
        self._factory = factory
        self._decoder: DecoderLike | None = None
        self._worker = LatestWorker("decode", self)
        self._worker.answered.connect(self._on_answered)
        self._worker.failed.connect(self._on_failed)
        self._request = 0
        self._seconds: dict[int, float] = {}  # what the last full decode took, by its side

    @property
    def is_ready(self) -> bool:
        """Whether there is a decoder."""
        return self._decoder is not None

    @property
    def idle(self) -> bool:
        """Whether nothing is being decoded."""
        return self._worker.idle

    def open(self, path: Path) -> None:
        """Load the decoder of a store on the thread; `ready` or `unavailable` follows."""
        self.close()

        def load(_: Cancel) -> Iterator[object]:
            with EmbeddingStore(path) as store:
                yield self._factory(store)

        self._worker.ask("load", load)

    def close(self) -> None:
        """Forget the decoder and what it was asked."""
        self._decoder = None
        self._seconds.clear()
        for slot in ("load", PROBE, HOVER, TILES, EXTRA, CENTRES, SYMMETRY, WALK, GALLERY):
            self._worker.forget(slot)

    def ask(
        self,
        z: Array,
        angle_rad: float,
        shift_px: tuple[float, float],
        grid: int = 1,
        follow: bool = False,
    ) -> int:
        """Ask for the image of z (D,): coarse if full is slow, then full at `grid` times its side.

        With `follow` a coarse answer comes even when a newer request is there: for latents that
        have no atlas to show meanwhile. Returns the number that the answer will carry.
        """
        self._request += 1
        decoder, request = self._decoder, self._request
        if decoder is None:
            return request
        batch = np.ascontiguousarray(z, dtype=np.float32)[None]

        def work(cancelled: Cancel) -> Iterator[object]:
            side = decoder.side
            if self._seconds.get(side * grid, 1.0) > QUICK_S:
                coarse = side if grid > 1 and side <= 64 else side // 2
                image = decoder.decode(batch, angle_rad, shift_px, coarse, cancelled)[0]
                yield Decoded(request, image, False)
                self._worker.rest(REST_S, cancelled)
            began = time.perf_counter()
            image = decoder.decode(batch, angle_rad, shift_px, side * grid, cancelled)[0]
            self._seconds[side * grid] = time.perf_counter() - began
            yield Decoded(request, image, True)

        self._worker.ask(PROBE, work, stubborn=follow)
        return request

    def ask_many(self, slot: str, z: Array, tag: Any, side: int | None = None) -> None:
        """Ask for upright images of many z (n, D) in a slot other than that of the probe."""
        decoder = self._decoder
        if decoder is None:
            return
        batch = np.ascontiguousarray(z, dtype=np.float32)
        done: list[Array] = []

        def work(cancelled: Cancel) -> Iterator[object]:
            if slot == TILES:
                self._worker.rest(REST_S, cancelled)
            for start in range(len(done) * PART, len(batch), PART):
                part = batch[start : start + PART]
                done.append(decoder.decode(part, side=side, cancelled=cancelled))
            yield DecodedMany(tag, np.concatenate(done))

        self._worker.ask(slot, work, patient=True)

    def decode_all(self, grid: int) -> Callable[[Array, Cancel], Array]:
        """Return what decodes many z with the model of now, whatever is opened meanwhile.

        It works on its caller's own thread: for exports, never for the window's thread. It raises
        CheckpointError where there is no model.
        """
        decoder = self._decoder

        def decode(z: Array, cancelled: Cancel) -> Array:
            if decoder is None:
                raise CheckpointError(
                    "the model of this run is not loaded", todo="wait, or embed again"
                )
            side = decoder.side * grid
            return decoder.decode(np.asarray(z, np.float32), side=side, cancelled=cancelled)

        return decode

    def stop(self) -> bool:
        """Join the thread; to be called before the application exits."""
        return self._worker.stop()

    def _on_answered(self, slot: str, answer: Any) -> None:
        if slot == "load":
            self._decoder = answer
            self.ready.emit(answer.side)
            return
        signals = {
            PROBE: self.decoded,
            HOVER: self.hover_decoded,
            TILES: self.tiles_decoded,
            EXTRA: self.extra_decoded,
            CENTRES: self.centres_decoded,
            SYMMETRY: self.symmetry_decoded,
            WALK: self.walk_decoded,
            GALLERY: self.gallery_decoded,
        }
        signals[slot].emit(answer)

    def _on_failed(self, slot: str, error: object) -> None:
        (self.unavailable if slot == "load" else self.failed).emit(error)
