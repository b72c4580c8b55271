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
    assert looks.agree_px == (0.5, 0.5)
    assert there.off(weights) < 0.3
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
    away = there.looks.turned_away
    there.looks.moved.shift_px[away] += g.normal(0, 1.2, (away.sum(), 2))
    stays, turns = agreed(there.looks, [Features.nothing(1500), there.features]).agree_px
    assert stays == 0.5
    assert turns == pytest.approx(1.2, abs=0.15)
    assert agreed(world().looks, [there.features]).agree_px == (0.5, 2.0)  # none turns away


def test_a_content_that_takes_up_part_of_the_place_is_seen_when_the_image_is_moved() -> None:
    """Of x along the object a fifth goes to a content that moves what is drawn."""
    g, n = np.random.default_rng(4), 1500
    angle, places = g.uniform(-math.pi, math.pi, n), g.normal(0, 1.0, (n, 2))
    by = np.rint(places[g.permutation(n)] - places)
    turns = rotation_matrix(angle)

    def seen(where: np.ndarray) -> tuple[Poses, np.ndarray]:
        along = np.einsum("nij,ni->nj", turns, where)[:, 0]  # R(-theta) x
        content = along + own
        origins = np.stack([0.2 * content, np.zeros(n)], 1)
        shift = where - np.einsum("nij,nj->ni", turns, origins)
        return Poses(angle, shift), np.stack([np.ones(n), content], 1)

    own = g.normal(0, 0.5, n)
    (first, features), (moved, moved_features) = seen(places), seen(places + by)
    there = World(Looks.at(first, moved, by), Features(features, moved_features), places)
    looks = agreed(there.looks, [there.features])
    weights = fitted(looks, there.features, 1e-3)[1]
    alone = Looks.at(first, first, np.zeros((n, 2)))
    misled = fitted(alone, Features(features, features), 1e-3)[1]
    assert misled[0, 1] < -0.3
    assert weights[0, 1] > 0
    assert there.off(weights) < 0.25 < 0.5 < there.off(misled)
