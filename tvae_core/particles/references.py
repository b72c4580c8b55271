"""Columns of paths as a short list of files and an index into it; names for new columns."""

from __future__ import annotations

from collections.abc import Container, Iterable

import numpy as np
from numpy.typing import NDArray


def gather(paths: Iterable[bytes]) -> tuple[list[str], NDArray[np.int32]]:
    """Return the distinct paths in order of first appearance, and each row's place among them.

    Returns
    -------
    files : list of str
        Bytes that are not UTF-8 come back as surrogate escapes, which the file system understands.
    file_index : (N,) int32
    """
    places: dict[bytes, int] = {}
    rows = [places.setdefault(path, len(places)) for path in paths]
    files = [path.decode("utf-8", "surrogateescape") for path in places]
    return files, np.asarray(rows, dtype=np.int32)


def free_name(name: str, taken: Container[str]) -> str:
    """Return `name`, or with the first number from 2 that makes it unlike those taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}{number}"
    return free
