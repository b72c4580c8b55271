"""The gallery: which images in which order, and a pass with K, X and U."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_store
from tvae_core.colours import class_colours
from tvae_core.store import EmbeddingStore
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.gallery_state import FILE_ORDER, OUTLYING, PROBE, GalleryState, Subject
from tvae_gui.state.made import Clusters

IMAGES = 400


@pytest.fixture
def state(tmp_path: Path) -> Iterator[ExplorerState]:
    made = ExplorerState()
    made.open(EmbeddingStore(make_store(tmp_path / "s.h5", images=IMAGES)))
    yield made
    made.close()


@pytest.fixture
def gallery(state: ExplorerState) -> GalleryState:
    made = GalleryState(state)
    made.open()
    return made


def names(state: ExplorerState, name: str) -> list[int]:
    named = state.named_set(name)
    return [] if named is None else np.flatnonzero(named.mask).tolist()


def test_it_lists_selection_set_cluster_and_what_passes_the_filter(
    state: ExplorerState, gallery: GalleryState
) -> None:
    assert gallery.order.tolist() == list(range(IMAGES))
    state.select_indices([5, 3, 300])
    state.add_set("few")
    labels = (np.arange(IMAGES) % 4).astype(np.int32)
    state.set_clusters(Clusters(labels, tuple("abcd"), class_colours(4)))
    sizes = {words: count for words, _, count in gallery.subjects()}
    assert sizes == {
        "all images": 400, "the selection": 3, "few": 3, "a": 100, "b": 100, "c": 100, "d": 100,
    }  # fmt: skip
    for subject in (Subject("selection"), Subject("set", "few")):
        gallery.show(subject)
        assert gallery.order.tolist() == [3, 5, 300]
    gallery.show(Subject("cluster", "c", 2))
    assert gallery.order.tolist() == list(range(2, IMAGES, 4))
    error = state.values("error")
    middle = float(np.median(error))
    state.set_filter("error", (0.0, middle))
    gallery.refresh()
    assert (error[gallery.order] <= middle).all()
    assert len(gallery.order) == int((error[2::4] <= np.float32(middle)).sum())


@pytest.mark.parametrize("descending", [False, True])
def test_it_sorts_by_any_column(
    state: ExplorerState, gallery: GalleryState, descending: bool
) -> None:
    for column in state.columns:
        if column.kind == "density":
            continue
        gallery.sort_by(column.key, descending)
        values = state.values(column.key)[gallery.order]
        steps = np.diff(values.astype(float)) * (-1 if descending else 1)
        assert (steps >= 0).all(), column.key
        assert sorted(gallery.order.tolist()) == list(range(IMAGES))


def test_images_without_a_value_come_last_either_way(
    state: ExplorerState, gallery: GalleryState
) -> None:
    values = np.arange(IMAGES, dtype=float)
    values[[7, 9]] = np.nan
    state.join_columns({"defocus": values})
    for descending in (False, True):
        gallery.sort_by("joined/defocus", descending)
        assert sorted(gallery.order[-2:].tolist()) == [7, 9]
        assert gallery.order[0] == (IMAGES - 1 if descending else 0)


def test_it_sorts_by_the_distance_to_the_probe(state: ExplorerState, gallery: GalleryState) -> None:
    state.go_to_image(17)
    gallery.sort_by(PROBE, False)
    assert gallery.order[0] == 17
    assert state.probe is not None
    away = state.distance(state.probe.z)[gallery.order]
    assert (np.diff(away) >= 0).all()


def test_it_sorts_by_how_little_an_image_is_like_its_cluster(
    state: ExplorerState, gallery: GalleryState
) -> None:
    assert gallery.why_no_sort(OUTLYING)
    assert state.store is not None
    z = state.store.z_mean
    labels = (z[:, 0] > 1).astype(np.int32)
    labels[11] = -1
    state.set_clusters(Clusters(labels, ("a", "b"), class_colours(2)))
    gallery.show(Subject("cluster", "a", 0))
    gallery.sort_by(OUTLYING, True)
    mean = z[labels == 0].mean(0)
    assert state.nearness is not None
    away = np.linalg.norm(state.nearness.whiten(z) - state.nearness.whiten(mean[None]), axis=1)
    expected = np.flatnonzero(labels == 0)
    best = expected[np.argmax(away[expected])]
    assert gallery.order[0] == best
    gallery.show(Subject())
    assert gallery.order[-1] == 11  # in no cluster: last


def test_a_pass_of_keys(state: ExplorerState, gallery: GalleryState) -> None:
    for mark in ("kept", "rejected", "rejected", "kept"):
        gallery.mark(mark)
    assert (names(state, "kept"), names(state, "rejected")) == ([0, 3], [1, 2])
    assert gallery.number == 4
    gallery.take_back()  # the last one marked
    assert gallery.number == 3
    assert names(state, "kept") == [0]
    gallery.mark("rejected")
    assert names(state, "rejected") == [1, 2, 3]
    gallery.step(-2)
    gallery.take_back()  # the one the keyboard is on
    assert names(state, "rejected") == [1, 3]
    assert gallery.words == "1 kept · 2 rejected · 397 undecided"
    while state.stack.undo_name:
        state.undo()
    assert state.sets == []


def test_marks_of_several_at_once(state: ExplorerState, gallery: GalleryState) -> None:
    gallery.go_to(10)
    gallery.go_to(14, extend=True)
    gallery.go_to(20, toggle=True)
    gallery.go_to(12, toggle=True)
    gallery.mark("rejected")
    assert names(state, "rejected") == [10, 11, 13, 14, 20]
    assert state.stack.undo_name == "reject 5 images"
    gallery.mark("kept")
    assert names(state, "rejected") == []
    assert names(state, "kept") == [10, 11, 13, 14, 20]
    gallery.take_back()
    assert state.sets == []
    gallery.choose_none()
    gallery.choose_all()
    gallery.mark("kept")
    assert len(names(state, "kept")) == IMAGES


def test_what_is_listed_stays_while_one_marks(state: ExplorerState, gallery: GalleryState) -> None:
    gallery.mark("kept")
    gallery.show(Subject("unmarked"))
    assert gallery.order[0] == 1
    gallery.mark("rejected")
    assert gallery.order[0] == 1
    assert gallery.number == 2
    gallery.refresh()
    assert gallery.order[0] == 2


def test_a_set_called_kept_before_is_not_lost(state: ExplorerState, gallery: GalleryState) -> None:
    state.select({"kind": "range", "column": "error", "low": 0, "high": 0.01})
    made = state.add_set("kept")
    gallery.go_to(int(np.flatnonzero(~made.mask)[0]))
    gallery.mark("kept")
    (lost,) = state.deleted
    np.testing.assert_array_equal(lost.named.mask, made.mask)
    for _ in range(3):
        gallery.mark("kept")
    assert len(state.deleted) == 1


def test_the_current_image_stays_when_the_order_changes(gallery: GalleryState) -> None:
    gallery.go_to(33)
    gallery.sort_by("error", True)
    assert gallery.number == 33
    gallery.sort_by(FILE_ORDER, True)
    assert gallery.number == 33
    assert gallery.order[0] == IMAGES - 1


def test_nothing_open_is_a_state_too() -> None:
    gallery = GalleryState(ExplorerState())
    gallery.open()
    gallery.step(1)
    gallery.mark("kept")
    gallery.take_back()
    gallery.choose_all()
    gallery.select_on_plane()
    assert gallery.number == -1
