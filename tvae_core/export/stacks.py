"""Subsets of images as .mrcs, TIFF, NPY, HDF5 or a folder of PNG; as found or turned upright."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.averages import upright_fine
from tvae_core.errors import ImageFileError
from tvae_core.export.registry import form_of
from tvae_core.export.sources import ImageSource
from tvae_core.export.stack_files import StackJob
from tvae_core.export.target import Exported, new_file, new_folder, report, verify
from tvae_core.progress import Cancel, Share
from tvae_core.store import EmbeddingStore

Array = NDArray[np.floating]
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

    def of(self, chosen: NDArray[np.integer]) -> tuple[Array, Array]:
        """Return angles (n,) and shifts (n, 2) in the source's pixels of images `chosen`."""
        shift = np.asarray(self.shift_px)[chosen] * self.scale + np.array(self.centre_offset_px)
        return np.asarray(self.angle_rad)[chosen], shift


def export_images(
    source: ImageSource,
    indices: NDArray[np.integer],
    path: Path | str,
    *,
    poses: Poses | None = None,
    pixel_size_angstrom: float | None = None,
    grey_range: tuple[float, float] | None = None,
    overwrite: bool = False,
    progress: Share | None = None,
    cancelled: Cancel | None = None,
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

    job = StackJob(len(chosen), shape, blocks, chosen, pixel_size_angstrom, grey_range)
    count = _write_and_verify(path, job, size, overwrite)
    report(1, 1, progress)
    return Exported(path, count)


def _write_and_verify(path: Path, job: StackJob, size: int, overwrite: bool) -> int:
    form = form_of(path, "images")
    make = new_folder if path.suffix == "" else new_file
    with make(path, overwrite) as part:
        written = form.write(part, job)
        read = form.check(part, job, size)
        verify((job.count, written), read, path)
    return read[0]


def _block(source: ImageSource, chosen: NDArray[np.int64], poses: Poses | None) -> Array:
    images = np.ascontiguousarray(source.read(chosen), dtype=np.float32)
    return images if poses is None else upright_fine(images, *poses.of(chosen))


def _share(progress: Share | None, low: float, high: float) -> Share | None:
    return None if progress is None else lambda done: progress(low + (high - low) * done)
