"""What every stack of images offers, whatever file it lies in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvae_core.ctf import Ctf
from tvae_core.errors import ImageFileError
from tvae_core.images.fitting import Fit, FitChoice
from tvae_core.images.levels import SAMPLE, Levels, levels_of, needs_levels
from tvae_core.images.limits import check_size
from tvae_core.particles.described import Categories
from tvae_core.particles.table import ParticleTable

if TYPE_CHECKING:
    from tvae_core.images.boxes import Picked

FloatImages = NDArray[np.float32]


class Wanted(NamedTuple):
    """What the user said about how a file is to be read; a reader takes what concerns it.

    Parameters
    ----------
    dataset : str
        Name of the array of a file that holds several; empty takes the only one.
    image_root : str
        Folder of the stacks of a table; empty looks beside and above the table.
    allow_outside : bool
        The stacks of a table may lie outside its project folder.
    axes : str
        Letters of the axes of an array or TIFF stack (`tvae_core.images.layout`); empty guesses.
    channel : str
        Which channel, from 1, or which three as red, green and blue.
    fit, side_px, crop_px
        How pictures of several sizes come to one, as for `tvae_core.images.fitting.fit_of`.
    """

    dataset: str = ""
    image_root: str = ""
    axes: str = ""
    channel: str = ""
    fit: FitChoice = "auto"
    side_px: int = 0
    crop_px: int = 0
    allow_outside: bool = False


class Sources(NamedTuple):
    """The key of each image's source, which names an image for ever.

    Parameters
    ----------
    files : list of str
        The files, as the table or the user wrote them.
    file_index : (N,) int32
        Which of `files`.
    image_index : (N,) int64
        Which image of that file, from 0.
    """

    files: list[str]
    file_index: NDArray[np.int32]
    image_index: NDArray[np.int64]


@dataclass(frozen=True)
class StackForm:
    """Number, size and pixel type of the images of a stack.

    Parameters
    ----------
    count : int
        Images.
    height, width : int
        Pixels.
    channels : int
        1 (grey) or 3 (red, green, blue).
    dtype : np.dtype
        Pixel type in the file, before the conversion to float32.
    """

    count: int
    height: int
    width: int
    channels: int
    dtype: np.dtype[Any]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, 3)."""
        colour = (3,) if self.channels == 3 else ()
        return (self.height, self.width, *colour)

    @property
    def image_bytes(self) -> int:
        """Bytes of one image in its own pixel type."""
        return self.height * self.width * self.channels * self.dtype.itemsize


@dataclass(frozen=True)
class StackNotes:
    """What a file says beside its pixels.

    Parameters
    ----------
    pixel_size_angstrom : float, optional
    labels : (N,) int64, optional
        Class of each image, for colouring and measuring; never seen by the model.
    label_names : tuple of str
        Names of the classes, empty when they have none.
    remarks : tuple of str
        Oddities worth telling the user, one line each.
    """

    pixel_size_angstrom: float | None = None
    labels: NDArray[np.int64] | None = None
    label_names: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class ImageStack(ABC):
    """Images of one size, read in any order, never all at once; opened for reading only.

    Parameters
    ----------
    path : Path
    kind : str
        Kind of file, for the user: "MRC", "RELION table", ...
    form : StackForm
    notes : StackNotes

    Raises
    ------
    ImageFileError
        There are no images or their size is absurd.
    """

    def __init__(
        self, path: Path, kind: str, form: StackForm, notes: StackNotes | None = None
    ) -> None:
        check_size(path, form.count, form.height, form.width)
        self.path = path
        self.kind = kind
        self.form = form
        self.notes = notes or StackNotes()

    def __len__(self) -> int:
        return self.form.count

    @property
    def height(self) -> int:
        """Rows of an image."""
        return self.form.height

    @property
    def width(self) -> int:
        """Columns of an image."""
        return self.form.width

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (red, green, blue)."""
        return self.form.channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type in the file."""
        return self.form.dtype

    @property
    def pixel_size_angstrom(self) -> float | None:
        """Side of a pixel in angstrom, None when the file does not say."""
        return self.notes.pixel_size_angstrom

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """Class of each image, (N,), or None."""
        return self.notes.labels

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes, empty when they have none."""
        return self.notes.label_names

    @property
    def remarks(self) -> tuple[str, ...]:
        """Oddities of the file, one line each."""
        said = self.levels.remark
        return (*self.notes.remarks, said) if said else self.notes.remarks

    @cached_property
    def levels(self) -> Levels:
        """What is taken off the values so that float32 holds their signal; seldom anything."""
        if not needs_levels(self.dtype):
            return Levels()
        few = np.unique(np.linspace(0, len(self) - 1, SAMPLE).astype(np.int64))
        return levels_of(self._read(few))

    def read(self, indices: ArrayLike) -> FloatImages:
        """Read images in the given order.

        Parameters
        ----------
        indices : (n,) integers
            From 0; negative numbers are out of range.

        Returns
        -------
        (n, H, W) or (n, H, W, 3) float32
            Pixel values as in the file but for `levels`; those beyond float32 become infinite.

        Raises
        ------
        ImageFileError
            An index is out of range, or the file can no longer be read.
        """
        chosen = self._check_indices(indices)
        if not len(chosen):
            return np.zeros((0, *self.form.image_shape), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            return self.levels.applied(self._read(chosen))

    def pixel_files(self) -> list[Path]:
        """Return every file that the pixels are read from, and the table that names them."""
        return [self.path]

    def sources(self) -> Sources:
        """Return the key of each image's source."""
        count = len(self)
        files = [self.path.name]
        return Sources(files, np.zeros(count, np.int32), np.arange(count, dtype=np.int64))

    @property
    def fit(self) -> Fit | None:
        """How pictures of several sizes were brought to one, None where they had one."""
        return None

    @property
    def picked(self) -> Picked | None:
        """What was found in large images of many objects, None where images are taken whole."""
        return None

    @property
    def table(self) -> ParticleTable | None:
        """The particle table the images were opened through, or None."""
        return None

    def described(self) -> dict[str, NDArray[Any] | Categories]:
        """Return what a table says of each image, to colour and filter by; empty without one."""
        return {}

    @property
    def pixel_sizes_angstrom(self) -> NDArray[np.float64] | None:
        """Pixel size of each image as its table says, (N,), None when there is none."""
        return None

    def ctf(self) -> Ctf | None:
        """Return the CTF of every image, fields (N,), None when there is no table to say it."""
        return None

    def rows(self) -> NDArray[np.int64]:
        """Return the row of each image in the table, (N,)."""
        return np.arange(len(self), dtype=np.int64)

    def close(self) -> None:  # noqa: B027 - most readers hold nothing open
        """Close the files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def _read(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Return (n, H, W[, 3]) of checked indices, in any pixel type."""

    def _check_indices(self, indices: ArrayLike) -> NDArray[np.int64]:
        chosen = np.asarray(indices)
        if chosen.size == 0:
            return np.zeros(0, np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
            raise ImageFileError("images are chosen by a list of integers", self.path)
        if chosen.min() < 0 or chosen.max() >= len(self):
            wrong = chosen[(chosen < 0) | (chosen >= len(self))][0]
            raise ImageFileError(f"no image {wrong}, there are {len(self)} (from 0)", self.path)
        return chosen.astype(np.int64)
