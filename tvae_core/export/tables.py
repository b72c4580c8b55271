"""Poses, latents and other columns as a table: CSV always, Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import DeviceError, TableError
from tvae_core.export.target import Asked, Exported, Progress, new_file, report, verify
from tvae_core.store import EmbeddingStore

Array = NDArray[Any]
_ROWS = 50_000


def store_columns(store: EmbeddingStore) -> dict[str, Array]:
    """Return what a store knows of each image as columns (N,), named with their units.

    `file` and `index` say which image it is; shifts are in the model's pixels and, as
    `shift_x_original_px`, in those of the original.
    """
    z, spread = store.z_mean, store.column("content/std")
    shift, scale = store.shift_px, store.header.scale
    columns: dict[str, Array] = {
        "file": np.asarray(store.source_files)[store.column("source/file_index")],
        "index": store.column("source/index"),
        "angle_rad": store.angle_rad,
        "angle_std_rad": store.column("pose/angle_std_rad"),
    }
    for axis, name in enumerate("xy"):
        columns[f"shift_{name}_px"] = shift[:, axis]
        columns[f"shift_{name}_original_px"] = shift[:, axis] * np.float32(scale)
    columns |= {f"z{d + 1}": z[:, d] for d in range(z.shape[1])}
    columns |= {f"z{d + 1}_std": spread[:, d] for d in range(z.shape[1])}
    for name in ("posterior/peak", "posterior/entropy", "quality/reconstruction_error"):
        columns[name.split("/")[1]] = store.column(name)
    columns["elbo"] = store.column("quality/elbo")
    for name in ("source/label", "source/uid"):
        if name in store.names:
            columns[name.split("/")[1]] = store.column(name)
    return columns | {n.removeprefix("source/columns/"): store.column(n) for n in store.table_names}


def export_table(
    columns: Mapping[str, Array],
    path: Path | str,
    *,
    indices: Array | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    cancelled: Asked | None = None,
) -> Exported:
    """Write columns (N,) as `.csv` or `.parquet`, all rows or those of `indices`.

    Floats are written with the fewest digits that give the same float32 or float64 back.

    Raises
    ------
    TableError
        Columns of different lengths, none at all, or another kind of file.
    ImageFileError
        The path is there already.
    DeviceError
        Parquet without pyarrow.
    """
    path = Path(path)
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise TableError(f"columns of different lengths: {sorted(lengths)}", path)
    rows = np.arange(lengths.pop()) if indices is None else np.asarray(indices, dtype=np.int64)
    if path.suffix.lower() == ".parquet":
        return _parquet(columns, rows, path, overwrite)
    if path.suffix.lower() != ".csv":
        raise TableError(f"no table ends in {path.suffix!r}", path, "use .csv or .parquet")
    with new_file(path, overwrite) as part:
        with open(part, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(columns)
            for start in range(0, len(rows), _ROWS):
                report(start, len(rows), progress, cancelled)
                writer.writerows(_text_rows(columns, rows[start : start + _ROWS]))
        verify(len(rows), _count_rows(part), path, "rows")
    report(1, 1, progress)
    return Exported(path, len(rows))


def _text_rows(columns: Mapping[str, Array], rows: Array) -> Iterable[tuple[str, ...]]:
    texts = (np.asarray(values)[rows].astype(str).tolist() for values in columns.values())
    return zip(*texts, strict=True)


def _count_rows(path: Path) -> int:
    with open(path, encoding="utf-8", newline="") as stream:
        return sum(1 for _ in csv.reader(stream)) - 1


def _parquet(columns: Mapping[str, Array], rows: Array, path: Path, overwrite: bool) -> Exported:
    try:
        from pyarrow import parquet, table
    except ImportError:
        raise DeviceError(
            "Parquet needs pyarrow", path, "pip install pyarrow, or export .csv"
        ) from None
    with new_file(path, overwrite) as part:
        parquet.write_table(table({n: np.asarray(v)[rows] for n, v in columns.items()}), part)
        verify(len(rows), parquet.read_metadata(part).num_rows, path, "rows")
    return Exported(path, len(rows))
