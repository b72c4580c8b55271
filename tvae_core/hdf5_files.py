"""Opening HDF5 files of our own: without locks, and without the faults of a failing disk.

Some disks of clusters offer no locks, and nothing of ours is read while it is written: files are
written aside under a name of their own and renamed. Where a write fails, HDF5 reports nothing at
close, or ends the process (h5py 3.16). So it writes through `_Told`, which never fails before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import h5py


def read_hdf5(path: Path | str, **options: Any) -> h5py.File:
    """Open a file for reading."""
    return h5py.File(path, "r", locking=False, **options)


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
