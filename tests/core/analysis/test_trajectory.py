"""Paths are evenly spaced, and keep their ends."""

from __future__ import annotations

import numpy as np

from tvae_core.analysis.trajectory import polyline, smoothed


def test_points_along_a_corner_are_evenly_spaced() -> None:
    path = polyline(np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 1.0]]), 5)
    np.testing.assert_allclose(path, [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1]])
    assert polyline(np.ones((1, 7)), 4).shape == (4, 7)
    np.testing.assert_allclose(polyline(np.zeros((2, 3)), 4), 0)


def test_smoothing_keeps_the_ends_and_quiets_the_hand() -> None:
    rng = np.random.default_rng(0)
    line = np.stack([np.linspace(0, 10, 200), np.zeros(200)], 1)
    shaky = line + np.concatenate([[[0, 0]], rng.normal(0, 0.05, (198, 2)), [[0, 0]]])
    path = smoothed(shaky, 50)
    np.testing.assert_allclose(path[[0, -1]], line[[0, -1]], atol=1e-6)
    assert np.abs(path[:, 1]).max() < 0.05
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert steps.std() / steps.mean() < 0.02
