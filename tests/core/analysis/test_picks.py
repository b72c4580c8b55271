"""Peaks, suppression, matching and confidence, on made maps and picks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from tvae_core.analysis.picks import Confidence, Picks, agreement, match, peaks, suppressed


def bumps(places: Any, heights: Any, shape: tuple[int, int] = (40, 60)) -> Any:
    """Return a map with Gaussian bumps at (row, column)."""
    rows, columns = np.indices(shape)
    total = np.zeros(shape)
    for (row, column), height in zip(places, heights, strict=True):
        total += height * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 8.0)
    return total


def made_picks(image: Any, places: Any) -> Picks:
    """Return picks at places, of no other interest."""
    count = len(image)
    return Picks(
        np.asarray(image),
        np.asarray(places, float).reshape(-1, 2),
        *(np.zeros(s) for s in (count, (count, 2), count, count, count)),
    )


def test_peaks_are_where_the_bumps_are_the_highest_first() -> None:
    places = [(0, 0), (10, 50), (30, 20), (39, 59)]
    found = peaks(bumps(places, [1.0, 3.0, 2.0, 4.0]), 5.0, 0.5)
    assert found.tolist() == [[39, 59], [10, 50], [30, 20], [0, 0]]


def test_no_peak_below_the_lowest_and_none_nearer_than_the_radius() -> None:
    values = bumps([(20, 20), (20, 27), (20, 45)], [2.0, 1.9, 0.4])
    assert peaks(values, 3.0, 0.5).tolist() == [[20, 20], [20, 27]]
    assert peaks(values, 8.0, 0.5).tolist() == [[20, 20]]


def test_a_plateau_is_one_peak() -> None:
    values = np.zeros((20, 20))
    values[5:8, 5:8] = 1.0
    assert len(peaks(values, 6.0, 0.5)) == 1


def test_an_empty_map_has_one_peak_and_not_one_a_pixel() -> None:
    values = np.zeros((90, 120))
    values[30, 40] = 1.0
    assert peaks(values, 2.0, 0.0)[0].tolist() == [30, 40]
    assert len(peaks(values, 2.0, 0.0)) == 2  # the bump, and what is flat around it
    assert len(peaks(values, 2.0, 1e-3)) == 1


def test_suppression_is_greedy() -> None:
    places = np.array([[0, 0], [0, 4], [0, 8]])
    assert suppressed(places, np.array([3.0, 2.0, 1.0]), 5.0).tolist() == [0, 2]
    assert suppressed(places, np.array([1.0, 2.0, 1.0]), 5.0).tolist() == [1]
    assert suppressed(np.zeros((0, 2)), np.zeros(0), 5.0).tolist() == []


def test_matching_makes_as_many_pairs_as_can_be() -> None:
    # greedily, the pick at 1 would take the object at 0 and leave the pick at -2 without any
    found = match(np.array([[1.0, 0], [-2.0, 0]]), np.array([[0.0, 0], [3.0, 0]]), 3.0)
    assert dict(zip(found.pick.tolist(), found.truth.tolist(), strict=True)) == {0: 1, 1: 0}
    assert len(match(np.zeros((1, 2)), np.array([[3.1, 0.0]]), 3.0).pick) == 0


def test_matching_of_groups_is_that_of_all_pairs_at_once() -> None:
    rng = np.random.default_rng(3)
    places, truth = rng.uniform(0, 60, (80, 2)), rng.uniform(0, 60, (70, 2))
    apart = np.linalg.norm(places[:, None] - truth[None], axis=-1)
    pick, true = linear_sum_assignment(np.where(apart <= 4.0, apart, 1e4))
    good = apart[pick, true] <= 4.0
    found = match(places, truth, 4.0)
    assert len(found.pick) == good.sum()
    assert len(set(found.pick)) == len(set(found.truth)) == good.sum()
    assert found.distance_px.sum() == pytest.approx(apart[pick, true][good].sum())
    assert np.allclose(found.distance_px, apart[found.pick, found.truth])


def test_matching_of_a_whole_micrograph_needs_no_table_of_all_pairs() -> None:
    truth = np.stack(np.divmod(np.arange(40_000), 200), 1) * 20.0  # all pairs: 13 GB
    found = match(truth + 1.0, truth, 5.0)
    assert np.array_equal(found.pick, found.truth)
    assert len(found.pick) == 40_000


def test_precision_and_recall_of_known_picks() -> None:
    picks = made_picks([0, 0, 1, 2], [[0, 0], [50, 0], [0, 0], [9, 9]])
    truth_image, truth = np.array([0, 1, 1, 3]), np.array([[3, 4], [0, 0], [9, 9], [9, 9.0]])
    found, true = agreement(picks, truth_image, truth, 5.0)
    assert (found.matched, found.picks, found.objects) == (2, 4, 4)
    assert (found.precision, found.recall) == (0.5, 0.5)
    assert found.rms_px == pytest.approx(np.sqrt(12.5))
    assert true.tolist() == [True, False, True, False]


def test_pixels_count_from_the_first_pixel() -> None:
    picks = made_picks([0, 0], [[0, 0], [-49.5, 24.5]])
    column, row = picks.pixels(50, 100)
    assert column.tolist() == [49.5, 0.0]
    assert row.tolist() == [24.5, 0.0]


def test_the_threshold_keeps_false_picks_to_one_in_twenty() -> None:
    rng = np.random.default_rng(0)
    evidence = np.concatenate([rng.normal(5, 1, 2000), rng.normal(2, 1, 2000)])
    true = np.arange(4000) < 2000
    found = Confidence.fitted(evidence, true, 2500, 0.0)
    kept = found.of(evidence) >= found.threshold
    assert found.picks == kept.sum()
    assert 0.04 < np.mean(~true[kept]) <= 0.05
    assert found.found == true[kept].sum()
    # of two normals of one spread the log odds are linear: equal at the middle, slope 3
    assert found.of(np.array([3.5]))[0] == pytest.approx(0.5, abs=0.05)
    assert found.slope == pytest.approx(3.0, abs=0.3)


def test_without_false_picks_all_are_taken_and_nothing_is_certain() -> None:
    evidence = np.linspace(6, 8, 30)
    found = Confidence.fitted(evidence, np.ones(30, bool), 30, 0.0)
    assert (found.of(evidence) >= found.threshold).all()
    assert found.of(np.array([0.0]))[0] < found.threshold
    assert (found.of(evidence) < 1.0).all()
