"""Images for the engine: splits by seed, reproducible batches, reading ahead of their use."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvae_core.config import DataConfig
from tvae_core.errors import ConfigError
from tvae_core.runs.costs import fits_in_memory

Indices = NDArray[np.int64]
_AHEAD = 3
_SWEEP_BYTES = 16 << 20  # of images read at once, as they lie; from 32 MB on memory comes slowly


class PreparedImages(Protocol):
    """Images as the model sees them; `images.PreparedStack` is one."""

    @property
    def side(self) -> int:
        """Pixels along one edge."""
        ...

    @property
    def channels(self) -> int:
        """Channels of one image: 1, or 3 for colour."""
        ...

    def __len__(self) -> int: ...

    def read(self, indices: Indices) -> NDArray[np.float32]:
        """Return (n, C, H, W) float32."""
        ...


@dataclass(frozen=True)
class Batch:
    """Images (B, C, H, W), the CTF of each where the model sees through it, and which they are.

    `ctf` is (B, 9), rows of `PreparedStack.ctf_rows`; `index` (B,) int64 the images' numbers in
    their set, by which their noise is keyed.
    """

    images: Tensor
    ctf: Tensor | None = None
    index: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device; nobody waits for the copy where it is `pinned`."""
        soon = device.type == "cuda"
        ctf = None if self.ctf is None else self.ctf.to(device, non_blocking=soon)
        index = None if self.index is None else self.index.to(device, non_blocking=soon)
        return Batch(self.images.to(device, non_blocking=soon), ctf, index)

    def pinned(self) -> Batch:
        """Return the batch in memory from which a GPU takes it by itself, if there is any left."""
        try:
            ctf = None if self.ctf is None else self.ctf.pin_memory()
            index = None if self.index is None else self.index.pin_memory()
            return Batch(self.images.pin_memory(), ctf, index)
        except RuntimeError:
            return self

    @property
    def numbers(self) -> Tensor:
        """The numbers of the images, (B,) on their device; 0, 1, ... where they have none."""
        if self.index is None:
            return torch.arange(len(self), device=self.images.device)
        return self.index

    def numbered(self, device: torch.device) -> Batch:
        """Return the batch with its numbers, already on a device; its parts then keep them."""
        if self.index is None:
            return Batch(self.images, self.ctf, torch.arange(len(self), device=device))
        soon = device.type == "cuda"
        return Batch(self.images, self.ctf, self.index.to(device, non_blocking=soon))

    def split(self, size: int) -> Iterator[Batch]:
        """Yield the batch in parts of at most `size` images."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            ctf = None if self.ctf is None else self.ctf[part]
            yield Batch(self.images[part], ctf, None if self.index is None else self.index[part])


def batch_of(images: PreparedImages, indices: Indices) -> Batch:
    """Return the images `indices` with their CTF where `images` has one."""
    return _batch(images, images.read(indices), indices)


def _batch(images: PreparedImages, read: NDArray[np.float32], indices: Indices) -> Batch:
    pixels = torch.from_numpy(np.ascontiguousarray(read))
    rows: NDArray[np.float64] | None = getattr(images, "ctf_rows", None)
    ctf = None if rows is None else torch.from_numpy(rows[indices])
    return Batch(pixels, ctf, torch.from_numpy(np.asarray(indices, dtype=np.int64)))


@dataclass(frozen=True)
class Split:
    """Which images are for training, for choosing the best model, and for neither."""

    train: Indices
    validation: Indices
    test: Indices


def split_images(count: int, data: DataConfig, seed: int) -> Split:
    """Split `count` images at random by seed.

    Raises
    ------
    ConfigError
        No image is left for training.
    """
    order = np.random.default_rng([seed, 0]).permutation(count)
    test = round(count * data.test_share)
    validation = round(count * data.validation_share)
    if count - test - validation < 1:
        raise ConfigError(f"{count} images are too few: none are left for training", data.path)
    parts = np.split(order, [test, test + validation])
    return Split(np.sort(parts[2]), np.sort(parts[1]), np.sort(parts[0]))


def epoch_batches(train: Indices, batch_size: int, seed: int, epoch: int) -> list[Indices]:
    """Return the batches of an epoch in its own reproducible order; a last short one is kept."""
    order = np.random.default_rng([seed, 1, epoch]).permutation(train)
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


class CachedImages:
    """Prepared images kept in memory when all of them fit in 256 MB, else read each time.

    From where they are kept on disk, if they are (`tvae_core.runs.preparing`).
    """

    def __init__(self, images: PreparedImages) -> None:
        self._images = images
        self.side, self.channels = images.side, images.channels
        self.ctf_rows = getattr(images, "ctf_rows", None)
        self._cache: NDArray[np.float32] | None = None
        if fits_in_memory(len(images), self.channels, self.side):
            blocks = [images.read(block) for block in blocks_of(len(images), 1024)]
            self._cache = np.concatenate(blocks)

    def __len__(self) -> int:
        return len(self._images)

    @property
    def at_once(self) -> int:
        """Images that are best read together; 1 where they are in memory."""
        if self._cache is not None:
            return 1
        return max(1, _SWEEP_BYTES // (4 * self.channels * self.side**2))

    def read(self, indices: Indices) -> NDArray[np.float32]:
        """Return (n, C, H, W) float32."""
        return self._images.read(indices) if self._cache is None else self._cache[indices]


def blocks_of(count: int, size: int) -> Iterator[Indices]:
    """Yield 0..count-1 in blocks."""
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))


def swept(images: PreparedImages, batches: Iterable[Indices]) -> Iterator[Batch]:
    """Yield each batch; the images of several are read at once, in the order in which they lie.

    One batch the first time, then twice as many each time, so that the first comes soon.
    """
    most, size = getattr(images, "at_once", 1), 1
    group: list[Indices] = []
    for batch in batches:
        group.append(batch)
        together = sum(map(len, group))
        if len(group) >= size or together + len(batch) > most:
            yield from _read_together(images, group)
            group, size = [], 2 * size
    yield from _read_together(images, group)


def _read_together(images: PreparedImages, group: list[Indices]) -> Iterator[Batch]:
    if len(group) == 1:
        yield batch_of(images, group[0])
    if len(group) < 2:
        return
    together = np.concatenate(group)
    order = np.argsort(together, kind="stable")
    read = images.read(together[order])
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    for batch, rows in zip(
        group, np.split(place, np.cumsum([len(batch) for batch in group])[:-1]), strict=True
    ):
        yield _batch(images, read[rows], batch)


def prefetch(
    images: PreparedImages, batches: Iterable[Indices], device: torch.device | None = None
) -> Iterator[Batch]:
    """Yield each batch, its images read by a thread a few batches ahead, for use on `device`."""
    pinned = device is not None and device.type == "cuda"
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(_AHEAD)
    stop = threading.Event()

    def offer(item: Batch | BaseException | None) -> None:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for batch in swept(images, batches):
                if stop.is_set():
                    return
                offer(batch.pinned() if pinned else batch)
            offer(None)
        except Exception as error:  # noqa: BLE001  handed to the consumer, which raises it
            offer(error)

    reader = threading.Thread(target=work, name="read images", daemon=True)
    reader.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        reader.join()
