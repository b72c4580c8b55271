"""The files that a stack of images is written to: how each is written, and how it is read back."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ImageFileError

Array = NDArray[np.floating]


@dataclass(frozen=True)
class StackJob:
    """What is written: images (n, *shape), asked for block by block."""

    count: int
    shape: tuple[int, ...]
    blocks: Callable[[], Iterator[Array]]
    indices: NDArray[np.int64]
    pixel_size_angstrom: float | None
    grey_range: tuple[float, float] | None


@dataclass(frozen=True)
class StackForm:
    """A kind of file that holds a stack.

    Parameters
    ----------
    write : callable
        Writes a job to a path and returns the running CRC of the bytes of its images.
    check : callable
        Reads the file again, so many images at a time, and returns how many it holds and the same
        CRC.
    """

    write: Callable[[Path, StackJob], int]
    check: Callable[[Path, StackJob, int], tuple[int, int]]


def _crc(blocks: Iterator[Array]) -> tuple[int, int]:
    count, crc = 0, 0
    for block in blocks:
        crc = zlib.crc32(np.ascontiguousarray(block).data, crc)
        count += len(block)
    return count, crc


def _fill(target: Any, job: StackJob) -> int:
    start, crc = 0, 0
    for block in job.blocks():
        target[start : start + len(block)] = block
        crc = zlib.crc32(block.data, crc)
        start += len(block)
    return crc


def _pour(
    stream: BinaryIO, job: StackJob, seen: Callable[[Array], None] = lambda block: None
) -> int:
    """Write images one after another, plainly: a full disk is an error where a map is a signal."""
    crc = 0
    for block in job.blocks():
        stream.write(np.ascontiguousarray(block, "<f4").data)
        crc = zlib.crc32(block.data, crc)
        seen(block)
    return crc


class _Values:
    """Least, greatest, mean and deviation of values that come in blocks."""

    def __init__(self) -> None:
        self._low, self._high = np.inf, -np.inf
        self._count, self._sum, self._squares = 0, 0.0, 0.0
        self._about: float | None = None

    def add(self, block: Array) -> None:
        """Take more values."""
        values = np.asarray(block, np.float64)
        if self._about is None:
            self._about = float(values.mean())  # squares of small numbers lose nothing
        self._low, self._high = min(self._low, values.min()), max(self._high, values.max())
        self._count += values.size
        self._sum += float((values - self._about).sum())
        self._squares += float(np.square(values - self._about).sum())

    def summary(self) -> tuple[float, float, float, float]:
        """Return all four."""
        mean = self._sum / max(self._count, 1)
        deviation = max(self._squares / max(self._count, 1) - mean**2, 0.0) ** 0.5
        return float(self._low), float(self._high), (self._about or 0.0) + mean, deviation


def _slices(values: Any, size: int) -> Iterator[Array]:
    return (values[start : start + size] for start in range(0, len(values), size))


def _write_mrcs(part: Path, job: StackJob) -> int:
    import mrcfile

    if len(job.shape) != 2:
        raise ImageFileError("an .mrcs file cannot hold colour", part, "choose .tif, .npy or .h5")
    with mrcfile.new(part, np.zeros((1, *job.shape), np.float32), overwrite=True) as file:
        file.set_image_stack()
        file.voxel_size = job.pixel_size_angstrom or 0.0  # 0: unknown
        header = file.header.copy()
    header.nz = job.count
    values = _Values()
    with open(part, "r+b") as stream:
        stream.seek(header.nbytes)
        crc = _pour(stream, job, values.add)
        header.dmin, header.dmax, header.dmean, header.rms = values.summary()
        stream.seek(0)
        stream.write(header.tobytes())
    return crc


def _check_mrcs(part: Path, job: StackJob, size: int) -> tuple[int, int]:
    import mrcfile

    with mrcfile.mmap(part, mode="r") as file:
        if int(file.header.ispg) != 0:
            raise ImageFileError("the file written is not marked as a stack", part)
        # a stack of one image is read as that image
        return _crc(_slices(file.data.reshape(-1, *job.shape), size))


def _write_npy(part: Path, job: StackJob) -> int:
    about = {"descr": "<f4", "fortran_order": False, "shape": (job.count, *job.shape)}
    with open(part, "wb") as stream:
        np.lib.format.write_array_header_1_0(stream, about)
        return _pour(stream, job)


def _check_npy(part: Path, job: StackJob, size: int) -> tuple[int, int]:
    return _crc(_slices(np.load(part, mmap_mode="r", allow_pickle=False), size))


def _write_hdf5(part: Path, job: StackJob) -> int:
    from tvae_core.hdf5_files import new_hdf5

    with new_hdf5(part) as file:
        crc = _fill(file.create_dataset("images", (job.count, *job.shape), "f4"), job)
        file["indices"] = job.indices
        file["images"].attrs["pixel_size_angstrom"] = job.pixel_size_angstrom or 0.0
    return crc


def _check_hdf5(part: Path, job: StackJob, size: int) -> tuple[int, int]:
    from tvae_core.hdf5_files import read_hdf5

    with read_hdf5(part) as file:
        return _crc(_slices(file["images"], size))


class _Plain(io.BufferedWriter):
    """A file without a handle: numpy would write past Python, and lose what the disk says."""

    def fileno(self) -> int:
        """Refuse."""
        raise io.UnsupportedOperation("fileno")


def _write_tiff(part: Path, job: StackJob) -> int:
    import tifffile

    crc = 0
    colour = {"photometric": "rgb"} if len(job.shape) == 3 else {"photometric": "minisblack"}
    pixel = job.pixel_size_angstrom
    # TIFF states pixels a centimetre: 1 cm is 1e8 angstrom
    size = {"resolution": (1e8 / pixel, 1e8 / pixel), "resolutionunit": 3} if pixel else {}
    big = job.count * np.prod(job.shape) * 4 > 2**31
    with _Plain(io.FileIO(part, "wb")) as stream, tifffile.TiffWriter(stream, bigtiff=big) as file:
        for block in job.blocks():
            crc = zlib.crc32(block.data, crc)
            for image in block:
                file.write(image, contiguous=False, metadata=None, **colour, **size)
    return crc


def _check_tiff(part: Path, job: StackJob, size: int) -> tuple[int, int]:
    import tifffile

    with tifffile.TiffFile(part) as file:
        return _crc(page.asarray()[None] for page in file.pages)


def _write_png(part: Path, job: StackJob) -> int:
    from PIL import Image

    crc, number, limits = 0, 0, job.grey_range
    digits = max(6, len(str(job.count)))
    for block in job.blocks():
        limits = limits or percentile_range(block)
        for image in to_bytes(block, *limits):
            crc = zlib.crc32(image.data, crc)
            number += 1
            Image.fromarray(image).save(part / f"{number:0{digits}d}.png")
    return crc


def _check_png(part: Path, job: StackJob, size: int) -> tuple[int, int]:
    from PIL import Image

    def images() -> Iterator[Array]:
        for path in sorted(part.glob("*.png")):
            with Image.open(path) as image:
                yield np.asarray(image)[None]

    return _crc(images())


def percentile_range(images: Array) -> tuple[float, float]:
    """Return the 1st and 99th percentile of finite pixel values, at least 1 apart if equal."""
    values = np.asarray(images).ravel()[:: max(1, np.size(images) // 1_000_000)]
    low, high = np.percentile(values[np.isfinite(values)], [1, 99])
    return float(low), float(high if high > low else low + 1)


def to_bytes(images: Array, low: float, high: float) -> NDArray[np.uint8]:
    """Return images as uint8, `low` to 0 and `high` to 255, clipped; NaN is 0."""
    scaled = (np.asarray(images, dtype=np.float32) - low) * (255.0 / (high - low))
    grey: NDArray[np.uint8] = np.rint(np.clip(np.nan_to_num(scaled), 0, 255)).astype(np.uint8)
    return grey


MRC = StackForm(_write_mrcs, _check_mrcs)
TIFF = StackForm(_write_tiff, _check_tiff)
NPY = StackForm(_write_npy, _check_npy)
HDF5 = StackForm(_write_hdf5, _check_hdf5)
PNG = StackForm(_write_png, _check_png)
