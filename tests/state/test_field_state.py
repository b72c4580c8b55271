"""The state of a field: which picks are shown, where their circles are, which one is chosen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.factories import make_store
from tvae_core.analysis.picks import Calibration, Confidence, FieldPicks, Picks
from tvae_core.store import EmbeddingStore
from tvae_core.work.detect import Detected
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.field_colours import pick_colours, pick_columns
from tvae_gui.state.field_image import FieldImage
from tvae_gui.state.field_state import DRAWN, FieldState
from tvae_gui.state.nearness import Nearness
from tvae_gui.state.undo import UndoStack


@pytest.fixture
def state() -> FieldState:
    """Two images of 50 x 100 px; the first has picks at its centre and near its right edge."""
    picks = Picks(
        np.array([0, 0]), np.array([[0.0, 0.0], [39.5, 14.5]]), np.zeros(2),
        np.array([[1.0], [2.0]]), np.zeros(2), np.array([0.9, 0.4]), np.zeros(2),
    )  # fmt: skip
    values = np.zeros((1, 25, 50), np.float32)
    none = picks.chosen(np.zeros(2, bool))
    fields = tuple(
        FieldPicks(n, p, values, values + 1, (50, 100), 5.0) for n, p in enumerate((picks, none))
    )
    made = FieldState()
    made.show("f.mrc", Calibration(Confidence(1, 0, 0.3, 9, 9, 9, 0), 2.5, True), fields)
    return made


def test_the_threshold_is_the_runs_own_until_it_is_moved(state: FieldState) -> None:
    assert state.threshold == 0.3
    assert state.picks is not None
    assert len(state.picks) == 2
    state.set_threshold(0.5)
    assert len(state.circles()) == 1


def test_circles_are_where_the_picks_are(state: FieldState) -> None:
    # column 49.5 of 100 and row 24.5: half a pixel to the middle of the image
    assert state.circles()[0] == pytest.approx([50, 25, 5])
    assert state.circles()[1] == pytest.approx([89.5, 10.5, 5])


def test_a_click_chooses_the_pick_it_hits(state: FieldState) -> None:
    said: list[int | None] = []
    state.pick_chosen.connect(lambda: said.append(state.chosen))
    state.choose_at(88, 10)
    state.choose_at(20, 20)
    assert said == [1, None]


def test_images_are_shown_one_by_one_and_saved_together(state: FieldState) -> None:
    state.go_to(1)
    assert len(state.circles()) == 0
    state.go_to(7)
    assert state.image == 1
    assert state.calibration is not None
    found = Detected(Path(state.path), state.calibration, state.fields)
    assert len(found.kept(state.threshold)) == 2  # of all images
    state.set_look(DRAWN)
    assert state.picture is not None
    assert state.picture.values.max() == 1
    state.clear()
    assert state.picture is None


def test_picks_are_placed_moved_and_deleted_and_all_of_it_is_undone(state: FieldState) -> None:
    stack = UndoStack()
    state._stack = stack
    before = state.circles()
    state.add_at(10, 40)
    assert state.circles()[-1] == pytest.approx([10, 40, 5])
    assert state.chosen == 2
    state.move_chosen(12, 41)
    assert state.circles()[-1] == pytest.approx([12, 41, 5])
    state.choose_at(50, 25)
    state.nudge_chosen(1, 0)
    state.nudge_chosen(1, 0)
    assert [52, 25, 5] in state.circles().tolist()
    state.choose_at(89, 10)
    state.delete_chosen()
    assert len(state.circles()) == 2
    names = []
    while stack.undo_name:
        names.append(stack.undo())
    assert names == ["delete a pick", "move a pick", "move a pick", "add a pick"]
    assert np.array_equal(state.circles(), before)
    while stack.redo_name:
        stack.redo()
    assert len(state.circles()) == 2
    assert state.picks is not None
    assert state.picks.confidence.tolist() == [1, 1]


def test_nothing_is_placed_outside_of_the_image(state: FieldState) -> None:
    state.add_at(101, 10)
    state.add_at(10, -1)
    assert len(state.circles()) == 2
    state.add_at(0, 49.9)
    state.move_chosen(10, 50)
    assert state.circles()[-1] == pytest.approx([0, 49.9, 5])


def test_what_was_placed_stays_at_any_threshold_and_is_saved_with_the_others(
    state: FieldState,
) -> None:
    state.add_at(10, 40)
    state.set_threshold(1.0)
    assert len(state.circles()) == 1
    assert state.calibration is not None
    found = Detected(Path(state.path), state.calibration, state.edited)
    assert found.kept(0.5).confidence.tolist() == [0.9, 1.0]


def test_edits_are_kept_as_json_and_suit_another_search(state: FieldState) -> None:
    state.add_at(10, 40)
    state.choose_at(50, 25)
    state.delete_chosen()
    kept = json.loads(json.dumps(state.kept()))
    circles = state.circles()
    again = FieldState()
    again.restore(kept)
    assert state.calibration is not None
    again.show(state.path, state.calibration, state.fields)
    assert np.array_equal(again.circles(), circles)
    again.show("other.mrc", state.calibration, state.fields)
    assert len(again.circles()) == 2
    again.restore([{"path": 3}])  # written by no one
    assert again.kept() == []


def test_what_the_encoder_sees_of_a_placed_pick_is_taken(state: FieldState) -> None:
    state.add_at(10, 40)
    places = state.unread()
    assert places == [(-40.0, -15.0)]
    assert state.picks is not None
    assert np.isnan(state.picks.z[-1]).all()
    seen = state.picks.chosen(np.array([0]))
    state.take_read(0, places, replace(seen, place_px=np.array(places), z=np.array([[3.0]])))
    assert state.unread() == []
    assert state.picks.z[-1].tolist() == [3.0]


@pytest.mark.parametrize("shape", [(1, 1), (65, 127), (300, 517), (256, 512, 3)])
def test_a_part_of_an_image_costs_what_is_seen_of_it(shape: tuple[int, ...]) -> None:
    height, width = shape[:2]
    ramp = np.broadcast_to(np.arange(width, dtype=np.float32)[None, :, None], (height, width, 3))
    image = FieldImage(ramp if len(shape) == 3 else ramp[..., 0])
    for points in (width, width / 4, width / 16):
        cut = image.cut(0.25, 0.0, 0.75, 1.0, points)
        across = cut.values.shape[1]
        assert across <= max(4 * points, 128)
        pixel = (cut.right - cut.left) * width / across
        middles = cut.left * width + (np.arange(across) + 0.5) * pixel - 0.5
        line = cut.values[0, :, 0] if cut.values.ndim == 3 else cut.values[0]
        assert np.abs(line - middles).max() <= pixel  # each value lies where it is drawn


def test_places_in_a_field_are_read_as_the_nearest_images_brute_force_finds() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(500, 3)).astype(np.float32)
    near = Nearness(SimpleNamespace(z_mean=z, column=lambda _: np.full_like(z, 0.1)))
    some = rng.normal(size=(40, 3))
    some[7] = np.nan
    away = ((near.whiten(some)[:, None] - near.whiten(z)[None]) ** 2).sum(2)
    expected = np.where(np.isfinite(away[:, 0]), np.nan_to_num(away).argmin(1), -1)
    assert near.nearest_each(some).tolist() == expected.tolist()


def test_thousands_of_random_edits_are_undone_to_the_start_and_redone(state: FieldState) -> None:
    rng = np.random.default_rng(6)
    explorer = ExplorerState()
    stack = explorer.stack  # the one that sets and selections are on too
    stack._deep = 100_000
    state._stack = stack
    state.set_threshold(0.0)
    first = [state.edited[n].picks.place_px.tolist() for n in range(2)]
    assert state.kept() == []
    for _ in range(2_000):
        column, row = rng.uniform(-10, 110), rng.uniform(-10, 60)
        acts = (
            lambda c=column, r=row: state.add_at(c, r),
            lambda c=column, r=row: state.choose_at(c, r),
            lambda: state.step(int(rng.choice([-1, 1]))),
            lambda c=column, r=row: state.move_chosen(c, r),
            lambda: state.nudge_chosen(*rng.integers(-3, 4, 2).tolist()),
            state.delete_chosen,
            lambda: state.go_to(int(rng.integers(0, 2))),
            stack.undo, stack.redo,
        )  # fmt: skip
        acts[int(rng.integers(0, len(acts)))]()
        chosen, picks = state.chosen, state.picks
        assert picks is not None
        assert chosen is None or 0 <= chosen < len(picks)
    last = [field.picks.place_px.tolist() for field in state.edited]
    steps = len(stack)
    assert steps > 50
    while stack.undo():
        pass
    assert [field.picks.place_px.tolist() for field in state.edited] == first
    assert state.kept() == []
    for _ in range(steps):
        assert stack.redo()
    assert [field.picks.place_px.tolist() for field in state.edited] == last


def test_no_colour_of_a_pick_is_the_grey_of_an_image(tmp_path: Path) -> None:
    explorer = ExplorerState()
    explorer.open(EmbeddingStore(make_store(tmp_path / "s.h5", images=50)))
    n = 64
    picks = Picks(
        np.zeros(n, int), np.zeros((n, 2)), np.zeros(n), np.zeros((n, 2)), np.zeros(n),
        np.linspace(0, 1, n), np.zeros(n),
    )  # fmt: skip
    column = next(c for c in pick_columns(explorer) if c.title == "confidence")
    rgb = pick_colours(explorer, column, picks, None).rgb.astype(int)
    assert (rgb.max(axis=1) - rgb.min(axis=1)).min() > 50
    explorer.close()
