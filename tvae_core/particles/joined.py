"""A table of the user's own whose columns are joined to the images of a run, by a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import TableError
from tvae_core.files import file_error
from tvae_core.particles.keys import KeyedRows, keys_of_table, keys_of_text, rows_of_images
from tvae_core.particles.numbers import numbers_of
from tvae_core.particles.opening import read_table
from tvae_core.particles.table import ParticleTable
from tvae_core.particles.text_table import read_text_table, typed

Array = NDArray[Any]
_AXES = "xyz"
_WIDEST = 8  # values a field may hold to be taken apart into columns


class RunImages(Protocol):
    """What a join needs to know of the images of a run; an `EmbeddingStore` has it."""

    @property
    def images(self) -> int:
        """Number N of images."""

    @property
    def source_files(self) -> Sequence[str]:
        """The files the images came from."""

    @property
    def names(self) -> list[str]:
        """Names of the columns there are."""

    def column(self, name: str) -> Array:
        """Return a column (N, ...)."""


class KeylessTable(TableError):
    """A table that names no images; it can be joined by position when the user says so."""


@dataclass(frozen=True)
class JoinedTable:
    """Columns joined to the N images of a run.

    Parameters
    ----------
    columns : dict
        (N,) each: numbers, NaN where there is none, or text, empty where there is none.
    key : str
        What the rows were known by, in words.
    images, matched : int
        All images, and those that a row was found for.
    rows, unused : int
        All rows of the table, and those that no image was found for.
    remarks : tuple of str
        What else is to be said.
    """

    columns: dict[str, Array]
    key: str
    images: int
    matched: int
    rows: int
    unused: int
    remarks: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What was joined, in one sentence, and the remarks."""
        count = len(self.columns)
        joined = f"{count:,} column{'' if count == 1 else 's'} joined by {self.key}"
        matched = f"{self.matched:,} of {self.images:,} images have a row"
        unused = (
            f", {self.unused:,} of {self.rows:,} rows match no image here" if self.unused else ""
        )
        return "; ".join([f"{joined}: {matched}{unused}", *self.remarks]) + "."


def join_table(path: Path, run: RunImages, by_position: bool = False) -> JoinedTable:
    """Return the columns of a .csv, .tsv, .star, .cs or .csg table for the images of a run.

    Rows are known by uid, by image name (stack and number) or by a column of image numbers from 0,
    whichever the table has first. Columns that make the key are not joined themselves.

    Parameters
    ----------
    path : Path
    run : RunImages
    by_position : bool
        Take row k for image k, whatever the table says of its rows.

    Raises
    ------
    KeylessTable
        The table names no images, and `by_position` was not said.
    TableError
        None of its images is in the run, an image occurs twice, it holds another number of rows
        than images (by position), or it cannot be read.
    """
    columns, keys, remarks = _read(path)
    rows = _length(columns, path)
    if by_position:
        key, found = "position", _by_position(path, rows, run.images)
    else:
        key, found, used = _by_key(path, keys, rows, run)
        columns = {name: values for name, values in columns.items() if name not in used}
    if not columns:
        raise TableError("has no column besides those that name the images", path)
    there = found >= 0
    unused = rows - len(np.unique(found[there]))
    placed = {name: _placed(values, found) for name, values in columns.items()}
    return JoinedTable(placed, key, run.images, int(there.sum()), rows, unused, tuple(remarks))


def _read(path: Path) -> tuple[dict[str, Array], list[KeyedRows], list[str]]:
    """Return the columns of a table, the keys that its rows may be known by, and remarks."""
    if path.suffix.lower() in (".star", ".cs", ".csg"):
        table = read_table(path)
        columns, remarks = _columns_of(table)
        return columns, keys_of_table(table), remarks
    try:
        text = read_text_table(path)
    except OSError as error:
        raise file_error(error, path, "cannot be read") from error
    columns = {name: typed(values) for name, values in text.columns.items()}
    return columns, keys_of_text(text.columns), list(text.remarks)


def _by_key(
    path: Path, keys: list[KeyedRows], rows: int, run: RunImages
) -> tuple[str, NDArray[np.int64], tuple[str, ...]]:
    for key in keys:
        found = rows_of_images(key, run, path)
        if (found >= 0).any():
            return key.words, found, key.columns
    if keys:
        tried = " or ".join(dict.fromkeys(key.words for key in keys))
        raise TableError(f"none of its rows matches an image of this run (by {tried})", path)
    _by_position(path, rows, run.images)
    what = f"names no images: its {rows:,} rows have no uid, image name or index"
    raise KeylessTable(what, path, "join by position only if row k belongs to image k")


def _by_position(path: Path, rows: int, images: int) -> NDArray[np.int64]:
    if rows != images:
        raise TableError(
            f"{rows:,} rows, but the run has {images:,} images",
            path,
            "give one row per image, or a column that names the image: uid, image name or index",
        )
    return np.arange(images)


def _length(columns: dict[str, Array], path: Path) -> int:
    rows = len(next(iter(columns.values()), ()))
    if not rows:
        raise TableError("holds no rows", path)
    return rows


def _placed(values: Array, rows: NDArray[np.int64]) -> Array:
    """Return the value of each image, NaN or empty text where it has no row."""
    there = rows >= 0
    if there.all():
        return values[rows]
    placed = np.zeros(len(rows), np.float64 if values.dtype.kind in "biuf" else values.dtype)
    if placed.dtype.kind == "f":
        placed[:] = np.nan
    placed[there] = values[rows[there]]
    return placed


def _columns_of(table: ParticleTable) -> tuple[dict[str, Array], list[str]]:
    columns: dict[str, Array] = {}
    remarks = []
    for name in table.column_names:
        values = np.asarray(table.column(name))
        width = int(np.prod(values.shape[1:]))
        if width > _WIDEST:
            remarks.append(f"{name} is left out: {width} values per row")
        elif values.ndim > 1:
            columns |= _apart(name, values.reshape(len(values), width))
        else:
            columns[name] = _plain(values)
    return columns, remarks


def _apart(name: str, values: Array) -> dict[str, Array]:
    """Return the columns of a field of several values per row."""
    width = values.shape[1]
    if width == 1:
        return {name: _plain(values[:, 0])}
    axes: Sequence[str] = _AXES if width <= len(_AXES) else [str(n + 1) for n in range(width)]
    axes = ("height", "width") if name.endswith("/shape") and width == 2 else axes
    return {f"{name} {axes[place]}": _plain(values[:, place]) for place in range(width)}


def _plain(values: Array) -> Array:
    """Return numbers as they are, and text as numbers where it is, else as str."""
    if values.dtype.kind in "biuf":
        return values
    texts = [
        v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.tolist()
    ]
    try:
        return numbers_of(texts)
    except ValueError:
        return np.array(texts, dtype=str)
