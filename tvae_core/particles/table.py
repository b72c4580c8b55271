"""What every particle table offers, whichever program wrote it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvae_core.errors import TableError
from tvae_core.words import listed


class ImageReferences(NamedTuple):
    """Where the image of each row lies.

    Parameters
    ----------
    files : list of str
        The stacks as the table writes them, in order of first appearance.
    file_index : (N,) int32
        Which of `files`.
    image_index : (N,) int64
        Which image of that stack, from 0.
    """

    files: list[str]
    file_index: NDArray[np.int32]
    image_index: NDArray[np.int64]


class ParticleTable(ABC):
    """A table of particles, one row an image, opened from `path` and never changed there."""

    def __init__(self, path: Path, column_names: list[str]) -> None:
        self.path = path
        self.column_names = column_names
        self.read_state = (0, 0)  # size and time of change of the file when it was read

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""

    @abstractmethod
    def column(self, name: str) -> NDArray[Any]:
        """Return a column, (N, ...): text as it is written for .star, the field for .cs.

        Raises
        ------
        TableError
            There is no such column.
        """

    @abstractmethod
    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column as float64, (N, ...), in the table's own unit.

        A column that a .star table keeps with its optics groups is given row by row.

        Raises
        ------
        TableError
            There is no such column, or a value is no number.
        """

    @abstractmethod
    def has(self, name: str) -> bool:
        """Return whether `numbers(name)` finds a column."""

    @abstractmethod
    def image_references(self) -> ImageReferences:
        """Return where the image of each row lies.

        Raises
        ------
        TableError
            There is no column of images, or a reference cannot be understood.
        """

    @property
    @abstractmethod
    def pixel_size_angstrom(self) -> NDArray[np.float64] | None:
        """Pixel size of each row's image, (N,) in angstrom, or None when the table is silent."""

    @property
    @abstractmethod
    def image_sides_px(self) -> NDArray[np.float64] | None:
        """Height and width of each row's image as the table says, (N, 2), or None.

        The pixel size of the table belongs to images of that size.
        """

    def names_whole_files(self) -> NDArray[np.bool_]:
        """Return which rows name a file and not which image of it, (N,)."""
        return np.zeros(len(self), dtype=np.bool_)

    @property
    def signs(self) -> NDArray[np.float32] | None:
        """1, or -1 where the contrast of the row's image is to be turned, (N,), or None.

        Raises
        ------
        TableError
            A sign is neither.
        """
        return None

    @property
    def remarks(self) -> tuple[str, ...]:
        """Oddities of the table worth telling the user, one line each."""
        return ()

    @property
    def subtomogram_column(self) -> str:
        """The column that says that the rows are of tomograms, empty when none does."""
        return ""

    @property
    @abstractmethod
    def uid(self) -> NDArray[np.uint64] | None:
        """Unique number of each row, (N,), or None when the table has none."""

    @abstractmethod
    def subset(self, rows: ArrayLike) -> ParticleTable:
        """Return the table of the given rows, (M,) integers in the wished order."""

    @abstractmethod
    def write(self, path: Path | str) -> None:
        """Write the table atomically, every row as it was read.

        Raises
        ------
        TableError
            `path` is the file the table was read from, or cannot be written.
        """

    @abstractmethod
    def difference_from(self, other: ParticleTable) -> str:
        """Return the first way in which `other` differs, in words; empty when it holds the same.

        Compared are the columns and, bit by bit, every row and all that stands around the rows.
        """

    def _row_numbers(self, rows: ArrayLike) -> NDArray[np.int64]:
        """Return `rows` as checked int64."""
        chosen = np.asarray(rows)
        if chosen.size == 0:
            return np.zeros(0, np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
            raise TableError("rows must be a list of integers", self.path)
        if chosen.min() < 0 or chosen.max() >= len(self):
            raise TableError(f"row out of range, the table has {len(self)} rows", self.path)
        return chosen.astype(np.int64)

    def _check_target(self, target: Path | str) -> Path:
        """Return `target`, refusing the file the table came from."""
        target = Path(target)
        if target.exists() and self.path.exists() and target.samefile(self.path):
            raise TableError("would replace the table it was read from", target, "choose a name")
        return target

    def _missing(self, name: str) -> TableError:
        return TableError(f"no column {name}", self.path, "has " + listed(self.column_names, 40))
