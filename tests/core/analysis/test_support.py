"""Counts over the plane are counts of all points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvae_core.analysis.support import (
    density_image,
    label_image,
    robust_range,
    value_image,
)

EXTENT = ((-2.0, 2.0), (-1.0, 3.0))


def test_density_is_numpys_histogram() -> None:
    xy = np.random.default_rng(0).normal(size=(150_000, 2)).astype(np.float32)
    counts = density_image(xy, EXTENT, (30, 50))
    expected, _, _ = np.histogram2d(*xy.T.astype(float), bins=(50, 30), range=EXTENT)
    np.testing.assert_array_equal(counts, expected.T)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(width=32), st.floats(width=32)), min_size=1, max_size=30))
def test_every_point_is_counted_once_or_outside(points: list[tuple[float, float]]) -> None:
    xy = np.array(points, dtype=np.float32)
    inside = (xy >= [-2, -1]).all(1) & (xy < [2, 3]).all(1)
    assert density_image(xy, EXTENT, (7, 5)).sum() == inside.sum()


def test_row_zero_is_the_lowest_y() -> None:
    counts = density_image(np.array([[-1.9, 2.9], [1.9, -0.9]]), EXTENT, (4, 4))
    assert counts[3, 0] == 1
    assert counts[0, 3] == 1


def test_value_image_is_the_mean_and_nan_where_nothing_is() -> None:
    xy = np.array([[-1.9, -0.9], [-1.8, -0.8], [1.9, 2.9], [0.1, 0.1]])
    values = np.array([1.0, 3.0, 7.0, np.nan])
    image = value_image(xy, values, EXTENT, (2, 2))
    assert image[0, 0] == 2.0
    assert image[1, 1] == 7.0
    assert np.isnan(image[0, 1])


def test_angles_are_averaged_around_the_circle() -> None:
    xy = np.zeros((2, 2))
    angles = np.array([np.pi - 0.1, -np.pi + 0.3])
    image = value_image(xy, angles, EXTENT, (1, 1), cyclic=True)
    assert image[0, 0] == pytest.approx(-np.pi + 0.1)


def test_the_most_common_label_wins_and_noise_has_no_vote() -> None:
    xy = np.array([[-1.9, -0.9]] * 6 + [[1.9, 2.9]])
    labels = np.array([4, 4, 1, -1, -1, -1, -1])
    image = label_image(xy, labels, EXTENT, (2, 2))
    assert image.tolist() == [[4, -1], [-1, -1]]


def test_range_leaves_out_strays_and_has_width() -> None:
    xy = np.random.default_rng(2).normal(size=(100_000, 2))
    xy[0] = 1e6
    (low, high), _ = robust_range(xy)
    assert -5 < low < -3 < 3 < high < 5
    assert robust_range(np.ones((5, 2))) == ((0.5, 1.5), (0.5, 1.5))
    assert robust_range(np.empty((0, 2)))[0] == (-0.5, 0.5)
