"""MRC stacks and volumes: .mrc, .mrcs, .map and the names of IMOD, plain or with .gz.

The header is checked strictly before anything is allocated, but neither the word MAP nor the
machine stamp is required: real stacks lack them. A volume is read as the stack of its sections.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tvae_core.errors import ImageFileError
from tvae_core.images.gzipped import unpack
from tvae_core.images.limits import LARGEST_COUNT, LARGEST_SIDE
from tvae_core.images.raw import FileBytes, MemoryBytes, RawStack
from tvae_core.images.stack import StackForm, StackNotes, Wanted

SUFFIXES = (".mrc", ".mrcs", ".map", ".st", ".ali", ".preali", ".rec")
HEADER_BYTES = 1024
_LARGEST_EXTENDED_HEADER = 64 << 20
_PIXELS = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_REFUSED = {3: "complex 16-bit", 4: "complex 32-bit", 16: "RGB", 101: "4-bit"}
_IMOD_STAMP = 1146047817
_SQUARE = 0.01


@dataclass(frozen=True)
class MrcHeader:
    """What is needed of an MRC header.

    Parameters
    ----------
    form : StackForm
    offset : int
        Bytes before the pixels.
    pixel_size_angstrom : float or None
        None when the cell or the sampling is absent or bogus, or pixels are not square.
    remarks : tuple of str
        What is odd about the header.
    """

    form: StackForm
    offset: int
    pixel_size_angstrom: float | None
    remarks: tuple[str, ...] = ()

    @property
    def total_bytes(self) -> int:
        """Bytes of a file with this header."""
        return self.offset + self.form.count * self.form.image_bytes


def sniff(head: bytes) -> bool:
    """Return whether a file's first bytes are an MRC header that makes sense."""
    return len(head) >= HEADER_BYTES and any(_header(head, order) for order in "<>")


def open_mrc(path: Path, wanted: Wanted) -> RawStack:
    """Open an MRC stack or volume.

    Raises
    ------
    ImageFileError
        Not an MRC file, pixels of a mode that is not read, absurd size, truncated.
    """
    if path.suffix.lower() == ".gz":
        content = unpack(path, HEADER_BYTES, lambda head: parse_header(head, path).total_bytes)
        header = parse_header(bytes(content[:HEADER_BYTES]), path)
        return _stack(path, header, MemoryBytes(content), _remarks(header, header.total_bytes))
    source = FileBytes(path)
    try:
        header = read_header(source, path)
        return _stack(path, header, source, _remarks(header, source.size))
    except ImageFileError:
        source.close()
        raise


def read_header(source: FileBytes, path: Path) -> MrcHeader:
    """Return the header of an open file, checked against the size of the file.

    Raises
    ------
    ImageFileError
    """
    header = parse_header(source.head(HEADER_BYTES), path, source.size)
    if header.total_bytes > source.size:
        raise ImageFileError(
            f"truncated: {source.size} bytes, its header asks for {header.total_bytes}", path
        )
    return header


def parse_header(head: bytes, path: Path, size: int | None = None) -> MrcHeader:
    """Return the header in the byte order that makes sense of it.

    Parameters
    ----------
    head : bytes
        The first 1,024 bytes.
    path : Path
        For the error.
    size : int, optional
        Bytes of the file: it decides when both byte orders make sense.

    Raises
    ------
    ImageFileError
    """
    if len(head) < HEADER_BYTES:
        raise ImageFileError(f"truncated: {len(head)} bytes, an MRC header takes 1024", path)
    candidates = [header for order in "<>" if (header := _header(head, order))]
    if not candidates:
        raise _explain(head, path)
    exact = [header for header in candidates if header.total_bytes == size]
    return (exact or candidates)[0]


def _header(head: bytes, order: str) -> MrcHeader | None:
    width, height, count, mode = struct.unpack_from(order + "4i", head, 0)
    (extended,) = struct.unpack_from(order + "i", head, 92)
    if mode not in _PIXELS or not _sides_fit(width, height, count):
        return None
    if not 0 <= extended <= _LARGEST_EXTENDED_HEADER:
        return None
    kind = "u1" if mode == 0 and _is_unsigned(head, order) else _PIXELS[mode]
    form = StackForm(count, height, width, 1, np.dtype(order + kind))
    x, y = _cell_pixels(head, order, width, height)
    square = x is None or y is None or abs(y / x - 1) <= _SQUARE
    remarks = [_other_axes(head, order)]
    if not square:
        remarks.append(f"pixels are not square: {x:.4g} by {y:.4g} angstrom")
    said = tuple(remark for remark in remarks if remark)
    return MrcHeader(form, HEADER_BYTES + extended, x if square else None, said)


def _sides_fit(width: int, height: int, count: int) -> bool:
    fits = 1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE
    return fits and 1 <= count <= LARGEST_COUNT


def _is_unsigned(head: bytes, order: str) -> bool:
    """Return whether IMOD wrote mode 0 as unsigned bytes; the standard says signed."""
    stamp, flags = struct.unpack_from(order + "2i", head, 152)
    return bool(stamp == _IMOD_STAMP and not flags & 1)


def _cell_pixels(
    head: bytes, order: str, width: int, height: int
) -> tuple[float | None, float | None]:
    """Return the pixel size along columns and rows, None where it is absent or bogus."""
    samplings = struct.unpack_from(order + "2i", head, 28)
    cells = struct.unpack_from(order + "2f", head, 40)
    x, y = map(_cell_pixel, samplings, cells, (width, height))
    return x, y


def _cell_pixel(sampling: int, cell: float, side: int) -> float | None:
    if sampling < 1 or (sampling == 1 and side > 1):  # written by tools that know no pixel size
        return None
    pixel = cell / sampling
    return pixel if 1e-3 <= pixel <= 1e6 else None


def _other_axes(head: bytes, order: str) -> str:
    axes = struct.unpack_from(order + "3i", head, 64)
    if sorted(axes) != [1, 2, 3] or axes == (1, 2, 3):
        return ""
    named = ", ".join(map(str, axes))
    return f"the header names another order of axes ({named}): images may be transposed"


def _explain(head: bytes, path: Path) -> ImageFileError:
    """Say why no byte order makes sense of a header."""
    for order in "<>":
        width, height, count, mode = struct.unpack_from(order + "4i", head, 0)
        (extended,) = struct.unpack_from(order + "i", head, 92)
        if _sides_fit(width, height, count) and mode in _REFUSED:
            what = f"MRC mode {mode} ({_REFUSED[mode]}) is not read"
            return ImageFileError(what, path, "convert it to mode 2")
        if _sides_fit(width, height, count) and mode in _PIXELS:
            what = f"absurd size: an extended header of {extended} bytes"
            return ImageFileError(what, path, "is it damaged?")
        if mode in _PIXELS and mode and head[:2] != b"\0\0":
            what = f"absurd size: {count} images of {height} x {width} pixels"
            return ImageFileError(what, path, "is it damaged?")
        if _sides_fit(width, height, count):
            return ImageFileError(f"unknown MRC mode {mode}", path, "is it an MRC file?")
    if not any(head[:16]) or head[208:211] == b"MAP":
        return ImageFileError("absurd size or mode in its MRC header", path, "is it damaged?")
    return ImageFileError("not an MRC file", path, "is its name right?")


def _remarks(header: MrcHeader, size: int) -> tuple[str, ...]:
    extra, form = size - header.total_bytes, header.form
    remarks = [*header.remarks]
    remarks += [f"{extra} bytes after the last image are ignored"] if extra else []
    if form.count == form.height == form.width and form.count > 1:
        remarks.append(f"a cube of {form.count} pixels a side: if it is a volume, these are slices")
    return tuple(remarks)


def _stack(
    path: Path, header: MrcHeader, source: FileBytes | MemoryBytes, remarks: tuple[str, ...]
) -> RawStack:
    notes = StackNotes(header.pixel_size_angstrom, remarks=remarks)
    return RawStack(path, "MRC", header.form, source, header.offset, notes)
