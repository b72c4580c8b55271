"""Data sets of a store against their SHA-256: all of them, or each when it is first used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import StoreError
from tvae_core.files import parsed_json, sha256_of_bytes
from tvae_core.hdf5_files import leads_elsewhere

BLOCK_ROWS = 256  # of thumbnails that one digest stands for
Array = NDArray[Any]
_AGAIN = "embed the run again"


class CheckedFile:
    """A file whose data sets are compared with their digests the first time they are read.

    Stores before format 1.3 have one digest for all thumbnails: those are checked by `tvae
    validate` only.
    """

    def __init__(self, file: h5py.File, path: Path, apart: str) -> None:
        recorded: dict[str, str] = parsed_json(file.attrs["checksums"])
        recorded.pop(apart, None)
        self.file, self.path, self.recorded = file, path, recorded
        self._blocks: dict[str, Array] = {}
        self._seen: dict[str, NDArray[np.bool_]] = {}

    @contextmanager
    def told(self, name: str) -> Iterator[None]:
        """Tell what HDF5 says of a data set within the block as a StoreError."""
        try:
            yield
        except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise StoreError(f"{name} is damaged ({line})", self.path, _AGAIN) from None

    def read(self, name: str) -> Array:
        """Return a whole data set; strings as objects.

        Raises
        ------
        StoreError
            It is missing, cannot be read, or is not what was written.
        """
        with self.told(name):
            dataset = self.file[name]
            if other := leads_elsewhere(dataset):
                raise ValueError(f"it takes its values from {other}")
            values: Array = dataset[()]
            if dataset.dtype.kind == "O":
                values = np.asarray(strings(dataset), dtype=object)
        if name in self.recorded and digest_of(values) != self.recorded[name]:
            raise StoreError(f"{name} is damaged (its SHA-256 differs)", self.path, _AGAIN)
        return values

    def blocks(self, name: str, rows: int) -> Array | None:
        """Return the digests of the blocks of thumbnails, (blocks, 32); None where there are none.

        Raises
        ------
        StoreError
            They are damaged, or not one for each block of so many rows.
        """
        if blocks_name(name) not in self.recorded:
            return None
        found = self.read(blocks_name(name))
        if found.shape != (-(-rows // BLOCK_ROWS), 32):
            raise StoreError(f"{name} is damaged (rows without digest)", self.path, _AGAIN)
        return found

    def check_rows(self, name: str, rows: NDArray[np.int64]) -> None:
        """Raise a StoreError when a block of thumbnails that holds one of `rows` is damaged."""
        if name not in self._blocks:
            if (blocks := self.blocks(name, len(self.file[name]))) is None:
                return
            self._blocks[name], self._seen[name] = blocks, np.zeros(len(blocks), bool)
        wanted = np.unique(rows // BLOCK_ROWS)
        if wanted.size and wanted[-1] >= len(self._seen[name]):
            raise StoreError(f"{name} is damaged (rows without digest)", self.path, _AGAIN)
        for block in wanted[~self._seen[name][wanted]]:
            start = int(block) * BLOCK_ROWS
            found = digest_of_block(self.file[name][start : start + BLOCK_ROWS])
            if not np.array_equal(found, self._blocks[name][block]):
                raise StoreError(f"{name} is damaged (its SHA-256 differs)", self.path, _AGAIN)
            self._seen[name][block] = True


class BlockDigests:
    """The digests of a data set's blocks, as the data come in pieces of any length."""

    def __init__(self) -> None:
        self.whole = hashlib.sha256()
        self._digests: list[Array] = []
        self._rest: Array | None = None

    def add(self, rows: Array) -> None:
        """Take the next rows."""
        self.whole.update(np.ascontiguousarray(rows).tobytes())
        rest = rows if self._rest is None else np.concatenate([self._rest, rows])
        while len(rest) >= BLOCK_ROWS:
            self._digests.append(digest_of_block(rest[:BLOCK_ROWS]))
            rest = rest[BLOCK_ROWS:]
        self._rest = rest

    def array(self) -> NDArray[np.uint8]:
        """Return the digests, (blocks, 32)."""
        last = [] if self._rest is None or not len(self._rest) else [digest_of_block(self._rest)]
        return np.asarray([*self._digests, *last], np.uint8).reshape(-1, 32)


def blocks_name(name: str) -> str:
    """Return the data set that holds the digests of another's blocks."""
    return f"digests/{name}"


def wrong_checksums(file: h5py.File, apart: str) -> list[str]:
    """Return in words which data sets are missing or not what was written; reads all of them."""
    recorded: dict[str, str] = parsed_json(file.attrs["checksums"])
    recorded.pop(apart)  # checked on opening
    wrong = []
    for name, expected in recorded.items():
        if name not in file:
            wrong.append(f"{name} is missing")
        elif _checksum(file[name]) != expected:
            wrong.append(f"{name} does not match its checksum")
    return wrong


def digest_of(values: Array) -> str:
    """Return the SHA-256 of values in C order; of strings, of their UTF-8 joined by NUL."""
    if values.dtype.kind in "OU":
        return sha256_of_bytes("\0".join(values.tolist()).encode())
    values = np.ascontiguousarray(values)
    return sha256_of_bytes(values.data.cast("B") if values.size else b"")


def strings(dataset: h5py.Dataset | None) -> list[str]:
    """Return a data set of text as a list; empty when there is none."""
    return [] if dataset is None else [text.decode() for text in dataset[()]]


def digest_of_block(rows: Array) -> NDArray[np.uint8]:
    """Return the SHA-256 of rows as 32 bytes."""
    digest = hashlib.sha256(np.ascontiguousarray(rows).tobytes()).digest()
    return np.frombuffer(digest, np.uint8)


def _checksum(dataset: h5py.Dataset) -> str:
    if dataset.dtype.kind == "O":
        return digest_of(np.asarray(strings(dataset), dtype=object))
    digest = hashlib.sha256()
    rows = max(1, (1 << 24) // max(1, dataset.dtype.itemsize * int(np.prod(dataset.shape[1:]))))
    for start in range(0, len(dataset), rows):
        digest.update(np.ascontiguousarray(dataset[start : start + rows]).data.cast("B"))
    return digest.hexdigest()
