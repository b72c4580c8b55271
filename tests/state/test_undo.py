"""One stack takes back and does again whatever a person made; a set is never lost."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import make_store
from tvae_core.colours import class_colours
from tvae_core.selection import NamedSet
from tvae_core.store import EmbeddingStore
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.made import Clusters, changed_parts, differences
from tvae_gui.state.undo import DEEP, Step, UndoStack

IMAGES = 300


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("undo") / "s.h5", images=IMAGES)


@pytest.fixture
def state(store: Path) -> Iterator[ExplorerState]:
    made = ExplorerState()
    made.open(EmbeddingStore(store))
    yield made
    made.close()


def clusters_of(number: int, count: int) -> Clusters:
    labels = ((np.arange(IMAGES) + number) % count).astype(np.int32)
    return Clusters(labels, tuple("abcdefg"[:count]), class_colours(count), "k-means")


def act(state: ExplorerState, what: int, number: int) -> None:
    """Do one of the things a person does; some do nothing where there is nothing to change."""
    name = f"set {number % 3}"
    names = [named.name for named in state.sets]
    acts: tuple[Callable[[], Any], ...] = (
        lambda: state.select_indices(range(number, number + 20)),
        lambda: state.select({"kind": "range", "column": "error", "low": None, "high": 0.02}),
        state.invert_selection,
        state.clear_selection,
        lambda: state.set_filter("error", (0.0, 0.01 * (1 + number % 7))),
        lambda: state.set_filter("error", None),
        state.clear_filters,
        lambda: state.add_set(name),
        lambda: state.change_set(name, "note", note=str(number)),
        lambda: state.change_set(name, "name", name=f"set {3 + number}"),
        lambda: state.delete_set(names[number % len(names)]) if names else None,
        lambda: state.restore_set(number % len(state.deleted)) if state.deleted else None,
        lambda: state.set_clusters(clusters_of(number, 2 + number % 5), f"c{number % 2}"),
        lambda: state.show_clustering(f"c{number % 2}"),
        lambda: state.set_clusters(None),
        lambda: state.set_filter("cluster", (0, 1)) if state.clusters else None,
    )
    acts[what % len(acts)]()


def act_or_undo(state: ExplorerState, what: int, number: int) -> None:
    """Do one of the things a person does, or take some back."""
    if what < 20:
        act(state, what, number)
    else:
        for _ in range(1 + number % 5):
            (state.undo if what % 2 else state.redo)()


ACTS = st.lists(st.tuples(st.integers(0, 15), st.integers(0, 40)), max_size=40)


OFTEN = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@OFTEN
@given(acts=ACTS)
def test_undo_to_the_start_gives_the_first_state_and_redo_the_last(
    state: ExplorerState, acts: list[tuple[int, int]]
) -> None:
    state.stack.clear()
    first = state.made
    for what, number in acts:
        act(state, what, number)
    last = state.made
    while state.stack.undo_name:
        state.undo()
    assert changed_parts(state.made, first) == set()
    assert (state.visible is None) == (not first.filters)
    while state.stack.redo_name:
        state.redo()
    assert changed_parts(state.made, last) == set()


@OFTEN
@given(acts=st.lists(st.tuples(st.integers(0, 25), st.integers(0, 40)), max_size=40))
def test_no_set_is_lost_whatever_is_done(state: ExplorerState, acts: list[tuple[int, int]]) -> None:
    """Every mask ever saved under a name is a set, or among those recently deleted."""
    ever: list[Any] = []
    for what, number in acts:
        act_or_undo(state, what, number)
        ever += [named.mask for named in state.sets]
        there = [named.mask for named in state.sets] + [d.named.mask for d in state.deleted]
        for mask in ever:
            assert any(np.array_equal(mask, other) for other in there)


def test_a_step_says_what_it_did(state: ExplorerState) -> None:
    state.set_clusters(clusters_of(0, 3), words="merge 2 clusters")
    assert state.stack.undo_name == "merge 2 clusters"
    state.undo()
    assert (state.stack.undo_name, state.stack.redo_name) == ("", "merge 2 clusters")
    state.set_filter("error", (0.0, 0.1))
    assert state.stack.undo_name == "filter by reconstruction error"
    assert state.stack.redo_name == ""


def test_what_changes_nothing_is_no_step(state: ExplorerState) -> None:
    for act_ in (
        state.clear_selection,
        state.clear_filters,
        lambda: state.set_filter("error", None),
        lambda: state.delete_set("gone"),
        lambda: state.colour_by("entropy"),
        lambda: state.set_clusters(None),
    ):
        act_()
    assert len(state.stack) == 0
    for _ in range(2):
        state.select_indices([1, 2])
    assert len(state.stack) == 1


def test_one_drag_of_a_filter_is_one_step(state: ExplorerState) -> None:
    for high in (0.03, 0.02, 0.01):
        state.set_filter("error", (0.0, high))
    state.stack.end_gesture()
    for high in (0.015, 0.025):
        state.set_filter("error", (0.0, high))
    assert len(state.stack) == 2
    state.undo()
    assert state.filters == {"error": (0.0, 0.01)}
    state.undo()
    assert state.filters == {}
    state.redo()
    assert state.filters == {"error": (0.0, 0.01)}


def test_taking_back_new_clusters_gives_the_colour_before_unless_another_was_chosen(
    state: ExplorerState,
) -> None:
    state.colour_by("entropy")
    state.set_clusters(clusters_of(0, 3))
    assert state.colour.key == "cluster"
    state.undo()
    assert state.colour.key == "entropy"
    state.redo()
    state.colour_by("error")
    state.undo()
    assert state.colour.key == "error"
    state.redo()
    state.colour_by("cluster")
    state.colour_by("error")
    state.colour_by("cluster")
    state.undo()
    assert state.colour.key == "entropy"


def test_clusterings_of_a_command_survive_undo(state: ExplorerState) -> None:
    state.set_clusters(clusters_of(0, 3), "mine")
    state.keep_clusterings({"theirs": clusters_of(1, 4)})
    state.undo()
    assert list(state.clusterings) == ["theirs"]


def test_sets_of_another_window_survive_undo_and_redo(state: ExplorerState) -> None:
    state.select_indices([1, 2])
    state.add_set("mine")
    theirs = NamedSet("theirs", "#000000", np.arange(state.images) < 3, {"kind": "all"})
    steps = len(state.stack)
    state.take_sets([*state.sets, theirs], ())
    assert len(state.stack) == steps  # what another did cannot be taken back here
    state.undo()
    assert [one.name for one in state.sets] == ["theirs"]
    state.redo()
    assert {one.name for one in state.sets} == {"theirs", "mine"}
    state.merge_sets("theirs", "mine")
    state.undo()
    assert {one.name: int(one.mask.sum()) for one in state.sets} == {"theirs": 3, "mine": 2}


def test_a_deleted_set_is_kept_until_its_store_is_closed_twice(state: ExplorerState) -> None:
    state.select_indices([1, 2, 3])
    state.add_set("good", "three weeks of work")
    state.delete_set("good")
    assert [d.named.name for d in state.deleted] == ["good"]
    assert state.age_deleted()
    assert [d.closings for d in state.deleted] == [1]
    state.restore_set(0)
    assert state.named_set("good").note == "three weeks of work"  # type: ignore[union-attr]
    state.delete_set("good")
    for _ in range(2):
        state.age_deleted()
    assert state.deleted == ()


def test_a_set_written_over_can_be_had_back(state: ExplorerState) -> None:
    state.select_indices([1, 2, 3])
    state.add_set("good")
    state.select_indices([7])
    state.add_set("good")
    state.restore_set(0)
    assert [(s.name, s.count) for s in state.sets] == [("good", 1), ("good 2", 3)]


def test_the_stack_is_200_deep() -> None:
    stack, seen = UndoStack(), list[int]()
    for number in range(DEEP + 50):
        stack.push(Step(str(number), lambda n=number: seen.append(n), lambda: None))  # type: ignore[misc]
    assert len(stack) == DEEP
    assert list(itertools.takewhile(bool, iter(stack.undo, None)))[-1] == "50"
    assert seen == list(range(DEEP + 49, 49, -1))


def test_a_step_of_a_million_images_keeps_bits(state: ExplorerState) -> None:
    before = state.made
    state.select_indices(range(IMAGES))
    back, there = differences(before, state.made)
    for side in (back, there):
        (kept,) = side.here.values()
        assert kept.bits.bits.nbytes == -(-IMAGES // 8)


def test_a_set_of_the_same_images_as_the_marks_is_not_lost_with_them(state: ExplorerState) -> None:
    state.mark_images(np.array([1, 2]), "kept")
    state.select_indices([1, 2])
    state.add_set("two")
    state.undo()
    state.mark_images(np.array([7]), "kept")
    assert [(d.named.name, d.named.count) for d in state.deleted] == [("two", 2)]
