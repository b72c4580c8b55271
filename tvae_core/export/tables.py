"""Poses, latents and other columns as a table: CSV always, Parquet where pyarrow is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import TableError
from tvae_core.export.target import Exported, new_file, report, verify
from tvae_core.progress import Cancel, Share
from tvae_core.sidecar import Sidecar
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
    for name in ("quality/junk", "source/label", "source/uid"):
        if name in store.names:
            columns[name.split("/")[1]] = store.column(name)
    return columns | {
        n.removeprefix("source/columns/"): _by_name(store, n) for n in store.table_names
    }


def every_column(store: EmbeddingStore, notes: Sidecar, labelling: str = "") -> dict[str, Array]:
    """Return all that is known of each image, columns (N,): a store's own and what was added to it.

    Beside `store_columns`: `label_name`; two columns a plane, such as `pca_1` and `umap_2`;
    `cluster` of the clustering `labelling` (the first where none is named), counted from 1, 0 for
    none, and `cluster_name` where clusters have names; `cluster_NAME` of the others; `set_NAME` of
    each named set; and the joined columns. A name that is taken gets its kind before it, then a
    number after it.
    """
    columns = store_columns(store)
    if store.labels is not None and store.label_names:
        columns["label_name"] = _named(store.labels, store.label_names)
    planes = {name: store.plane(name).coordinates for name in store.plane_names} | notes.planes
    for name, xy in planes.items():
        columns |= {f"{name}_{axis + 1}": np.asarray(xy, np.float32)[:, axis] for axis in (0, 1)}
    added: list[tuple[str, str, Array]] = []
    first = labelling or next(iter(notes.labellings), "")
    for name, kept in sorted(notes.labellings.items(), key=lambda item: item[0] != first):
        own = "cluster" if name == first else f"cluster_{name}"
        added.append(("", own, counted_from_one(kept.labels)))
        if kept.names:
            added.append(
                ("", own.replace("cluster", "cluster_name", 1), _named(kept.labels, kept.names))
            )
    added += [("", f"set_{one.name}", np.asarray(one.mask, bool)) for one in notes.sets]
    added += [("joined_", name, values) for name, values in notes.columns.items()]
    for kind, name, values in added:
        columns[_free(name, kind, columns)] = values
    return columns


def counted_from_one(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return labels from 0, -1 for none, as a person and RELION count: from 1, 0 for none."""
    return np.maximum(np.asarray(labels, np.int64), -1) + 1


def _free(name: str, kind: str, taken: Mapping[str, Array]) -> str:
    for wanted in (name, f"{kind}{name}"):
        if wanted not in taken:
            return wanted
    number = 2
    while f"{kind}{name}_{number}" in taken:
        number += 1
    return f"{kind}{name}_{number}"


def _by_name(store: EmbeddingStore, key: str) -> Array:
    """Return a column of the particle table; the words of one whose values are words."""
    names = store.categories(key)
    return _named(store.column(key), names) if names else store.column(key)


def _named(labels: Array, names: Sequence[str]) -> Array:
    """Return the name of each label; empty where it has none."""
    words = np.array([*names, ""])
    codes = np.asarray(labels, np.int64)
    return words[np.where((codes >= 0) & (codes < len(names)), codes, len(names))]


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
    from tvae_core.export.registry import form_of  # which lists the kinds that write such tables

    form = form_of(path, "table")
    with new_file(path, overwrite) as part:
        form.write(part, columns, rows, lambda done: report(done, len(rows), progress, cancelled))
        verify(len(rows), form.count(part), path, "rows")
    report(1, 1, progress)
    return Exported(path, len(rows))
