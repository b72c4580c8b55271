"""What the explorer shows, decided without a display."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_store
from tvae_core.colours import UNASSIGNED_COLOUR, class_colours, rgb_of
from tvae_core.errors import ConfigError
from tvae_core.planes import PlaneChoice
from tvae_core.store import EmbeddingStore, Plane
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.made import Clusters
from tvae_gui.state.raster import Window
from tvae_gui.state.scatter_frame import legend, scatter_frame


@pytest.fixture
def state(tmp_path: Path) -> Iterator[ExplorerState]:
    made = ExplorerState()
    made.open(EmbeddingStore(make_store(tmp_path / "s.h5", images=3_000, z_dim=3)))
    yield made
    made.close()


def test_the_probe_starts_where_images_are(state: ExplorerState) -> None:
    assert state.probe is not None
    assert state.probe.near > 10
    assert state.support_share > 0.5


def test_moving_the_probe_holds_the_dimensions_off_the_plane(state: ExplorerState) -> None:
    state.choose_plane(PlaneChoice("z", 0, 1))
    state.set_probe_z(np.array([0.1, 0.2, 0.7]))
    state.move_probe(1.0, -1.0)
    assert state.probe is not None
    np.testing.assert_allclose(state.probe.z, [1.0, -1.0, 0.7])


def test_pca_is_lifted_exactly(state: ExplorerState) -> None:
    state.choose_plane(PlaneChoice("pca"))
    state.move_probe(0.8, -0.4)
    assert state.probe is not None
    assert state.store is not None
    plane = state.store.plane("pca")
    back = (state.probe.z - plane.mean) @ plane.components.T
    # float32 sums of three terms
    np.testing.assert_allclose(back, [0.8, -0.4], atol=1e-5)


def test_umap_is_lifted_by_neighbours_and_says_so(state: ExplorerState) -> None:
    assert state.store is not None
    z = state.store.z_mean
    state.add_plane("umap", Plane(z[:, [1, 2]] * 3))
    state.choose_plane(PlaneChoice("umap"))
    assert state.shown is not None
    assert state.shown.how.startswith("estimate")
    state.move_probe(*(z[7, [1, 2]] * 3).tolist())
    assert state.probe is not None
    # neighbours lie within a tenth of the cloud, whose deviation is about 1.4
    np.testing.assert_allclose(state.probe.z[1:], z[7, 1:], atol=0.3)


def test_a_selection_holds_all_images_and_only_those_that_pass_the_filter(
    state: ExplorerState,
) -> None:
    everything = {"kind": "all"}
    state.select(everything)
    assert state.selection.count == 3_000
    values = state.values("error")
    middle = float(np.median(values))
    state.set_filter("error", (0.0, middle))
    state.select(everything)
    assert state.selection.count == int((values <= np.float32(middle)).sum())
    state.undo()
    assert state.selection.count == 3_000


def test_a_live_selection_is_no_step_of_the_history(state: ExplorerState) -> None:
    state.select({"kind": "indices", "indices": [1, 2]}, live=True)
    assert state.selection.count == 2
    assert state.present.count == 0
    state.cancel_live()
    assert state.selection.count == 0


def test_a_set_remembers_the_rule_that_made_it(state: ExplorerState) -> None:
    rule = {"kind": "circle", "plane": "z1 z2", "centre": [0.0, 0.0], "radius": 1.0}
    state.select(rule)
    made = state.add_set("round")
    assert made.rule == rule
    assert made.reapplied(state).count == made.count


def test_a_joined_column_of_another_length_is_refused(state: ExplorerState) -> None:
    with pytest.raises(ConfigError, match="10 rows"):
        state.join_columns({"defocus": np.zeros(10)})


def test_clusters_are_a_column_and_colour_the_plane(state: ExplorerState) -> None:
    labels = np.arange(3_000) % 3
    colours = ("#000001", "#000002", "#000003")
    state.set_clusters(Clusters(labels, ("a", "b", "c"), colours, "k-means"))
    assert state.colour.key == "cluster"
    classes = legend(state).classes
    assert classes == (
        (0, "a", "#000001", 1_000), (1, "b", "#000002", 1_000), (2, "c", "#000003", 1_000)
    )  # fmt: skip


def test_what_is_in_no_cluster_has_one_colour_and_a_row_of_its_own(state: ExplorerState) -> None:
    labels = np.where(np.arange(3_000) < 600, -1, np.arange(3_000) % 7).astype(np.int32)
    state.set_clusters(Clusters(labels, tuple("abcdefg"), class_colours(7), "hdbscan"))
    rows = legend(state).classes
    assert rows[-1] == (-1, "unassigned", UNASSIGNED_COLOUR, 600)
    assert UNASSIGNED_COLOUR not in [row.colour for row in rows[:-1]]
    frame = scatter_frame(state, dark=True)
    drawn = {tuple(rgb) for rgb in frame.table[frame.levels[labels[state.index.order] < 0]]}
    assert drawn == {rgb_of(UNASSIGNED_COLOUR)}
    state.select({"kind": "values", "column": "cluster", "values": [rows[-1].number]})
    assert state.selection.count == 600


def test_the_255th_class_is_not_taken_for_unassigned(state: ExplorerState) -> None:
    labels = (np.arange(3_000) % 260).astype(np.int32)
    names = tuple(str(n) for n in range(260))
    state.set_clusters(Clusters(labels, names, class_colours(260)))
    rows = legend(state).classes
    assert [row.number for row in rows] == list(range(260))
    assert UNASSIGNED_COLOUR not in [row.colour for row in rows]


@pytest.mark.parametrize("key", ["density", "label", "angle", "shift", "entropy", "z3", "elbo"])
def test_every_column_draws(state: ExplorerState, key: str) -> None:
    state.colour_by(key)
    picture = scatter_frame(state, dark=True).draw(Window(-3, 5, -3, 5, 200, 150))
    assert picture.rgba.shape == (150, 200, 4)
    assert (picture.rgba[..., 3] > 0).any()


def test_forgetting_clusters_takes_their_colour_and_filter_along(state: ExplorerState) -> None:
    state.set_clusters(Clusters(np.zeros(state.images, np.int32), ("a",), ("#000001",)))
    state.set_filter("cluster", (0, 0))
    seen: list[str] = []
    state.columns_changed.connect(lambda: seen.append(legend(state).column.key))
    state.set_clusters(None)
    assert seen == ["density"]
    assert state.filters == {}


def test_a_one_dimensional_latent_is_a_histogram(tmp_path: Path) -> None:
    state = ExplorerState()
    state.open(EmbeddingStore(make_store(tmp_path / "one.h5", images=500, z_dim=1)))
    assert state.shown is not None
    assert state.shown.is_line
    assert state.shown.xy[:, 1].min() >= 0
    state.move_probe(0.5, 7.0)
    assert state.probe is not None
    np.testing.assert_allclose(state.probe.z, [0.5])
    state.close()


def test_nothing_open_is_a_state_too() -> None:
    state = ExplorerState()
    state.select({"kind": "all"})
    state.invert_selection()
    state.undo()
    state.move_probe(0, 0)
    state.set_filter("error", (0, 1))
    assert (state.images, state.selection.count) == (0, 0)
