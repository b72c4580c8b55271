"""The state of a field: which picks are shown, where their circles are, which one is chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tvae_core.analysis.picks import Calibration, Confidence, FieldPicks, Picks
from tvae_core.work.detect import Detected
from tvae_gui.state.field_state import FieldState


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
    assert state.circles()[0] == pytest.approx([0.5, 0.25, 0.05])
    assert state.circles()[1] == pytest.approx([0.895, 0.105, 0.05])


def test_a_click_chooses_the_pick_it_hits(state: FieldState) -> None:
    said: list[int | None] = []
    state.pick_chosen.connect(lambda: said.append(state.chosen))
    state.choose_at(0.88, 0.1)
    state.choose_at(0.2, 0.2)
    assert said == [1, None]


def test_images_are_shown_one_by_one_and_saved_together(state: FieldState) -> None:
    state.go_to(1)
    assert len(state.circles()) == 0
    state.go_to(7)
    assert state.image == 1
    assert state.calibration is not None
    found = Detected(Path(state.path), state.calibration, state.fields)
    assert len(found.kept(state.threshold)) == 2  # of all images
    state.set_drawn(True)
    picture = state.picture()
    assert picture is not None
    assert picture[0].max() == 1
    state.clear()
    assert state.picture() is None
