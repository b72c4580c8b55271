"""Every figure has a case whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvae_core.analysis.metrics import (
    aligned_by_class,
    circular_correlation,
    clustering_accuracy,
    confusion_matrix,
    factor_correlation,
    matched_clusters,
    pearson,
    rank_correlation,
    rotation_error,
    rotation_error_by_class,
    shift_correlation,
    turn_errors,
)
from tvae_core.geometry import wrap_angle


def test_pearson_of_a_line_is_one_and_of_a_constant_is_nan() -> None:
    x = np.arange(10.0)
    assert pearson(x, 3 - 2 * x) == pytest.approx(-1)
    assert np.isnan(pearson(x, np.ones(10)))
    assert shift_correlation(np.stack([x, x], 1), np.stack([x, -x], 1)) == pytest.approx((1, -1))


def test_rank_correlation_sees_only_the_order() -> None:
    x = np.linspace(0.1, 3, 20)
    assert rank_correlation(x, np.exp(5 * x)) == pytest.approx(1)
    assert rank_correlation(np.array([1, 2, 2, 3]), np.array([1, 2, 3, 4])) == pytest.approx(
        0.9486833
    )  # ties averaged: 4.5 / sqrt(4.5 * 5)


def test_circular_correlation_of_uniform_angles() -> None:
    rng = np.random.default_rng(0)
    a = rng.uniform(-np.pi, np.pi, 20_000)
    turned = circular_correlation(a, a + 1.0)
    assert turned.uniform == pytest.approx(1, abs=0.02)
    assert not turned.jammalamadaka_reliable
    assert circular_correlation(a, -a).uniform == pytest.approx(-1, abs=0.02)
    assert circular_correlation(a, rng.permutation(a)).uniform == pytest.approx(0, abs=0.03)
    flipped = a + np.pi * (rng.random(20_000) < 0.2)
    assert circular_correlation(a, flipped).uniform == pytest.approx(0.6, abs=0.02)


def test_circular_correlation_of_angles_with_a_direction() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(0.5, 0.5, 5000)
    result = circular_correlation(a, a + 2.0)
    assert result.jammalamadaka_reliable
    assert result.jammalamadaka == pytest.approx(1)
    assert circular_correlation(a, -a).jammalamadaka == pytest.approx(-1)


def test_rotation_error_forgets_a_constant_and_the_turns() -> None:
    rng = np.random.default_rng(2)
    a = rng.uniform(-np.pi, np.pi, 3000)
    noise = rng.normal(0, np.radians(5), 3000)
    found = a + 3.0 + noise + 2 * np.pi * rng.integers(-2, 3, 3000)
    result = rotation_error(a, found)
    assert result.rmse_deg == pytest.approx(np.degrees(noise.std()), rel=1e-6)
    assert result.offset_rad == pytest.approx(3.0, abs=0.01)
    assert rotation_error(a, rng.permutation(a)).rmse_deg == pytest.approx(
        103.9, abs=4
    )  # 180/sqrt3


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-3.1, 3.1), min_size=1, max_size=12))
def test_no_other_constant_gives_a_smaller_rotation_error(angles: list[float]) -> None:
    a = np.array(angles)
    result = rotation_error(np.zeros(len(a)), a)
    offsets = np.linspace(-np.pi, np.pi, 721)
    rest = (a[None] - offsets[:, None] + np.pi) % (2 * np.pi) - np.pi
    tried = np.degrees(np.sqrt((rest**2).mean(1))).min()
    assert result.rmse_deg <= tried + 1e-6


def test_symmetry_folds_the_error() -> None:
    a = np.linspace(-3, 3, 100)
    found = a + 0.2 + np.pi * (np.arange(100) % 2)
    assert rotation_error(a, found).rmse_deg > 80
    folded = rotation_error(a, found, symmetry=2)
    assert folded.rmse_deg == pytest.approx(0, abs=1e-5)
    assert folded.offset_rad == pytest.approx(0.2)


def test_each_class_has_its_own_zero() -> None:
    a = np.linspace(-3, 3, 100)
    labels = np.arange(100) % 2
    found = a + np.where(labels == 1, 2.0, -1.0)
    result = rotation_error_by_class(a, found, labels)
    assert {k: round(v.offset_rad, 6) for k, v in result.items()} == {0: -1.0, 1: 2.0}
    assert max(v.rmse_deg for v in result.values()) < 1e-5
    assert rotation_error(a, found).rmse_deg > 80


def test_clusters_are_matched_with_classes_for_the_most_right() -> None:
    truth = np.array([0, 0, 0, 1, 1, 1, 2, 2, -1])
    found = np.array([5, 5, 1, 1, 1, 1, 0, -1, 3])
    assert confusion_matrix(truth, found)[0].tolist() == [0, 1, 0, 0, 0, 2]
    assert matched_clusters(truth, found)[[5, 1, 0]].tolist() == [0, 1, 2]
    assert clustering_accuracy(truth, found) == pytest.approx(6 / 8)


def test_accuracy_does_not_depend_on_the_names_of_clusters() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 10, 1000)
    assert clustering_accuracy(truth, rng.permutation(10)[truth]) == 1.0
    assert clustering_accuracy(truth, np.zeros(1000, int)) == pytest.approx(
        np.bincount(truth).max() / 1000
    )
    assert clustering_accuracy(truth, np.full(1000, -1)) == 0.0
    assert np.isnan(clustering_accuracy(np.full(5, -1), np.zeros(5, int)))


def test_known_turns_give_known_errors() -> None:
    turns = np.linspace(0, 2 * np.pi, 160, endpoint=False)
    start = np.array([0.3, -2.0, 1.0, 2.5])
    found = start[:, None] + turns
    found[1] += 0.1  # the prediction on the unturned image is what is off
    found[2, ::2] += np.pi
    found[3] = 2.5  # it does not follow at all
    errors = turn_errors(wrap_angle(found), turns, start)
    assert errors.unturned_deg[0] == pytest.approx(0, abs=1e-5)
    assert errors.unturned_deg[1] == pytest.approx(np.degrees(0.1))
    assert errors.unturned_deg[2] == pytest.approx(180 / np.sqrt(2))
    assert errors.unturned_deg[3] == pytest.approx(180 / np.sqrt(3), abs=0.1)
    assert errors.aligned_deg[:2] == pytest.approx(0, abs=1e-4)
    assert errors.aligned_deg[2] == pytest.approx(90)  # half way between the two
    by_class = errors.by_class(np.array([5, 5, 7, 7]))
    assert by_class[5][0] == pytest.approx(np.degrees(0.1) / 2, abs=1e-5)
    assert set(by_class) == {5, 7}


def test_alignment_by_class_takes_each_class_its_own_constant() -> None:
    a = np.linspace(-3, 3, 100)
    labels = np.arange(100) % 2
    found = a + np.where(labels == 1, 2.0, -1.0)
    np.testing.assert_allclose(wrap_angle(aligned_by_class(a, found, labels) - a), 0, atol=1e-6)


def test_a_factor_that_lies_across_the_axes_is_found_by_the_fit() -> None:
    rng = np.random.default_rng(4)
    factor, other = rng.normal(size=(2, 2000))
    turned = np.stack([factor + other, factor - other], 1)
    across = factor_correlation(turned, factor)
    assert across.linear == pytest.approx(1)
    assert across.best_axis == pytest.approx(0.69, abs=0.03)  # 6 / pi asin(r / 2), r = 1 / sqrt 2
    assert factor_correlation(np.stack([-factor, other], 1), factor).best_axis == pytest.approx(1)
    assert factor_correlation(rng.normal(size=(2000, 2)), factor).linear < 0.1
