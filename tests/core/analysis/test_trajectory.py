"""Paths are evenly spaced, keep their ends, and follow the images."""

from __future__ import annotations

import numpy as np
import pytest

from tvae_core.analysis import trajectory
from tvae_core.analysis.trajectory import density_path, polyline, smoothed
from tvae_core.errors import ConfigError


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


def _horseshoe(n: int = 2000) -> np.ndarray:
    angle = np.linspace(0, np.pi, n)
    noise = np.random.default_rng(1).normal(0, 0.02, (n, 2))
    return np.stack([np.cos(angle), np.sin(angle)], 1) + noise


def test_a_dense_path_goes_around_the_gap() -> None:
    points = _horseshoe()
    path = density_path(points, 0, 1999)
    assert (path[0], path[-1]) == (0, 1999)
    np.testing.assert_allclose(np.linalg.norm(points[path], axis=1), 1.0, atol=0.1)


def test_parted_groups_are_bridged_and_large_sets_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trajectory, "GRAPH_POINTS", 300)
    points = np.concatenate([_horseshoe(), _horseshoe() + 10])
    path = density_path(points, 3, 3990)
    assert (path[0], path[-1]) == (3, 3990)
    assert density_path(points, 5, 5).tolist() == [5]
    with pytest.raises(ConfigError):
        density_path(points, 0, 99_999)
