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
        with gzip.open(path, "rb") as packed:
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
    return content
