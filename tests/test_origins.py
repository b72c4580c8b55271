"""The origin of each content is found again where it is known."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

_FILE = Path(__file__).parents[1] / "benchmarks" / "origins.py"
Values = NDArray[np.float64]


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("origins_under_test", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


ORIGINS = _loaded()


def posed(bend: float, n: int = 4000) -> tuple[object, Values]:
    """Return poses of objects whose origin o(z) bends with z as much as told, and o(z) (n, 2)."""
    g = np.random.default_rng(5)
    z, angle, place = g.normal(size=(n, 2)), g.uniform(-np.pi, np.pi, n), g.normal(0, 3, (n, 2))
    origin = np.stack([1.5 + bend * (z[:, 0] - z[:, 1]), -0.5 + bend * z[:, 0] ** 2], 1)
    unmoved = ORIGINS.Poses(angle, np.zeros((n, 2)), z)
    return ORIGINS.Poses(angle, place - ORIGINS.places(unmoved, origin), z), origin


def test_the_origin_of_each_content_is_found_again() -> None:
    poses, origin = posed(bend=1.0)
    features = ORIGINS.families(poses.z)["quadratic"]
    ridge, spread = ORIGINS.best_ridge(poses, features)
    found = ORIGINS.origins(poses, features, ridge)[1](poses.z)
    assert np.sqrt(((found - origin) ** 2).mean()) < 0.2
    assert spread.mean() == pytest.approx(18.0, rel=0.05)  # of the places: 2 * 3^2


@pytest.mark.parametrize("name", ["linear", "quadratic", "40 centres"])
def test_held_out_images_tell_when_one_point_is_enough(name: str) -> None:
    poses, _ = posed(bend=0.0)
    by_name = ORIGINS.families(poses.z)
    one, each = (ORIGINS.best_ridge(poses, by_name[of])[1] for of in ("one point", name))
    assert (one - each).mean() < 2 * (one - each).std() / np.sqrt(len(one))
