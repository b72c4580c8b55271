"""Opening HDF5 files of our own: without locks, and without the faults of a failing disk.

Some disks of clusters offer no locks, and nothing of ours is read while it is written: files are
written aside under a name of their own and renamed. Where a write fails, HDF5 reports nothing at
close, or ends the process (h5py 3.16). So it writes through `_Told`, which never fails before it.

Each file is read by a child process first (`tvae_core.hdf5_guard`): all of its structure, and its
values up to 64 MiB, beyond that the first and last of each data set.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import h5py

from tvae_core.hdf5_guard import read_limited, tried_first

MOST_OBJECTS = 10_000  # of an honest file
DEEPEST = 32  # groups
_TRIED_BYTES = 64 << 20


def read_hdf5(path: Path | str, **options: Any) -> h5py.File:
    """Open a file for reading, once a child has read it.

    Raises
    ------
    UnsafeError
        The child crashed, did not end, or asked for too much memory.
    OSError
        It cannot be opened.
    """
    tried_first(path, _try, __name__)
    return _open(path, **options)


def _open(path: Path | str, **options: Any) -> h5py.File:
    return h5py.File(path, "r", locking=False, **options)


def _try(path: Path | str) -> None:
    """Read what HDF5 must understand of a file, and its values up to a limit."""
    left = _TRIED_BYTES
    with _open(path) as file:
        _try_attributes(file)
        for dataset in data_sets(file).values():
            _try_attributes(dataset.parent)
            _try_attributes(dataset)
            with suppress(*_DAMAGED):
                left -= _try_values(dataset, left)


def _try_values(dataset: h5py.Dataset, left: int) -> int:
    """Read a data set, or its first and last rows; return how many bytes they were."""
    if dataset.chunks:
        dataset.id.chunk_iter(lambda chunk: None)
    if dataset.shape is None or leads_elsewhere(dataset):
        return 0
    size = int(dataset.nbytes)
    if size <= left or not dataset.shape:
        dataset[()]
        return size
    if size <= left * len(dataset):
        dataset[:1]
        dataset[-1:]
    return 2 * size // len(dataset)


def _try_attributes(thing: Any) -> None:
    with suppress(*_DAMAGED):
        for name in thing.attrs:
            with suppress(*_DAMAGED):
                thing.attrs[name]


_DAMAGED = (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError)


@contextmanager
def new_hdf5(path: Path | str, **options: Any) -> Iterator[h5py.File]:
    """Make a file that HDF5 1.10 and later reads, for the time of the block.

    Raises
    ------
    OSError
        A write failed, at the latest when the file was closed.
    """
    with open(path, "w+b", buffering=0) as stream:
        told = _Told(stream)
        try:
            with h5py.File(told, "w", libver=("earliest", "v110"), **options) as file:
                yield file
        finally:
            if told.error is not None:
                raise told.error


def data_sets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return all data sets of a file by name; links that lead elsewhere are not followed.

    Raises
    ------
    ValueError
        There is more in the file, or deeper, than in any honest one.
    """
    found: dict[str, h5py.Dataset] = {}
    rest = [("", file, 0)]
    seen = 0
    while rest:
        prefix, group, depth = rest.pop()
        seen += len(group)
        if seen > MOST_OBJECTS or depth > DEEPEST:
            raise ValueError(f"more than {MOST_OBJECTS:,} objects, or {DEEPEST} groups deep")
        for name in group:
            if not isinstance(name, str) or not isinstance(
                group.get(name, getlink=True), h5py.HardLink
            ):
                continue
            there = group[name]
            if isinstance(there, h5py.Group):
                rest.append((f"{prefix}{name}/", there, depth + 1))
            elif isinstance(there, h5py.Dataset):
                found[prefix + name] = there
    return dict(sorted(found.items()))


def leads_elsewhere(dataset: h5py.Dataset) -> str:
    """Return the other file that a data set takes its values from; empty when it holds them.

    What a stranger's file says of other files is not believed: they may be anybody's.
    """
    if dataset.external:
        return str(dataset.external[0][0])
    if dataset.is_virtual:
        return next((s.file_name for s in dataset.virtual_sources() if s.file_name != "."), "")
    return ""


class _Told:
    """A file that keeps the first error of a write, and from then on takes what comes as written.

    It is what h5py needs of a file object.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, content: memoryview) -> int:
        """Write all of the content."""
        rest = memoryview(content).cast("B")
        while len(rest) and self.error is None:
            try:
                rest = rest[self._stream.write(rest) :]
            except OSError as error:
                self.error = error
        return len(content)

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes."""
        return self._stream.read(size)

    def readinto(self, target: memoryview) -> int:
        """Fill the target; what was never written reads as zeros."""
        found = self._stream.readinto(target)  # type: ignore[attr-defined]
        target[found:] = bytes(len(target) - found)
        return len(target)

    def seek(self, place: int, whence: int = 0) -> int:
        """Go to a place."""
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._stream.tell()

    def truncate(self, size: int) -> int:
        """Give the file a length."""
        try:
            return self._stream.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size

    def flush(self) -> None:
        """Do nothing: what is written is in the file."""


if __name__ == "__main__":
    sys.exit(read_limited(sys.argv[1], _try))
