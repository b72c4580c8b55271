"""HDF5 files: .h5 and .hdf5."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ImageFileError
from tvae_core.hdf5_files import data_sets, leads_elsewhere, read_hdf5
from tvae_core.hdf5_guard import UnsafeError
from tvae_core.images.arrays import pick_images
from tvae_core.images.labels import Labels, label_array, labels_of
from tvae_core.images.layout import Layout, layout_of
from tvae_core.images.limits import DECODING_ERRORS
from tvae_core.images.raw import runs
from tvae_core.images.stack import ImageStack, StackNotes, Wanted

_CHUNK_CACHE = 64 << 20  # bytes; the default of 1 MiB is less than many a chunk of images


class Hdf5Stack(ImageStack):
    """The images of one data set, read a stretch at a time; made by `open_hdf5`."""

    def __init__(
        self, path: Path, file: Any, images: Any, layout: Layout, notes: StackNotes
    ) -> None:
        super().__init__(path, "HDF5", layout.form, notes)
        self._file = file
        self._layout = layout
        self._images = images
        self._size = self._length()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        try:
            found = self._gather(indices)
            if self._length() < self._size:  # HDF5 reads zeros past the end of a file
                raise ImageFileError("was cut short while it was read", self.path)
            return self._layout.images(found)
        except DECODING_ERRORS as error:
            raise ImageFileError(f"cannot be read: {error}", self.path) from error

    def _length(self) -> int:
        return os.fstat(self._file.id.get_vfd_handle()).st_size

    def _gather(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Read sorted stretches, so that each compressed chunk is unpacked once."""
        order = np.argsort(indices, kind="stable")
        images = np.empty((len(indices), *self._layout.block), self._images.dtype)
        if len(self._layout.lead) != 1:
            places = np.unravel_index(indices, self._layout.lead) if self._layout.lead else ()
            for number in range(len(indices)):
                images[number] = self._images[tuple(int(axis[number]) for axis in places)]
            return images
        ordered = indices[order]
        for start, stop in runs(ordered):
            first = int(ordered[start])
            images[order[start:stop]] = self._images[first : first + stop - start]
        return images


def sniff(head: bytes) -> bool:
    """Return whether a file's first bytes are HDF5."""
    return head[:8] == b"\x89HDF\r\n\x1a\n"


def open_hdf5(path: Path, wanted: Wanted) -> Hdf5Stack:
    """Open a data set of images: `wanted.dataset`, else the only one of 3 or 4 dimensions.

    A data set called label or labels beside it gives the labels, an attribute
    `pixel_size_angstrom` the pixel size.

    Raises
    ------
    ImageFileError
        Not HDF5, truncated, no or several candidates, absurd size.
    """
    try:
        file = read_hdf5(path, rdcc_nbytes=_CHUNK_CACHE)
    except UnsafeError as error:
        raise ImageFileError(str(error), path) from None
    except OSError as error:
        what = "truncated" if "truncated" in str(error) else "not an HDF5 file"
        raise ImageFileError(what, path) from error
    try:
        return _open(path, file, wanted)
    except ImageFileError:
        file.close()
        raise
    except DECODING_ERRORS as error:
        file.close()
        raise ImageFileError(f"cannot be read: {error}", path) from error


def _open(path: Path, file: Any, wanted: Wanted) -> Hdf5Stack:
    sets = _data_sets(file)
    name = pick_images(path, {key: value.shape for key, value in sets.items()}, wanted.dataset)
    images = sets[name]
    for needed in (name, label_array(name, sets)):
        if needed and (other := leads_elsewhere(sets[needed])):
            todo = "copy the values into the file, or open the other file itself"
            raise ImageFileError(
                f"{needed} takes its values from another file, {other}", path, todo
            )
    if not images.id.get_storage_size() and not images.is_virtual and not images.external:
        raise ImageFileError(f"data set {name} of shape {images.shape} holds no images", path)
    every = _data_sets(file, "buifOSU")
    beside = label_array(name, every)
    rows = every[beside].shape[0] if beside and every[beside].shape else 0
    layout = layout_of(path, images.shape, images.dtype, wanted, rows)
    labels = Labels()
    if beside is not None:
        _refuse_elsewhere(path, beside, every[beside])
        labels = labels_of(
            beside, every[beside].shape, layout.form.count, lambda: every[beside][()]
        )
    remarks = (*layout.remarks, *labels.remarks)
    notes = StackNotes(_pixel_size(images), labels.values, labels.names, remarks)
    return Hdf5Stack(path, file, images, layout, notes)


def _refuse_elsewhere(path: Path, name: str, dataset: Any) -> None:
    other = leads_elsewhere(dataset)
    if other:
        todo = "copy the values into the file, or open the other file itself"
        raise ImageFileError(f"{name} takes its values from another file, {other}", path, todo)


def _data_sets(file: Any, kinds: str = "buif") -> dict[str, Any]:
    """Return the data sets with values of some kinds of type."""
    every = data_sets(file).items()
    return {name: d for name, d in every if d.dtype.kind in kinds and d.shape is not None}


def _pixel_size(images: Any) -> float | None:
    size = np.asarray(images.attrs.get("pixel_size_angstrom", 0))
    return float(size) if size.ndim == 0 and size.dtype.kind in "iuf" and size > 0 else None
