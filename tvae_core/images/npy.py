"""NumPy files: .npy, read image by image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tvae_core.errors import ImageFileError
from tvae_core.files import file_error
from tvae_core.images.layout import layout_of
from tvae_core.images.limits import LARGEST_IN_MEMORY, check_size
from tvae_core.images.raw import ByteSource, FileBytes, MemoryBytes, RawStack
from tvae_core.images.stack import StackNotes, Wanted
from tvae_core.npy_header import MAGIC, NpyHeader, read_npy_header


def sniff(head: bytes) -> bool:
    """Return whether a file's first bytes are a NumPy array of plain numbers."""
    return head[:6] == MAGIC and b"'descr': [" not in head[:200]


def open_npy(path: Path, wanted: Wanted) -> RawStack:
    """Open a .npy file of numbers; `layout_of` says which shapes are images.

    Raises
    ------
    ImageFileError
        Not a NumPy file, pickled objects, another shape, absurd size, truncated.
    """
    try:
        with open(path, "rb") as stream:
            header = read_npy_header(stream)
    except OSError as error:
        raise file_error(error, path, "cannot be opened") from error
    except ValueError as error:
        raise ImageFileError(str(error), path, "save a plain array with numpy.save") from error
    layout = layout_of(path, header.shape, header.dtype, wanted)
    form = layout.form
    check_size(path, form.count, form.height, form.width)
    source, offset = _source(path, header)
    notes = StackNotes(remarks=layout.remarks)
    return RawStack(path, "NumPy array", form, source, offset, notes, layout)


def _source(path: Path, header: NpyHeader) -> tuple[ByteSource, int]:
    source = FileBytes(path)
    wanted = header.offset + header.nbytes
    if source.size < wanted:
        size = source.size
        source.close()
        raise ImageFileError(f"truncated: {size} bytes, its header asks for {wanted}", path)
    if header.fortran_order and len(header.shape) > 1:
        source.close()
        return _reordered(path, header), 0
    return source, header.offset


def _reordered(path: Path, header: NpyHeader) -> MemoryBytes:
    """Return the images of a Fortran-ordered array, whose pixels lie scattered over the file."""
    if header.nbytes > LARGEST_IN_MEMORY:
        raise ImageFileError(
            "too large in Fortran order", path, "save it with numpy.ascontiguousarray"
        )
    flat = np.fromfile(path, header.dtype, offset=header.offset)
    array = flat.reshape(header.shape[::-1]).T
    return MemoryBytes(np.ascontiguousarray(array).tobytes())
