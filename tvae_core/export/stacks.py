"""Subsets of images as .mrcs, TIFF, NPY, HDF5 or a folder of PNG; as found or turned upright."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.averages import upright_fine
from tvae_core.errors import ImageFileError
from tvae_core.export.sources import ImageSource
from tvae_core.export.target import Asked, Exported, Progress, new_file, new_folder, report, verify
from tvae_core.store import EmbeddingStore

Array = NDArray[Any]
_BLOCK_BYTES = 1 << 25


@dataclass(frozen=True)
class Poses:
    """Poses of all N images, by which they are turned upright.

    angle_rad (N,) counter-clockwise; shift_px (N, 2), x right, y up, in the model's pixels; scale
    is the model's pixel over the source's, as in the store; centre_offset_px (x, y) is where the
    model's images have their centre in the source's (`Preprocessor.centre_offset_px`). An object
    lies at centre_offset_px + shift_px * scale from the centre of the source's image.
    """

    angle_rad: Array
    shift_px: Array
    scale: float = 1.0
    centre_offset_px: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of_store(cls, store: EmbeddingStore, model_size: bool = False) -> Poses:
        """Return the poses of a store for its original images, or for those of the model."""
        if model_size:
            return cls(store.angle_rad, store.shift_px)
        original, scale = store.header.original, store.header.scale
        offset = (0.0, 0.0) if original is None else original.centre_offset_px
        return cls(store.angle_rad, store.shift_px, scale, offset)

    def of(self, chosen: Array) -> tuple[Array, Array]:
        """Return angles (n,) and shifts (n, 2) in the source's pixels of images `chosen`."""
        shift = np.asarray(self.shift_px)[chosen] * self.scale + np.array(self.centre_offset_px)
        return np.asarray(self.angle_rad)[chosen], shift


@dataclass(frozen=True)
class _Job:
    """One export: images (n, *shape), asked for block by block."""

    count: int
    shape: tuple[int, ...]
    blocks: Callable[[], Iterator[Array]]
    indices: NDArray[np.int64]
    pixel_size_angstrom: float | None
    grey_range: tuple[float, float] | None


def export_images(
    source: ImageSource,
    indices: Array,
    path: Path | str,
    *,
    poses: Poses | None = None,
    pixel_size_angstrom: float | None = None,
    grey_range: tuple[float, float] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    cancelled: Asked | None = None,
) -> Exported:
    """Write a subset of images; what kind of file is told by the name.

    Parameters
    ----------
    source : ImageSource
    indices : (n,) int, in the order they are written
    path : Path or str
        `.mrcs` or `.mrc`, `.tif` or `.tiff`, `.npy`, `.h5`; a name without suffix is a folder of
        numbered PNG files. All but PNG hold float32.
    poses : Poses, optional
        Turn each image upright by its pose; as found when not given.
    pixel_size_angstrom : float, optional
        Of the source's images; kept by .mrcs, TIFF and HDF5.
    grey_range : (low, high), optional
        Values that PNG shows black and white; 1st and 99th percentile of the first images if none.
    overwrite : bool
    progress, cancelled : callable, optional
        Told 0..1; asked whether to stop.

    Returns
    -------
    Exported
        The path and the number of images read back, each equal to what was written bit by bit.

    Raises
    ------
    ImageFileError
        No images, a kind that cannot hold them, or the path is there already.
    Cancelled
        `cancelled` said so; nothing is left behind.
    """
    path = Path(path)
    chosen = np.asarray(indices, dtype=np.int64).ravel()
    if not chosen.size:
        raise ImageFileError("no images to export", path, "select some first")
    shape = np.asarray(source.read(chosen[:1])).shape[1:]
    size = max(1, _BLOCK_BYTES // (4 * int(np.prod(shape))))

    def blocks() -> Iterator[Array]:
        for start in range(0, len(chosen), size):
            report(start, len(chosen), _share(progress, 0.0, 0.7), cancelled)
            yield _block(source, chosen[start : start + size], poses)
        report(1, 1, _share(progress, 0.0, 0.7), cancelled)

    job = _Job(len(chosen), shape, blocks, chosen, pixel_size_angstrom, grey_range)
    count = _write_and_verify(path, job, size, overwrite)
    report(1, 1, progress)
    return Exported(path, count)


def _write_and_verify(path: Path, job: _Job, size: int, overwrite: bool) -> int:
    write, check = _kind(path)
    make = new_folder if path.suffix == "" else new_file
    with make(path, overwrite) as part:
        written = write(part, job)
        read = check(part, job, size)
        verify((job.count, written), read, path)
    return read[0]


def _block(source: ImageSource, chosen: NDArray[np.int64], poses: Poses | None) -> Array:
    images = np.ascontiguousarray(source.read(chosen), dtype=np.float32)
    return images if poses is None else upright_fine(images, *poses.of(chosen))


def _share(progress: Progress | None, low: float, high: float) -> Progress | None:
    return None if progress is None else lambda done: progress(low + (high - low) * done)


# A writer stores the images and returns the running CRC of their bytes; a checker reads the file
# again and returns how many images it holds and the same CRC.
_Writer = Callable[[Path, _Job], int]
_Checker = Callable[[Path, _Job, int], tuple[int, int]]


def _crc(blocks: Iterator[Array]) -> tuple[int, int]:
    count, crc = 0, 0
    for block in blocks:
        crc = zlib.crc32(np.ascontiguousarray(block).data, crc)
        count += len(block)
    return count, crc


def _fill(target: Any, job: _Job) -> int:
    start, crc = 0, 0
    for block in job.blocks():
        target[start : start + len(block)] = block
        crc = zlib.crc32(block.data, crc)
        start += len(block)
    return crc


def _slices(values: Any, size: int) -> Iterator[Array]:
    return (values[start : start + size] for start in range(0, len(values), size))


def _write_mrcs(part: Path, job: _Job) -> int:
    import mrcfile

    if len(job.shape) != 2:
        raise ImageFileError("an .mrcs file cannot hold colour", part, "choose .tif, .npy or .h5")
    with mrcfile.new_mmap(part, (job.count, *job.shape), mrc_mode=2, overwrite=True) as file:
        crc = _fill(file.data, job)
        file.set_image_stack()
        file.voxel_size = job.pixel_size_angstrom or 1.0
        file.update_header_stats()
    return crc


def _check_mrcs(part: Path, job: _Job, size: int) -> tuple[int, int]:
    import mrcfile

    with mrcfile.mmap(part, mode="r") as file:
        if int(file.header.ispg) != 0:
            raise ImageFileError("the stack written is not marked as one", part)
        # a stack of one image is read as that image
        return _crc(_slices(file.data.reshape(-1, *job.shape), size))


def _write_npy(part: Path, job: _Job) -> int:
    shape = (job.count, *job.shape)
    target = np.lib.format.open_memmap(part, mode="w+", dtype=np.float32, shape=shape)
    crc = _fill(target, job)
    target.flush()
    return crc


def _check_npy(part: Path, job: _Job, size: int) -> tuple[int, int]:
    return _crc(_slices(np.load(part, mmap_mode="r", allow_pickle=False), size))


def _write_hdf5(part: Path, job: _Job) -> int:
    import h5py

    with h5py.File(part, "w", libver=("earliest", "v110")) as file:
        crc = _fill(file.create_dataset("images", (job.count, *job.shape), "f4"), job)
        file["indices"] = job.indices
        file["images"].attrs["pixel_size_angstrom"] = job.pixel_size_angstrom or 0.0
    return crc


def _check_hdf5(part: Path, job: _Job, size: int) -> tuple[int, int]:
    import h5py

    with h5py.File(part, "r") as file:
        return _crc(_slices(file["images"], size))


def _write_tiff(part: Path, job: _Job) -> int:
    import tifffile

    crc = 0
    colour = {"photometric": "rgb"} if len(job.shape) == 3 else {"photometric": "minisblack"}
    pixel = job.pixel_size_angstrom
    # TIFF states pixels a centimetre: 1 cm is 1e8 angstrom
    size = {"resolution": (1e8 / pixel, 1e8 / pixel), "resolutionunit": 3} if pixel else {}
    with tifffile.TiffWriter(part, bigtiff=job.count * np.prod(job.shape) * 4 > 2**31) as file:
        for block in job.blocks():
            crc = zlib.crc32(block.data, crc)
            for image in block:
                file.write(image, contiguous=False, metadata=None, **colour, **size)
    return crc


def _check_tiff(part: Path, job: _Job, size: int) -> tuple[int, int]:
    import tifffile

    with tifffile.TiffFile(part) as file:
        return _crc(page.asarray()[None] for page in file.pages)


def _write_png(part: Path, job: _Job) -> int:
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


def _check_png(part: Path, job: _Job, size: int) -> tuple[int, int]:
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


_KINDS: dict[str, tuple[_Writer, _Checker]] = {
    ".mrcs": (_write_mrcs, _check_mrcs),
    ".mrc": (_write_mrcs, _check_mrcs),
    ".tif": (_write_tiff, _check_tiff),
    ".tiff": (_write_tiff, _check_tiff),
    ".npy": (_write_npy, _check_npy),
    ".h5": (_write_hdf5, _check_hdf5),
    ".hdf5": (_write_hdf5, _check_hdf5),
    "": (_write_png, _check_png),
}


def _kind(path: Path) -> tuple[_Writer, _Checker]:
    if path.suffix.lower() not in _KINDS:
        known = ", ".join(suffix for suffix in _KINDS if suffix)
        raise ImageFileError(
            f"no image stack ends in {path.suffix!r}", path, f"use {known}, or no suffix for PNG"
        )
    return _KINDS[path.suffix.lower()]
