"""The verdict on a run: what was learned, from figures, and what to change."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from tvae_core.analysis.verdict import LearningFigures, Verdict, description_gain, verdict

GOOD = LearningFigures(
    images=900, looked_at=100, content_nats=4.0, pose_nats=7.0, shift_nats=2.0, rotation_nats=2.0,
    gain=200.0, content_saved=30.0, explained=0.6, drift=0.1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "learned"),
    [
        ({}, "all"),
        ({"drift": math.nan}, "all"),
        ({"content_nats": 0.0, "content_saved": 0.0}, "pose"),
        ({"content_saved": 0.2}, "pose"),  # z is used, and says nothing of held-out images
        ({"pose_nats": 0.0}, "content"),
        ({"pose_nats": 0.0, "infers_pose": False}, "all"),
        ({"gain": -5.0}, "nothing"),  # whatever the KL: it is not paid back
        ({"gain": math.nan}, "nothing"),
        ({"content_nats": 0.0, "content_saved": 0.0, "pose_nats": 0.0}, "nothing"),
        ({"images": 9}, "nothing"),
    ],
)
def test_each_part_is_judged_by_what_it_saves(changes: dict[str, float], learned: str) -> None:
    found = verdict(replace(GOOD, **changes))
    assert found.learned == learned
    assert bool(found.change) == (learned in ("pose", "nothing"))


def test_a_content_that_follows_the_turn_is_said() -> None:
    found = verdict(replace(GOOD, drift=0.9))
    assert found.turns
    assert "turned" in found.headline
    assert found.change
    assert not verdict(GOOD).turns


@pytest.mark.parametrize(
    ("explained", "said"),
    [(0.6, "60 % of what"), (-0.3, "nothing of what"), (-4e15, "nothing of what")],
)
def test_a_share_below_zero_is_nothing(explained: float, said: str) -> None:
    words = verdict(replace(GOOD, explained=explained)).words
    assert said in words
    assert "-" not in words.split("drawn")[0]


def test_ten_images_are_no_map_however_well_they_are_drawn() -> None:
    found = verdict(replace(GOOD, images=10, gain=900.0))
    assert found.headline.startswith("Nothing was learned")
    assert "memory" in found.words


def test_a_verdict_survives_json_and_rubbish_is_none() -> None:
    found = verdict(GOOD)
    assert Verdict.from_json(found.to_json()) == found
    for text in ("", "{", "[]", "{}", "null"):
        assert Verdict.from_json(text) is None


def test_a_description_is_paid_by_its_cost_and_by_nothing_else() -> None:
    n, one = np.array([60, 40]), np.array([1.0, 3.0])
    assert description_gain(n, one, one, 3.0) == -3.0
    assert description_gain(n, 4 * one, one, 0.0) == pytest.approx(50 * math.log(4), rel=1e-3)
    assert description_gain(n, 4e6 * one, 1e6 * one, 0.0) == pytest.approx(
        50 * math.log(4), rel=1e-3
    )  # no unit
    assert description_gain(n, 0 * one, 0 * one, 2.0) == -2.0  # constant images: nothing to save


def test_what_a_few_strong_frequencies_save_is_not_counted_for_every_pixel() -> None:
    few, many = np.array([10, 990]), np.array([1.0, 1.0])
    strong = np.array([100.0, 0.01])
    assert description_gain(few, strong, strong * [0.9, 1.0], 0.0) == pytest.approx(
        5 * math.log(1 / 0.9), rel=1e-2
    )
    assert description_gain(few, many, 0.9 * many, 0.0) == pytest.approx(
        500 * math.log(1 / 0.9), rel=1e-2
    )
