"""Unpacking a gzip file into memory, with its size judged first."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from tvae_core.errors import ImageFileError
from tvae_core.images.limits import check_in_memory

_BLOCK = 1 << 20
_LONGEST_NAME = 1 << 16
_MOST_BESIDES = 64 << 20  # bytes after the images


class _Packed:
    """A gzip file whose names end: Python's reader looks for their end byte by byte."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._alone = 0  # bytes that were asked for one by one
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        self._alone = self._alone + 1 if size == 1 else 0
        if self._alone > _LONGEST_NAME:
            raise gzip.BadGzipFile(f"a name of more than {_LONGEST_NAME:,} bytes")
        return self._file.read(size)


def unpack(path: Path, header_bytes: int, total_bytes: Callable[[bytes], int]) -> bytearray:
    """Return the first bytes of a gzip file.

    Parameters
    ----------
    path : Path
    header_bytes : int
        Bytes that `total_bytes` needs.
    total_bytes : callable
        From the header's bytes to the number of bytes to unpack, header included.

    Raises
    ------
    ImageFileError
        Not gzip, damaged, truncated, or too large.
    """
    try:
        with path.open("rb") as file, gzip.open(cast(BinaryIO, _Packed(file)), "rb") as packed:
            return _unpack(cast(BinaryIO, packed), path, header_bytes, total_bytes)
    except EOFError:
        raise ImageFileError("truncated: the compressed data ends early", path) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ImageFileError(f"damaged gzip file: {error}", path) from error
    except OSError as error:
        raise ImageFileError(f"cannot be opened: {error.strerror}", path) from error


def _unpack(
    packed: BinaryIO, path: Path, header_bytes: int, total_bytes: Callable[[bytes], int]
) -> bytearray:
    content = bytearray(packed.read(header_bytes))
    wanted = total_bytes(bytes(content))
    check_in_memory(path, wanted, path.stat().st_size)
    while len(content) < wanted:
        block = packed.read(min(_BLOCK, wanted - len(content)))
        if not block:
            raise ImageFileError(
                f"truncated: {len(content)} bytes, its header asks for {wanted}", path
            )
        content += block
    _to_the_end(packed, path)
    return content


def _to_the_end(packed: BinaryIO, path: Path) -> None:
    """Unpack what is left, and forget it: the checksum is compared when the end is reached."""
    left = _MOST_BESIDES
    while block := packed.read(_BLOCK):
        left -= len(block)
        if left < 0:
            raise ImageFileError("holds far more than its header asks for", path)
