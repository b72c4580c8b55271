"""A store as a pandas DataFrame or as AnnData, the table of scanpy; both packages are optional."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import extras_named
from tvae_core.export.file_form import FileForm
from tvae_core.export.tables import every_column
from tvae_core.hdf5_files import read_hdf5
from tvae_core.sidecar import Sidecar, load_sidecar
from tvae_core.store import EmbeddingStore

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame


def to_dataframe(store: EmbeddingStore, notes: Sidecar) -> DataFrame:
    """Return every column of a store and the notes on it, one row an image.

    Raises
    ------
    DeviceError
        pandas is not installed.
    """
    with extras_named():
        import pandas
    return pandas.DataFrame(every_column(store, notes))


def to_anndata(store: EmbeddingStore, notes: Sidecar) -> AnnData:
    """Return a store and the notes on it as AnnData.

    X is z, (N, D) float32; its deviations are the layer `std`. Planes are `obsm["X_pca"]`,
    `obsm["X_umap"]`, q(r) is `obsm["rotation"]`; every other column is in `obs`, under the names of
    the exported table. `uns["tvae"]` says which run and model made them.

    Raises
    ------
    DeviceError
        anndata is not installed.
    """
    with extras_named():
        from anndata import AnnData
        from pandas import DataFrame, Index
    planes = _planes(store, notes)
    apart = {f"z{d + 1}" for d in range(store.z_dim)} | {
        f"z{d + 1}_std" for d in range(store.z_dim)
    }
    apart |= {f"{name}_{axis}" for name in planes for axis in (1, 2)}
    columns = every_column(store, notes)
    names = Index([str(i) for i in range(store.images)], dtype=object)
    obs = {n.replace("/", "_"): v for n, v in columns.items() if n not in apart}
    header = store.header
    return AnnData(
        X=np.asarray(store.z_mean, np.float32),
        obs=DataFrame(obs, index=names),
        var=DataFrame(index=Index([f"z{d + 1}" for d in range(store.z_dim)], dtype=object)),
        layers={"std": store.column("content/std")},
        obsm={
            **{f"X_{name}": xy for name, xy in planes.items()},
            "rotation": store.column("posterior/rotation"),
        },
        uns={
            "tvae": {
                "run": header.run,
                "settings": header.config.model_dump_json(),
                "weights_sha256": header.weights_sha256,
            }
        },
    )


def _planes(store: EmbeddingStore, notes: Sidecar) -> dict[str, NDArray[np.float32]]:
    kept = {name: store.plane(name).coordinates for name in store.plane_names} | notes.planes
    return {name: np.asarray(xy, np.float32) for name, xy in kept.items()}


def _write_h5ad(store: EmbeddingStore, chosen: NDArray[np.int64], part: Path) -> None:
    whole = to_anndata(store, load_sidecar(store))
    whole[chosen].copy().write_h5ad(part)  # a view would warn: text is recoded as it is written


def _count_h5ad(part: Path) -> int:
    with read_hdf5(part) as file:
        return len(file["obs"][file["obs"].attrs["_index"]])


H5AD = FileForm(_write_h5ad, _count_h5ad)
