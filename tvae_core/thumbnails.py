"""The thumbnails of a store, read row by row without HDF5: a page of a gallery in a millisecond."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import StoreError
from tvae_core.hdf5_files import leads_elsewhere, read_hdf5
from tvae_core.progress import Cancel
from tvae_core.store_checks import BLOCK_ROWS, CheckedFile, digest_of_block
from tvae_core.store_header import ATTRIBUTES

Array = NDArray[Any]
_LOOK_EVERY = 32  # rows between two looks at the clock


class ThumbnailFile:
    """One kind of thumbnails of a store, open for reading rows in any order.

    The rows are where HDF5 put its chunks; reading them with `pread` lets other threads run, and
    what was read once comes from the system's cache. The block that a row lies in is compared with
    its digest before the first of its rows is given.

    Parameters
    ----------
    path : Path
        A store.
    kind : str
        `raw` or `upright`.

    Raises
    ------
    StoreError
        The rows do not lie in the file as they are; when read, the file ends early or is damaged.

    Attributes
    ----------
    shape : (h, w) or (h, w, 3)
        Of one thumbnail.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        with read_hdf5(path) as file:
            dataset = file[f"thumbnails/{kind}"]
            self.images = int(dataset.shape[0])
            self.shape: tuple[int, ...] = tuple(int(n) for n in dataset.shape[1:])
            self._starts, self._rows = _chunks(dataset, path)
            checked = CheckedFile(file, path, ATTRIBUTES)
            self._digests = checked.blocks(f"thumbnails/{kind}", self.images)
        self._sound = np.zeros(-(-self.images // BLOCK_ROWS), bool)
        self._bytes = int(np.prod(self.shape))
        self._lock = threading.Lock()
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by `close`

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self.close()

    def read(
        self, indices: Sequence[int] | Array, seconds: float = np.inf
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return the thumbnails of images, (n, h, w[, 3]) uint8, and which of them were read.

        Parameters
        ----------
        seconds : float
            Stop after that long: a cold disk must not hold a window up. What is left is zero.
        """
        chosen = np.asarray(indices, dtype=np.int64)
        rows = np.zeros((len(chosen), *self.shape), np.uint8)
        there = np.zeros(len(chosen), dtype=bool)
        places = self._places(chosen).tolist()
        lines = rows.reshape(len(chosen), self._bytes) if len(chosen) else rows
        end = time.perf_counter() + seconds
        for number, place in enumerate(places):
            checked = self._check(int(chosen[number]) // BLOCK_ROWS)
            self._read_at(place, lines[number].data)
            there[number] = True
            if (checked or number % _LOOK_EVERY == 0) and time.perf_counter() > end:
                break
        return rows, there

    def warm(self, indices: Sequence[int] | Array, cancelled: Cancel) -> None:
        """Bring rows into the system's cache, so that `read` finds them at once."""
        chosen = np.asarray(indices, dtype=np.int64)
        for number, place in zip(chosen.tolist(), self._places(chosen).tolist(), strict=True):
            if cancelled():
                return
            self._check(number // BLOCK_ROWS)
            self._read_at(place, memoryview(bytearray(self._bytes)))

    def _check(self, block: int) -> bool:
        """Compare a block with its digest unless that was done; return whether it was done now.

        Stores before format 1.3 have no digests.
        """
        if self._digests is None or self._sound[block]:
            return False
        first = block * BLOCK_ROWS
        places = self._places(np.arange(first, min(first + BLOCK_ROWS, self.images)))
        rows = np.empty((len(places), self._bytes), np.uint8)
        for number, place in enumerate(places.tolist()):
            self._read_at(place, rows[number].data)
        if not np.array_equal(digest_of_block(rows), self._digests[block]):
            raise StoreError("the thumbnails are damaged", self.path, "embed the run again")
        self._sound[block] = True
        return True

    def _read_at(self, place: int, line: memoryview) -> None:
        if hasattr(os, "preadv"):
            found = os.preadv(self._file.fileno(), [line], place)
        else:  # Windows
            with self._lock:
                self._file.seek(place)
                found = self._file.readinto(line) or 0
        if found != len(line):
            raise StoreError("the thumbnails end early", self.path, "embed the run again")

    def _places(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        chunk, row = np.divmod(chosen, self._rows)
        return np.asarray(self._starts[chunk] + row * self._bytes)


def _chunks(dataset: h5py.Dataset, path: Path) -> tuple[NDArray[np.int64], int]:
    """Return where in the file each chunk of rows begins, and how many rows it has."""
    by_row = dataset.chunks is not None and dataset.chunks[1:] == dataset.shape[1:]
    packed = dataset.id.get_create_plist().get_nfilters() > 0
    if not by_row or packed or leads_elsewhere(dataset) or dataset.dtype != np.uint8:
        raise StoreError("the thumbnails do not lie row by row", path, "embed the run again")
    rows = int(dataset.chunks[0])
    starts = np.zeros(-(-dataset.shape[0] // rows), np.int64)

    def note(chunk: Any) -> None:
        starts[chunk.chunk_offset[0] // rows] = chunk.byte_offset

    dataset.id.chunk_iter(note)
    return starts, rows
