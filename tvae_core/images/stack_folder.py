"""A folder of stacks, read as one: MRC, TIFF, NumPy and other files, of any sizes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core import words
from tvae_core.images.fitting import Fit, fit_of, sizes_in_words
from tvae_core.images.picture_folder import Pictures
from tvae_core.images.stack import ImageStack, Sources, StackForm, StackNotes, Wanted
from tvae_core.particles.described import Categories

Opener = Callable[[Path], ImageStack]
_MOST_OPEN = 32  # a system allows some thousand open files, a folder may hold more


class FolderOfStacks(ImageStack):
    """The images of all stacks of a folder, one after the other; made by `open_folder_of_stacks`.

    Parameters
    ----------
    files : list of Path
    counts : (F,) int64
        Images of each file.
    opener : callable
        Opens one of them.
    fit : Fit, optional
        How every image comes to the size of `form`.
    """

    def __init__(
        self,
        path: Path,
        files: list[Path],
        counts: NDArray[np.int64],
        form: StackForm,
        notes: StackNotes,
        opener: Opener,
        fit: Fit | None,
    ) -> None:
        super().__init__(path, "folder of stacks", form, notes)
        self._files, self._opener, self._fit = files, opener, fit
        self._ends = np.cumsum(counts)
        self._open: OrderedDict[int, ImageStack] = OrderedDict()

    @property
    def fit(self) -> Fit | None:
        """How images of several sizes are brought to one, None where they have one."""
        return self._fit

    def described(self) -> dict[str, NDArray[Any] | Categories]:
        """Return which file each image lies in."""
        sources = self.sources()
        return {"file": Categories(sources.file_index, tuple(sources.files))}

    def pixel_files(self) -> list[Path]:
        """Return the stacks."""
        return list(self._files)

    def sources(self) -> Sources:
        """Return each image's file within the folder and its place there."""
        which, place = self._places(np.arange(len(self)))
        files = [file.relative_to(self.path).as_posix() for file in self._files]
        return Sources(files, which.astype(np.int32), place)

    def close(self) -> None:
        """Close every file that is open."""
        while self._open:
            self._open.popitem()[1].close()

    def _places(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the file of each image, and which of its images it is."""
        which = np.searchsorted(self._ends, indices, side="right")
        before = np.concatenate([[0], self._ends])[which]
        return which, indices - before

    def _read(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        images = np.empty((len(indices), *self.form.image_shape), np.float32)
        which, place = self._places(indices)
        for number in np.unique(which).tolist():
            here = np.flatnonzero(which == number)
            images[here] = self._prepared(self._stack(number).read(place[here]))
        return images

    def _prepared(self, found: NDArray[np.float32]) -> NDArray[np.float32]:
        if found.ndim == 3 and self.channels == 3:
            found = np.repeat(found[..., None], 3, axis=3)
        return found if self._fit is None else np.stack([self._fit(image) for image in found])

    def _stack(self, number: int) -> ImageStack:
        """Return an open file; the one used longest ago is closed where too many are."""
        if number not in self._open:
            while len(self._open) >= _MOST_OPEN:
                self._open.popitem(last=False)[1].close()
            self._open[number] = self._opener(self._files[number])
        self._open.move_to_end(number)
        return self._open[number]


def open_folder_of_stacks(
    path: Path, found: Pictures, wanted: Wanted, opener: Opener
) -> FolderOfStacks:
    """Open the stacks of a folder as one; grey and colour mixed are read as colour.

    Labels are those of class folders, else those that every file brings along under the same
    names. The column `file` says which file each image lies in.

    Raises
    ------
    ImageFileError
        One of them cannot be read.
    """
    forms, labels, names, pixels, said = [], [], set(), set(), dict[str, str]()
    for file in found.files:
        with opener(file) as stack:
            forms.append(stack.form)
            labels.append(stack.labels)
            names.add(stack.label_names)
            pixels.add(stack.pixel_size_angstrom)
            for remark in stack.notes.remarks:
                said.setdefault(remark, f"{file.name}: {remark}")
    counts = np.asarray([form.count for form in forms])
    sizes = np.repeat([(form.height, form.width) for form in forms], counts, axis=0)
    fit = fit_of(sizes, wanted.fit, wanted.side_px, wanted.crop_px)
    height, width = sizes[0].tolist() if fit is None else (fit.side, fit.side)
    channels = max(form.channels for form in forms)
    dtype = np.result_type(*{form.dtype for form in forms})
    several = [f"{words.count(len(forms), 'stack')} are read as one"] if len(forms) > 1 else []
    remarks = [*several, *found.remarks, *said.values()]
    if fit is not None:
        remarks.insert(0, f"{sizes_in_words(sizes)}: every image is {fit.words}")
    of_files = [each for each in labels if each is not None]
    own = len(of_files) == len(forms) and len(names) == 1
    notes = StackNotes(
        pixel_size_angstrom=pixels.pop() if len(pixels) == 1 and fit is None else None,
        labels=_labels(found, counts, np.concatenate(of_files) if own else None),
        label_names=found.names if found.labels is not None else (names.pop() if own else ()),
        remarks=tuple(remarks),
    )
    form = StackForm(len(sizes), height, width, channels, dtype)
    return FolderOfStacks(path, found.files, counts, form, notes, opener, fit)


def _labels(
    found: Pictures, counts: NDArray[np.int64], own: NDArray[np.int64] | None
) -> NDArray[np.int64] | None:
    return own if found.labels is None else np.repeat(found.labels, counts)
