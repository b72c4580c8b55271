"""NumPy archives: .npz, with labels beside the images."""

from __future__ import annotations

import lzma
import math
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ImageFileError
from tvae_core.images.arrays import pick_images
from tvae_core.images.labels import CLASS_NAMES, Labels, label_array, labels_of
from tvae_core.images.layout import layout_of
from tvae_core.images.limits import check_in_memory, check_size
from tvae_core.images.raw import ByteSource, FileBytes, MemoryBytes, RawStack
from tvae_core.images.stack import StackNotes, Wanted
from tvae_core.npy_header import NpyHeader, read_npy_header

_LOCAL_HEADER_BYTES = 30
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError)


def sniff(head: bytes) -> bool:
    """Return whether a file's first bytes are an archive of NumPy arrays."""
    return head[:4] == b"PK\x03\x04" and b".npy" in head[:300]


def open_npz(path: Path, wanted: Wanted) -> RawStack:
    """Open the images of a .npz archive.

    The array called `wanted.dataset`, else the only one like images. Labels come from an array
    called label, labels, class, classes, target, targets or y, their names from label_names or
    class_names. An uncompressed array is read from the file, a compressed one into memory.

    Raises
    ------
    ImageFileError
        Not an archive, no or several candidates, damaged, too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _open(archive, path, wanted)
    except _DAMAGE as error:
        raise ImageFileError(f"damaged NumPy archive: {error}", path) from error
    except OSError as error:
        raise ImageFileError(f"cannot be opened: {error.strerror}", path) from error


def _open(archive: zipfile.ZipFile, path: Path, wanted: Wanted) -> RawStack:
    headers = _headers(archive)
    name = pick_images(path, {key: header.shape for key, header in headers.items()}, wanted.dataset)
    header = headers[name]
    every = [member.removesuffix(".npy") for member in archive.namelist()]
    beside = label_array(name, every)
    pickled: tuple[str, ...] = ()
    if beside is not None and beside not in headers:
        pickled = (f"no labels are taken from {beside}: pickled objects are not read",)
        beside = label_array(name, headers)
    rows = headers[beside].shape[0] if beside and headers[beside].shape else 0
    layout = layout_of(path, header.shape, header.dtype, wanted, rows)
    form = layout.form
    check_size(path, form.count, form.height, form.width)
    labels = _labels(archive, path, headers, beside, form.count)
    remarks = (*layout.remarks, *pickled, *labels.remarks)
    notes = StackNotes(labels=labels.values, label_names=labels.names, remarks=remarks)
    source, offset = _source(archive, path, name, header)
    return RawStack(path, "NumPy archive", form, source, offset, notes, layout)


def _headers(archive: zipfile.ZipFile) -> dict[str, NpyHeader]:
    """Return the headers of the arrays that hold no Python objects."""
    headers = {}
    for info in archive.infolist():
        if not info.filename.endswith(".npy"):
            continue
        with archive.open(info) as stream:
            try:
                headers[info.filename.removesuffix(".npy")] = read_npy_header(stream)  # type: ignore[arg-type]
            except ValueError:
                continue
    return headers


def _source(
    archive: zipfile.ZipFile, path: Path, name: str, header: NpyHeader
) -> tuple[ByteSource, int]:
    info = archive.getinfo(name + ".npy")
    plain = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1
    ordered = not header.fortran_order or len(header.shape) < 2
    if plain and ordered:
        return _stored(path, info, header)
    array = _load(archive, path, name, header)
    return MemoryBytes(np.ascontiguousarray(array).tobytes()), 0


def _stored(path: Path, info: zipfile.ZipInfo, header: NpyHeader) -> tuple[FileBytes, int]:
    """Return where an uncompressed array begins within the archive."""
    source = FileBytes(path)
    local = np.zeros(_LOCAL_HEADER_BYTES, np.uint8)
    source.fill(local, info.header_offset)
    name_bytes, extra_bytes = local[26:30].view("<u2").tolist()
    offset = info.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes + header.offset
    if offset + header.nbytes > source.size or header.offset + header.nbytes > info.file_size:
        source.close()
        raise ImageFileError("truncated: an array is shorter than its header says", path)
    return source, offset


def _load(archive: zipfile.ZipFile, path: Path, name: str, header: NpyHeader) -> NDArray[Any]:
    info = archive.getinfo(name + ".npy")
    check_in_memory(path, header.nbytes, info.compress_size)
    with archive.open(info) as stream:
        stream.read(header.offset)
        content = _exactly(stream, header.nbytes, path)
    flat = np.frombuffer(content, header.dtype, count=math.prod(header.shape))
    return flat.reshape(header.shape, order="F" if header.fortran_order else "C")


def _exactly(stream: IO[bytes], count: int, path: Path) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise ImageFileError("truncated: an array is shorter than its header says", path)
    return content


def _labels(
    archive: zipfile.ZipFile,
    path: Path,
    headers: dict[str, NpyHeader],
    beside: str | None,
    count: int,
) -> Labels:
    if beside is None:
        return Labels()
    header = headers[beside]
    labels = labels_of(beside, header.shape, count, lambda: _load(archive, path, beside, header))
    named = next((name for name in headers if name.lower() in CLASS_NAMES), None)
    if labels.values is None or labels.names or named is None:
        return labels
    if headers[named].dtype.kind not in "US":
        return labels
    names = _load(archive, path, named, headers[named]).astype(str).ravel().tolist()
    return labels._replace(names=tuple(names))
