"""The idx files of MNIST and its kin, plain or with .gz."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ImageFileError
from tvae_core.images.gzipped import unpack
from tvae_core.images.labels import labels_of
from tvae_core.images.layout import layout_of
from tvae_core.images.limits import LARGEST_IN_MEMORY, check_size
from tvae_core.images.raw import ByteSource, FileBytes, MemoryBytes, RawStack
from tvae_core.images.stack import StackNotes, Wanted

_PIXELS = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
ENDINGS = (
    *("-ubyte", "idx3-byte", "idx3-short", "idx3-int", "idx3-float", "idx3-double"),
    *(".idx", ".idx3", ".idx4"),
)
_LONGEST_HEADER = 4 + 4 * 4


def sniff(head: bytes) -> bool:
    """Return whether a file's first bytes are the header of an idx file of images."""
    return head[:2] == b"\0\0" and len(head) > 3 and head[2] in _PIXELS and head[3] in (3, 4)


def open_idx(path: Path, wanted: Wanted) -> RawStack:
    """Open an idx file of images; labels lie beside it, `images`-idx3 becoming `labels`-idx1.

    Raises
    ------
    ImageFileError
        Not an idx file, truncated, absurd size, or labels of another number.
    """
    shape, dtype, source, offset = _open(path)
    layout = layout_of(path, shape, dtype, wanted)
    form = layout.form
    return RawStack(path, "idx", form, source, offset, _labels(path, form.count), layout)


def _open(path: Path) -> tuple[tuple[int, ...], np.dtype[Any], ByteSource, int]:
    if path.suffix.lower() == ".gz":
        content = unpack(path, _LONGEST_HEADER, lambda head: _total(_parse(head, path)))
        shape, dtype = _parse(bytes(content[:_LONGEST_HEADER]), path)
        return shape, dtype, MemoryBytes(content), 4 + 4 * len(shape)
    source = FileBytes(path)
    try:
        shape, dtype = _parse(source.head(_LONGEST_HEADER), path)
        wanted = _total((shape, dtype))
        if source.size < wanted:
            raise ImageFileError(
                f"truncated: {source.size} bytes, its header asks for {wanted}", path
            )
    except ImageFileError:
        source.close()
        raise
    return shape, dtype, source, 4 + 4 * len(shape)


def _parse(head: bytes, path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if len(head) < 8 or head[:2] != b"\0\0" or head[2] not in _PIXELS or not 1 <= head[3] <= 4:
        raise ImageFileError("not an idx file", path, "is its name right?")
    dimensions = head[3]
    if len(head) < 4 + 4 * dimensions:
        raise ImageFileError("truncated within its header", path)
    shape = tuple(np.frombuffer(head, ">u4", dimensions, 4).tolist())
    if dimensions > 1:
        size = layout_of(path, shape, np.dtype(_PIXELS[head[2]])).form
        check_size(path, size.count, size.height, size.width)
    return shape, np.dtype(_PIXELS[head[2]])


def _total(parsed: tuple[tuple[int, ...], np.dtype[Any]]) -> int:
    shape, dtype = parsed
    return 4 + 4 * len(shape) + math.prod(shape) * dtype.itemsize


def _labels(path: Path, count: int) -> StackNotes:
    beside = _label_file(path)
    if beside is None:
        return StackNotes()
    values = _read_labels(beside)
    labels = labels_of(beside.name, values.shape, count, lambda: values).values
    if labels is None:
        raise ImageFileError(f"does not hold one label for each of the {count} images", beside)
    return StackNotes(labels=labels)


def _label_file(path: Path) -> Path | None:
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    if name == path.name:
        return None
    other = name.removesuffix(".gz") if name.endswith(".gz") else name + ".gz"
    beside = [path.with_name(choice) for choice in (name, other)]
    return next((choice for choice in beside if choice.is_file()), None)


def _read_labels(path: Path) -> NDArray[Any]:
    shape, dtype, source, offset = _open(path)
    if math.prod(shape) * dtype.itemsize > LARGEST_IN_MEMORY:
        raise ImageFileError("absurd size", path)
    labels = np.empty(shape, dtype)
    source.fill(labels, offset)
    source.close()
    return labels
