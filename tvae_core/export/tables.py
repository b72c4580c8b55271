"""Poses, latents and other columns as a table: CSV always, Parquet where pyarrow is installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import TableError
from tvae_core.export.registry import form_of
from tvae_core.export.target import Exported, new_file, report, verify
from tvae_core.progress import Cancel, Share
from tvae_core.store import EmbeddingStore

Array = NDArray[Any]


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
    progress: Share | None = None,
    cancelled: Cancel | None = None,
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
    form = form_of(path, "table")
    with new_file(path, overwrite) as part:
        form.write(part, columns, rows, lambda done: report(done, len(rows), progress, cancelled))
        verify(len(rows), form.count(part), path, "rows")
    report(1, 1, progress)
    return Exported(path, len(rows))
