"""HDF5 files that are of many parts, or of parts that are no images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

Make = Callable[[Path], None]


def _h5(fill: Callable[[h5py.File], object]) -> Make:
    def make(path: Path) -> None:
        with h5py.File(path, "w") as file:
            fill(file)

    return make


def _soft_loop(file: h5py.File) -> None:
    file["images"] = h5py.SoftLink("/other")
    file["other"] = h5py.SoftLink("/images")


def _axes(file: h5py.File) -> None:
    file.create_dataset("images", (1,) * 32, "f4")


def _fields(file: h5py.File) -> None:
    file.create_dataset("images", (4,), np.dtype([(f"f{i}", "<f4") for i in range(1000)]))


def _words(file: h5py.File) -> None:
    file.create_dataset("images", (1000,), h5py.string_dtype())[:] = "x" * 10_000


def _pointers(file: h5py.File) -> None:
    values = file.create_dataset("images", (1000, 8, 8), h5py.ref_dtype)
    values[:] = file.ref


def _ragged(file: h5py.File) -> None:
    values = file.create_dataset("images", (200,), h5py.vlen_dtype(np.dtype("f4")))
    for row in range(200):
        values[row] = np.zeros(10_000, "f4")


def _many_sets(file: h5py.File) -> None:
    for number in range(2000):
        file[f"set{number}"] = np.zeros((2, 2, 2), "f4")


SIZES: dict[str, Make] = {
    "soft loop.h5": _h5(_soft_loop),
    "axes.h5": _h5(_axes),
    "fields.h5": _h5(_fields),
    "words.h5": _h5(_words),
    "pointers.h5": _h5(_pointers),
    "ragged.h5": _h5(_ragged),
    "many sets.h5": _h5(_many_sets),
}
