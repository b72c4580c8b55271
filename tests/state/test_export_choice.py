"""From a lasso to rows of the particle table, and what a user adds to a run: without a display."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_store, particle_store, star_table
from tvae_core.particles import read_table
from tvae_core.selection import polygon_mask
from tvae_core.sidecar import load_sidecar, save_sidecar
from tvae_core.store import EmbeddingStore, Plane
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.export_choice import (
    ExportChoice,
    export_request,
    export_sources,
    keep_selection,
)
from tvae_gui.state.made import Clusters
from tvae_gui.state.notes import notes_of, show_notes, show_view

LASSO = {"kind": "polygon", "plane": "z1 z2", "vertices": [[-1, -1], [1, -1], [1, 1], [-1, 1]]}


@pytest.fixture
def state(tmp_path: Path) -> Iterator[ExplorerState]:
    """A state with a run of 200 images."""
    made = ExplorerState()
    made.open(EmbeddingStore(make_store(tmp_path / "a.h5")))
    yield made
    made.close()


def test_a_lasso_becomes_rows_of_the_particle_table(
    tmp_path: Path,
) -> None:
    star = star_table(tmp_path / "particles.star")
    state = ExplorerState()
    state.open(EmbeddingStore(particle_store(tmp_path / "particles.h5", star)))
    assert state.store is not None
    state.select(LASSO)
    choice = ExportChoice(("selection", ""), "particles", tmp_path / "inside.star", rest=True)
    assert keep_selection(state, choice)
    save_sidecar(notes_of(state), state.store)
    request = export_request(state, choice)
    inside = polygon_mask(state.store.z_mean, LASSO["vertices"])
    state.close()
    done = request.run()
    assert done.kept.count == inside.sum() > 0
    assert done.rest is not None
    names = np.array(read_table(star).column("rlnImageName"))
    for path, rows in ((done.kept.path, inside), (done.rest.path, ~inside)):
        assert read_table(path).column("rlnImageName").tolist() == names[rows].tolist()


def test_what_can_be_exported_is_listed_with_its_images(state: ExplorerState) -> None:
    assert [words for words, _, _ in export_sources(state)] == ["all images"]
    state.select({"kind": "indices", "indices": [1, 2, 3]})
    state.add_set("three")
    labels = np.where(np.arange(200) < 50, -1, np.arange(200) % 2).astype(np.int32)
    state.set_clusters(Clusters(labels, ("a", "b"), ("#000001", "#000002")))
    assert export_sources(state) == [
        ("the selection", ("selection", ""), 3), ("three", ("set", "three"), 3),
        ("a", ("cluster", 0), 75), ("b", ("cluster", 1), 75),
        ("unassigned", ("cluster", -1), 50), ("all images", ("all", ""), 200),
    ]  # fmt: skip


def test_notes_come_back_as_they_were(state: ExplorerState) -> None:
    assert state.store is not None
    state.select(LASSO)
    state.add_set("middle")
    state.join_columns({"defocus": np.arange(200.0)})
    state.add_plane("umap", Plane(np.random.default_rng(0).normal(size=(200, 2))))
    labels = (np.arange(200) % 3).astype(np.int32)
    state.set_clusters(Clusters(labels, ("a", "b", "c"), ("#000001", "#000002", "#000003")))
    state.colour_by("angle")
    state.set_filter("error", (0.0, 1.0))
    state.set_probe_z(np.array([0.25, -0.5]))
    save_sidecar(notes_of(state, "/elsewhere"), state.store)

    again = ExplorerState()
    again.open(EmbeddingStore(Path(state.store.path)))
    assert again.store is not None
    notes = load_sidecar(again.store)
    assert notes.images_at == "/elsewhere"
    show_notes(again, notes)
    show_view(again, notes.view)
    assert [(s.name, s.count) for s in again.sets] == [(s.name, s.count) for s in state.sets]
    assert again.clusters is not None
    np.testing.assert_array_equal(again.clusters.labels, labels)
    assert (again.colour.key, again.filters) == ("angle", {"error": (0.0, 1.0)})
    assert "joined/defocus" in [column.key for column in again.columns]
    assert "umap" in again.plane_names
    assert again.probe is not None
    np.testing.assert_allclose(again.probe.z, [0.25, -0.5])
    again.close()


def test_images_in_no_cluster_are_exported_by_their_row(
    state: ExplorerState, tmp_path: Path
) -> None:
    assert state.store is not None
    labels = np.where(np.arange(200) < 50, -1, np.arange(200) % 2).astype(np.int32)
    state.set_clusters(Clusters(labels, ("a", "b"), ("#000001", "#000002")))
    save_sidecar(notes_of(state), state.store)
    for number, images in ((-1, 50), (0, 75), (1, 75)):
        choice = ExportChoice(("cluster", number), "table", tmp_path / f"{number}.csv")
        done = export_request(state, choice).run()
        assert done.kept.count == images
    text = (tmp_path / "-1.csv").read_text().splitlines()
    column = text[0].split(",").index("cluster")
    assert len({line.split(",")[column] for line in text[1:]}) == 1
