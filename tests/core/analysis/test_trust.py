"""The verdict follows the thresholds, one part at a time, and says why in words."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from tvae_core.analysis.invariance import ON_GRID, SHIFTED, THERE_AND_BACK, TURNED, Measure
from tvae_core.analysis.trust import (
    BAD,
    CARE,
    GOOD,
    LIMITS,
    UNKNOWN,
    InvarianceReport,
    length,
    worst,
)

_GOOD = Measure(TURNED, 100, 0.05, 0.04, 2.0, 2.0, 1.0, 0.0, 0.2, 0.1)
NAN = float("nan")


def report(turned: Measure = _GOOD, **changes: object) -> InvarianceReport:
    others = [replace(turned, kind=kind) for kind in (ON_GRID, SHIFTED, THERE_AND_BACK)]
    made = InvarianceReport(
        run="run",
        images=10,
        side_px=48,
        pixel_size_angstrom=3.0,
        z_spread=1.0,
        z_dimensions=2,
        active_dimensions=2,
        symmetries={"C2": 10},
        fit_share=1.0,
        measures=(turned, *others),
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({}, GOOD),
        ({"angle_median_deg": 5.0}, GOOD),
        ({"angle_median_deg": 5.1}, CARE),
        ({"angle_median_deg": 15.1}, BAD),
        ({"gross_share": 0.051}, CARE),
        ({"gross_share": 0.21}, BAD),
        ({"shift_median_px": 0.51}, CARE),
        ({"shift_median_px": 1.6}, BAD),
        ({"angle_rmse_deg": 127.0}, GOOD),  # C2: half turns are no errors once folded
        ({"drift": 0.9}, GOOD),  # content has a verdict of its own
    ],
)
def test_the_worst_of_angle_and_shift_decides(changes: dict[str, float], level: str) -> None:
    assert report(replace(_GOOD, **changes)).level == level


@pytest.mark.parametrize(("share", "level"), [(0.96, GOOD), (0.9, CARE), (0.5, BAD), (NAN, GOOD)])
def test_the_decoded_object_must_fit(share: float, level: str) -> None:
    assert report(fit_share=share).level == level


@pytest.mark.parametrize(("drift", "level"), [(0.1, GOOD), (0.2, CARE), (0.4, BAD), (NAN, UNKNOWN)])
def test_content_is_judged_by_the_variance_a_turn_makes(drift: float, level: str) -> None:
    content = report(replace(_GOOD, drift=drift)).judgements[0]
    assert (content.part, content.level) == ("content", level)


def test_a_content_that_never_varies_is_bad_and_the_poses_may_still_be_good() -> None:
    collapsed = report(active_dimensions=0)
    assert collapsed.judgements[0].level == BAD
    assert "nearly the same for all images" in collapsed.judgements[0].words
    assert collapsed.level == GOOD
    poses, content = collapsed.verdicts
    assert poses.startswith("Poses: yes")
    assert content.startswith("z: no")
    assert collapsed.words()[:2] == [poses, content]


def test_a_plane_that_shows_rotation_has_good_poses_and_a_bad_z() -> None:
    poses, content = report(replace(_GOOD, drift=0.9)).verdicts
    assert poses.startswith("Poses: yes")
    assert content.startswith("z: no")
    assert "how an object is turned" in content
    assert report().verdicts[1].startswith("z: yes")


def test_round_objects_have_no_angle_to_be_judged() -> None:
    angles = {"angle_folded_rmse_deg": NAN, "angle_median_deg": NAN, "gross_share": NAN}
    round_ones = report(replace(_GOOD, **angles), fit_share=NAN, symmetries={"round": 10})
    assert [j.level for j in round_ones.judgements] == [GOOD, UNKNOWN, GOOD, UNKNOWN]
    assert "look round" in round_ones.judgements[1].words
    assert round_ones.level == GOOD  # what is left, the shift, is
    nothing = report(measures=(), fit_share=NAN)
    assert nothing.level == UNKNOWN
    assert nothing.verdict.startswith("Poses: cannot tell")


def test_the_words_give_the_figures_and_the_tests_own_effect() -> None:
    words = " ".join(report().words())
    for figure in (
        "1.0°",
        "RMSE as in the paper's A.3",
        "2.0°",
        "0.10 px, 0.3 Å",
        "100 %",
        "folded: C2",
    ):
        assert figure in words
    assert "turning an image there and back, which interpolates twice, moves z by 5.0 %" in words
    assert "Turning an image turns its noise too" in words


def test_json_holds_all_and_no_nan() -> None:
    made = report(replace(_GOOD, drift=NAN), pixel_size_angstrom=None).as_dict()
    text = json.dumps(made, allow_nan=False)
    back = json.loads(text)
    assert back["measures"][0]["drift"] is None
    assert back["level"] == GOOD
    assert back["limits"].keys() == LIMITS.keys()
    assert len(back["judgements"]) == 4


def test_lengths_and_levels() -> None:
    assert length(0.5, 3.0) == "0.50 px, 1.5 Å"
    assert length(0.5, None) == "0.50 px"
    assert length(math.nan, 3.0) == "–"
    assert worst([GOOD, BAD, CARE]) == BAD
    assert worst([]) == UNKNOWN


def test_how_far_images_were_turned_is_said_where_it_is_not_all_the_way() -> None:
    upright = report(turned_at_most_deg=34.4)
    assert any("at most 34° either way" in words for words in upright.words())
    assert not any("either way" in words for words in report().words())
    assert InvarianceReport.from_dict(upright.as_dict()) == upright
    before = report().as_dict()
    del before["turned_at_most_deg"]
    assert InvarianceReport.from_dict(before) == report()
