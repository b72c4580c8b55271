"""Images that lie one after the other, uncompressed, in a file or in memory.

Files are read by `files.read_at`: a memory-mapped file that someone truncates kills the process.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ImageFileError
from tvae_core.files import file_error, open_to_read, read_at
from tvae_core.images.layout import Layout
from tvae_core.images.stack import ImageStack, StackForm, StackNotes

_LARGEST_READ = 1 << 30


class ByteSource(Protocol):
    """Bytes that are read from any place."""

    def fill(self, target: NDArray[Any], offset: int) -> None:
        """Fill the contiguous `target` with the bytes from `offset` on."""

    def close(self) -> None:
        """Let go of the bytes."""


class FileBytes:
    """The bytes of a file, opened for reading.

    Raises
    ------
    FileError
        The machine would not open or read the file.
    ImageFileError
        It ends before what is asked for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._handle = open_to_read(path)
        except OSError as error:
            raise file_error(error, path, "cannot be opened") from error

    @property
    def size(self) -> int:
        """Bytes of the file now."""
        return os.fstat(self._handle).st_size

    def head(self, count: int) -> bytes:
        """Return the first `count` bytes, fewer when the file is shorter."""
        block = bytearray(count)
        return bytes(block[: read_at(self._handle, memoryview(block), 0)])

    def fill(self, target: NDArray[Any], offset: int) -> None:
        """Fill the contiguous `target` with the bytes from `offset` on."""
        view = target.reshape(-1).view(np.uint8).data
        done = 0
        while done < len(view):
            part = view[done : done + _LARGEST_READ]
            try:
                got = read_at(self._handle, part, offset + done)
            except OSError as error:
                raise file_error(error, self.path, "cannot be read") from error
            if not got:
                raise ImageFileError("truncated while it was read", self.path)
            done += got

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __del__(self) -> None:
        if getattr(self, "_handle", -1) >= 0:
            self.close()


class MemoryBytes:
    """The unpacked bytes of a compressed file."""

    def __init__(self, content: bytearray | bytes) -> None:
        self._content = np.frombuffer(content, np.uint8)

    def fill(self, target: NDArray[Any], offset: int) -> None:
        """Fill the contiguous `target` with the bytes from `offset` on."""
        target.reshape(-1).view(np.uint8)[:] = self._content[offset : offset + target.nbytes]

    def close(self) -> None:
        """Let go of the bytes."""
        self._content = np.zeros(0, np.uint8)


class RawStack(ImageStack):
    """A stack whose image i begins at `offset + i * image bytes` of `source`.

    `layout` says how an image lies there; by default as it comes out.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        form: StackForm,
        source: ByteSource,
        offset: int,
        notes: StackNotes | None = None,
        layout: Layout | None = None,
    ) -> None:
        super().__init__(path, kind, form, notes)
        self._layout = layout
        self._source = source
        self._offset = offset

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def _read(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        block = self._layout.block if self._layout else self.form.image_shape
        images = np.empty((len(indices), *block), self.form.dtype)
        step = images[:1].nbytes
        for start, stop in runs(indices):
            self._source.fill(images[start:stop], self._offset + int(indices[start]) * step)
        return self._layout.images(images) if self._layout else images


def runs(indices: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return (start, stop) of each stretch of `indices` that counts up by one."""
    breaks = np.flatnonzero(np.diff(indices) != 1) + 1
    edges = [0, *breaks.tolist(), len(indices)]
    return list(pairwise(edges))
