"""Reading what a growing text file gained since the last look."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_CHUNK = 1 << 18
_LONGEST_LINE = 1 << 20


class Tail:
    """The whole lines that a file gains; a file that shrank is read from its start again.

    Parameters
    ----------
    path : Path
        The file, which need not exist yet.
    skip_to_last : int
        Begin at most so many bytes before the file's end; 0 begins at its start.
    """

    def __init__(self, path: Path, skip_to_last: int = 0) -> None:
        self.path = path
        self.at_end = False
        self._offset = 0
        self._rest = b""
        self._skip = skip_to_last

    def read(self) -> list[str]:
        """Return new whole lines, at most 256 kB at a time; `at_end` tells whether that was all."""
        try:
            with self.path.open("rb") as stream:
                block = self._next_block(stream)
        except OSError:
            self.at_end = True
            return []
        lines = (self._rest + block).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        return [line.decode("utf-8", errors="replace") for line in lines if line.strip()]

    def read_rest(self) -> list[str]:
        """Return all that is left, with a last line that no newline ends."""
        lines = self.read()
        while not self.at_end:
            lines += self.read()
        if self._rest.strip():
            lines.append(self._rest.decode("utf-8", errors="replace"))
        self._rest = b""
        return lines

    def _next_block(self, stream: BinaryIO) -> bytes:
        end = os.fstat(stream.fileno()).st_size
        if end < self._offset:
            self._offset, self._rest = 0, b""
        if self._skip:
            self._offset, self._skip = max(0, end - self._skip), 0
        stream.seek(self._offset)
        block = stream.read(_CHUNK)
        self._offset += len(block)
        self.at_end = self._offset >= end
        return block
