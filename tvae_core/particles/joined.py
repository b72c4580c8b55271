"""A table of the user's own whose columns are joined to the images of a run, row for row."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import TableError
from tvae_core.particles.opening import read_table

Array = NDArray[Any]


def read_columns(path: Path, images: int) -> dict[str, Array]:
    """Return the columns of a .csv, .tsv or .star table with one row for each of `images` images.

    Raises
    ------
    TableError
        No rows, another number of rows than images, or not a table.
    """
    if path.suffix.lower() in (".star", ".cs"):
        table = read_table(path)
        rows = {name: np.asarray(table.column(name)) for name in table.column_names}
    else:
        rows = _read_csv(path)
    lengths = {len(values) for values in rows.values()}
    if lengths != {images}:
        found = ", ".join(f"{n:,}" for n in sorted(lengths)) or "no"
        raise TableError(
            f"{found} rows, but the run has {images:,} images", path, "give one row an image"
        )
    return rows


def _read_csv(path: Path) -> dict[str, Array]:
    with open(path, encoding="utf-8-sig", newline="") as stream:
        sample = stream.read(4096)
        stream.seek(0)
        delimiter = "\t" if sample.count("\t") > sample.count(",") else ","
        reader = csv.reader(stream, delimiter=delimiter)
        names = next(reader, [])
        rows = [row for row in reader if row]
    if not names or any(len(row) != len(names) for row in rows):
        raise TableError("not a table: rows of different lengths", path, "save it as CSV")
    return {name.strip(): _typed([row[k] for row in rows]) for k, name in enumerate(names)}


def _typed(texts: list[str]) -> Array:
    try:
        return np.array([float(text) if text.strip() else np.nan for text in texts])
    except ValueError:
        return np.array(texts, dtype=str)
