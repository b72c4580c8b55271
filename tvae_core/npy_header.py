"""The header of a .npy stream, read and judged before any array is allocated."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from operator import index
from typing import Any, BinaryIO

import numpy as np

MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 1 << 20


@dataclass(frozen=True)
class NpyHeader:
    """What a .npy stream says of its array.

    Parameters
    ----------
    dtype : np.dtype
        Type of one item, never a Python object.
    shape : tuple of int
    fortran_order : bool
        The first axis varies fastest.
    offset : int
        Bytes before the array's data.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran_order: bool
    offset: int

    @property
    def nbytes(self) -> int:
        """Bytes of the array's data."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy_header(stream: BinaryIO) -> NpyHeader:
    """Read the header of a .npy stream that stands at its beginning.

    Raises
    ------
    ValueError
        One line: not a .npy stream, a damaged header, or pickled objects.
    """
    start = stream.read(8)
    if start[:6] != MAGIC or len(start) < 8 or start[6] not in (1, 2, 3):
        raise ValueError("not a NumPy file")
    size_bytes = 2 if start[6] == 1 else 4
    size = int.from_bytes(stream.read(size_bytes), "little")
    text = stream.read(size) if size <= _LONGEST_HEADER else b""
    if not text or len(text) < size:
        raise ValueError("damaged NumPy header")
    return _parse(text.decode("utf-8" if start[6] == 3 else "latin1"), 8 + size_bytes + size)


def _parse(text: str, offset: int) -> NpyHeader:
    try:
        fields = ast.literal_eval(text.strip())
        dtype = np.lib.format.descr_to_dtype(fields["descr"])
        shape = tuple(index(side) for side in fields["shape"])
        fortran_order = bool(fields["fortran_order"])
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, MemoryError) as error:
        raise ValueError("damaged NumPy header") from error
    if dtype.hasobject:
        raise ValueError("holds pickled Python objects, which are not read")
    if any(side < 0 for side in shape):
        raise ValueError("damaged NumPy header")
    return NpyHeader(dtype, shape, fortran_order, offset)
