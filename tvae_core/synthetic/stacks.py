"""Writing a stack chunk by chunk: MRC or NPY, the same bytes for the same images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import mrcfile.constants
import mrcfile.dtypes
import mrcfile.utils
import numpy as np

from tvae_core.synthetic.plan import Images

_LABEL = b"target-vae synthetic stack"
_FLOAT32_MODE = 2
_MRC2014_VERSION = 20141


def write_npy(path: Path, shape: tuple[int, ...], chunks: Iterable[Images]) -> None:
    """Write chunks of images as one .npy array of `shape` (N, ...)."""
    with open(path, "wb") as stream:
        for number, images in enumerate(chunks):
            if number == 0:
                description = np.lib.format.dtype_to_descr(images.dtype)
                header = {"descr": description, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(stream, header)
            stream.write(np.ascontiguousarray(images).tobytes())


def write_mrcs(
    path: Path, shape: tuple[int, ...], chunks: Iterable[Images], pixel_size_angstrom: float
) -> None:
    """Write chunks of grey images as one little-endian float32 .mrcs of `shape` (N, H, W).

    The header carries no date, so that the same images give the same bytes.
    """
    statistics = _Statistics()
    with open(path, "wb") as stream:
        stream.write(bytes(1024))
        for images in chunks:
            stream.write(np.ascontiguousarray(images, dtype="<f4").tobytes())
            statistics.add(images)
        stream.seek(0)
        stream.write(_mrc_header(shape, pixel_size_angstrom, statistics))


class _Statistics:
    """Running minimum, maximum, mean and standard deviation of all pixels."""

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf
        self._pixels, self._total, self._squares = 0, 0.0, 0.0

    def add(self, images: Images) -> None:
        for image in images:  # one by one: the sums must not depend on the chunks
            values = image.astype(np.float64)
            self.low, self.high = min(self.low, values.min()), max(self.high, values.max())
            self._pixels += values.size
            self._total += float(values.sum())
            self._squares += float((values**2).sum())

    @property
    def mean(self) -> float:
        return self._total / self._pixels

    @property
    def std(self) -> float:
        return float(np.sqrt(max(self._squares / self._pixels - self.mean**2, 0.0)))


def _mrc_header(
    shape: tuple[int, ...], pixel_size_angstrom: float, statistics: _Statistics
) -> bytes:
    header = np.zeros((), dtype=mrcfile.dtypes.HEADER_DTYPE.newbyteorder("<"))
    count, height, width = shape
    header["nx"], header["ny"], header["nz"] = width, height, count
    header["mx"], header["my"], header["mz"] = width, height, 1  # as RELION and mrcfile stacks
    header["mode"] = _FLOAT32_MODE
    lengths = (width * pixel_size_angstrom, height * pixel_size_angstrom, pixel_size_angstrom)
    header["cella"] = lengths
    header["cellb"] = (90.0, 90.0, 90.0)
    header["mapc"], header["mapr"], header["maps"] = 1, 2, 3
    header["dmin"], header["dmax"] = statistics.low, statistics.high
    header["dmean"], header["rms"] = statistics.mean, statistics.std
    header["nversion"] = _MRC2014_VERSION
    header["map"] = mrcfile.constants.MAP_ID
    header["machst"] = mrcfile.utils.machine_stamp_from_byte_order("<")
    header["nlabl"] = 1
    header["label"][0] = _LABEL
    return header.tobytes()
