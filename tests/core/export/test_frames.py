"""A table that is exported holds every column, by name, whatever reads it afterwards."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_store, particle_store, star_table
from tvae_core.errors import ConfigError, DeviceError
from tvae_core.export.frames import to_anndata, to_dataframe
from tvae_core.export.tables import every_column
from tvae_core.selection import NamedSet
from tvae_core.sidecar import Labelling, load_sidecar, save_sidecar
from tvae_core.store import EmbeddingStore
from tvae_core.work.export import ExportRequest

COUNT = 30
WARD = np.arange(COUNT) % 3 - 1
UMAP = np.arange(2 * COUNT, dtype=np.float32).reshape(COUNT, 2)
JOINED = np.linspace(0, 1, COUNT)
WORDS = np.array(["", "a,b", 'say "ü"'] * (COUNT // 3))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with a plane, two clusterings, a set and joined columns, one of a name in use."""
    path = make_store(tmp_path / "run.h5", images=COUNT)
    with EmbeddingStore(path) as store:
        notes = load_sidecar(store)
        notes.planes["umap"] = UMAP
        notes.labellings["ward"] = Labelling(WARD.astype(np.int32), names=("open", "shut"))
        notes.labellings["k-means"] = Labelling(np.arange(COUNT, dtype=np.int32) % 2)
        notes.columns |= {"dose": JOINED, "words": WORDS, "elbo": -JOINED}
        mask = np.arange(COUNT) < 4
        notes.sets.append(NamedSet("good ones", "#4488cc", mask, {"kind": "none"}))
        save_sidecar(notes, store)
    return path


def csv_rows(path: Path) -> dict[str, list[str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: [row[name] for row in rows] for name in rows[0]}


def test_a_table_has_clusters_planes_labels_by_name_sets_and_joined_columns(path: Path) -> None:
    with EmbeddingStore(path) as store:
        columns = every_column(store, load_sidecar(store))
        np.testing.assert_array_equal(columns["z1"], store.z_mean[:, 0])
        np.testing.assert_array_equal(columns["pca_2"], store.plane("pca").coordinates[:, 1])
        assert columns["label_name"].tolist() == [["one", "two"][k] for k in store.labels]
        np.testing.assert_array_equal(columns["elbo"], store.column("quality/elbo"))
    np.testing.assert_array_equal(columns["umap_1"], UMAP[:, 0])
    np.testing.assert_array_equal(columns["cluster"], WARD + 1)
    assert columns["cluster_name"][:3].tolist() == ["", "open", "shut"]
    np.testing.assert_array_equal(columns["cluster_k-means"], np.arange(COUNT) % 2 + 1)
    np.testing.assert_array_equal(columns["set_good ones"], np.arange(COUNT) < 4)
    np.testing.assert_array_equal(columns["dose"], JOINED)
    np.testing.assert_array_equal(columns["joined_elbo"], -JOINED)  # elbo is the store's own
    assert {len(values) for values in columns.values()} == {COUNT}


def test_the_labelling_asked_for_is_called_cluster(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    ExportRequest(store=path, output=out, labelling="k-means").run()
    rows = csv_rows(out)
    assert rows["cluster"] == [str(k % 2 + 1) for k in range(COUNT)]
    assert rows["cluster_ward"] == [str(k + 1) for k in WARD]
    assert rows["cluster_name_ward"][1] == "open"
    with pytest.raises(ConfigError, match="no labelling"):
        ExportRequest(store=path, output=tmp_path / "no.csv", labelling="other").run()


def test_values_of_a_particle_table_are_written_by_name(tmp_path: Path) -> None:
    table = star_table(tmp_path / "particles.star")
    text = table.read_text().replace("_rlnAnglePsi\n", "_rlnAnglePsi\n_rlnMicrographName\n")
    lines = text.split("\n")
    table.write_text("\n".join(f"{x} m{x[:6]}.mrc" if "@" in x else x for x in lines))
    store_file = particle_store(tmp_path / "run.h5", table)
    with EmbeddingStore(store_file) as store:
        named = [name for name in store.table_names if store.categories(name)]
        assert named
        columns = every_column(store, load_sidecar(store))
        for name in named:
            values = columns[name.rpartition("/")[2]]
            assert values.tolist()[4] == store.categories(name)[store.column(name)[4]]


def test_parquet_holds_the_same_values_and_types(path: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    out = tmp_path / "out.parquet"
    ExportRequest(store=path, output=out).run()
    table = parquet.read_table(out)
    with EmbeddingStore(path) as store:
        columns = every_column(store, load_sidecar(store))
    assert table.column_names == list(columns)
    for name, values in columns.items():
        assert table[name].to_pylist() == values.tolist()
    assert str(table["z1"].type) == "float"
    assert str(table["set_good ones"].type) == "bool"


def test_a_data_frame_is_the_table(path: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    out = tmp_path / "out.csv"
    ExportRequest(store=path, output=out).run()
    read = pandas.read_csv(out, keep_default_na=False, float_precision="round_trip")
    with EmbeddingStore(path) as store:
        frame = to_dataframe(store, load_sidecar(store))
    assert list(read) == list(frame)
    for name in frame:
        wanted = frame[name].to_numpy()
        np.testing.assert_array_equal(read[name].to_numpy().astype(wanted.dtype), wanted, name)


def test_scanpy_finds_content_planes_and_columns(path: Path, tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata", reason="needs anndata")
    out = tmp_path / "chosen.h5ad"
    done = ExportRequest(store=path, output=out, cluster="1").run()
    chosen = np.flatnonzero(WARD == 0)
    assert (done.kept.count, done.kept.path) == (len(chosen), out)
    found = anndata.read_h5ad(out)
    with EmbeddingStore(path) as store:
        np.testing.assert_array_equal(found.X, store.z_mean[chosen])
        np.testing.assert_array_equal(found.layers["std"], store.column("content/std")[chosen])
        whole = to_anndata(store, load_sidecar(store))
    np.testing.assert_array_equal(found.obsm["X_umap"], UMAP[chosen])
    assert found.obsm["X_pca"].shape == (len(chosen), 2)
    assert found.obs_names.tolist() == [str(i) for i in chosen]
    assert found.var_names.tolist() == ["z1", "z2"]
    assert found.obs["words"].astype(str).tolist() == WORDS[chosen].tolist()
    np.testing.assert_array_equal(found.obs["angle_rad"], whole.obs["angle_rad"].iloc[chosen])
    assert found.uns["tvae"]["run"] == "test"


@pytest.mark.parametrize(("package", "name"), [("pandas", "frame"), ("anndata", "annotated")])
def test_without_the_package_one_line_says_what_to_install(
    path: Path, monkeypatch: pytest.MonkeyPatch, package: str, name: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    work = {"frame": to_dataframe, "annotated": to_anndata}[name]
    with (
        EmbeddingStore(path) as store,
        pytest.raises(DeviceError, match=rf"needs {package}.*target-vae\[tables\]"),
    ):
        work(store, load_sidecar(store))
