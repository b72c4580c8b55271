"""Origins of the objects are found again from poses that are made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from tvae_core.engine.training.origins import (
    Features,
    Looks,
    Poses,
    agreed,
    best,
    fitted,
    held_out,
    misfit,
    tried,
)
from tvae_core.geometry import rotation_matrix

WEIGHTS = np.array([[2.0, 1.0, -0.4], [-1.0, 0.3, 0.8]])  # of 1 and two features


@dataclass
class World:
    """Objects with true origins, seen twice by a model that draws them off its middle."""

    looks: Looks
    features: Features
    places: np.ndarray

    def off(self, weights: np.ndarray) -> float:
        """Return how far places are from the true ones by these weights, px."""
        found = self.looks.first.places(self.features.first @ weights.T)
        return float(np.sqrt(((found - self.places) ** 2).sum(1).mean()))


def world(n: int = 1500, weights: np.ndarray = WEIGHTS, fold: int = 1, seed: int = 0) -> World:
    """Return objects that look the same turned by 2 pi / fold: theirs is the least shift."""
    g = np.random.default_rng(seed)
    features = np.concatenate([np.ones((n, 1)), g.normal(size=(n, weights.shape[1] - 1))], 1)
    origins, angle = features @ weights.T, g.uniform(-math.pi, math.pi, n)
    places = g.normal(0, 3.0, (n, 2))
    by = np.rint(places[g.permutation(n)] - places)

    def seen(where: np.ndarray) -> Poses:
        turns = angle[:, None] + 2 * math.pi * np.arange(fold) / fold
        noisy = where + g.normal(0, 0.1, (n, 2))
        shifts = noisy[:, None] - np.einsum("nkij,nj->nki", rotation_matrix(turns), origins)
        chosen = np.arange(n), (shifts**2).sum(2).argmin(1)
        return Poses(turns[chosen], shifts[chosen])

    looks = Looks.at(seen(places), seen(places + by), by)
    return World(looks, Features(features, features), places)


def test_the_origin_of_each_content_is_found_again() -> None:
    there = world()
    _, weights = fitted(there.looks, there.features, 1e-3)
    assert weights == pytest.approx(WEIGHTS, abs=0.2)
    assert there.off(weights) < 0.3
    assert there.off(np.array([[2.0, 0, 0], [-1.0, 0, 0]])) > 1.2


def test_what_varies_is_told_from_one_point() -> None:
    there, one = world(), Features.nothing(1500)
    families = {"content": tried(there.looks, there.features)}
    assert best(families, tried(there.looks, one)) == "content"


def test_where_all_have_one_origin_no_family_is_taken() -> None:
    there = world(weights=WEIGHTS * [1, 0, 0])
    families = {"content": tried(there.looks, there.features)}
    one = tried(there.looks, Features.nothing(1500))
    assert best(families, one) is None
    assert best({}, one) is None


@pytest.mark.parametrize("fold", [2, 4])
def test_objects_that_look_the_same_turned_tell_their_origin_when_they_are_moved(fold: int) -> None:
    """Of two angles the nearer shift is taken: places alone then lead elsewhere."""
    there = world(fold=fold)
    looks = agreed(there.looks, [there.features])
    _, weights = fitted(looks, there.features, 1e-3)
    assert there.looks.turned_away.mean() > 0.1
    assert looks.agree_px == 0.25
    assert there.off(weights) < 0.2
    alone = Looks.at(there.looks.first, there.looks.first, np.zeros((1500, 2)))
    assert there.off(fitted(alone, there.features, 1e-3)[1]) > 1.0


def test_the_misfit_is_what_is_made_least() -> None:
    there = world(200, fold=2)
    mean, weights = fitted(there.looks, there.features, 0.0)
    least = misfit(there.looks, there.features, mean, weights).sum()
    for index in np.ndindex(2, 3):
        for step in (-0.05, 0.05):
            other = weights.copy()
            other[index] += step
            assert misfit(there.looks, there.features, mean, other).sum() > least


def test_nothing_of_an_image_is_known_where_its_misfit_is_asked() -> None:
    there = world(200)
    before = held_out(there.looks, there.features, 1e-3)
    there.looks.first.shift_px[0] += 50.0
    after = held_out(there.looks, there.features, 1e-3)
    same = np.arange(200) % 5 == 0  # the others of its fold
    same[0] = False
    assert np.array_equal(after[same], before[same])
    assert after[0] > before[0]


def test_looks_agree_as_well_as_their_noise_lets_them() -> None:
    there = world(fold=2)
    g = np.random.default_rng(1)
    there.looks.moved.shift_px[:] += g.normal(0, 0.8, (1500, 2))
    found = agreed(there.looks, [Features.nothing(1500), there.features]).agree_px
    assert found == pytest.approx(0.81, abs=0.1)
    assert agreed(world().looks, [there.features]).agree_px == 2.0  # none has another angle
