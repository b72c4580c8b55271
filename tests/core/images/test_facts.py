"""What a look says of images whose truth is known."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tvae_core.images.facts import ImageFacts, drawn, measure
from tvae_core.images.opening import open_stack

SIDE = 48
Images = NDArray[np.float32]


def ellipses(count: int, turned: bool = True, spread_px: float = 1.5, width_px: int = 24) -> Images:
    """Return bright ellipses on nothing, 0 to 1, `width_px` long, off the centre by a normal."""
    g = np.random.default_rng(4)
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    made = np.zeros((count, SIDE, SIDE), np.float32)
    for image in made:
        angle = g.uniform(0, 2 * np.pi) if turned else 0.1 * g.normal()
        dx, dy = g.normal(0, spread_px, 2)
        x, y = axis[None] - dx, axis[:, None] - dy
        along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
        image[:] = (2 * along / width_px) ** 2 + (4 * across / width_px) ** 2 < 1
    return made


def blobs(count: int, waves: int) -> Images:
    """Return turned and moved blobs whose outline is bent by so many waves of random height."""
    g = np.random.default_rng(0)
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    made = np.zeros((count, SIDE, SIDE), np.float32)
    for image in made:
        turn, (dx, dy) = g.uniform(0, 2 * np.pi), g.normal(0, 1.5, 2)
        x, y = axis[None] - dx, axis[:, None] - dy
        angle, edge = np.arctan2(y, x) - turn, np.full((SIDE, SIDE), 11.0)
        for wave in range(waves):
            edge += g.normal(0, 1.2) * np.cos((wave + 2) * angle)
        image[:] = np.clip(edge - np.hypot(x, y) + 0.5, 0, 1)
    return made


def noisy(count: int, snr: float = 0.1) -> Images:
    """Return the ellipses in white noise."""
    clean = ellipses(count)
    noise = np.sqrt(clean.var() / snr)
    return clean + np.random.default_rng(5).normal(0, noise, clean.shape).astype(np.float32)


def facts(folder: Path, images: Images) -> ImageFacts:
    np.save(folder / "images.npy", images)
    with open_stack(folder / "images.npy") as stack:
        return measure(stack)


def test_clean_shapes_are_told_from_noisy_particles(tmp_path: Path) -> None:
    clean = facts(tmp_path, ellipses(200))
    assert clean.shows_shapes
    assert not clean.is_noisy
    hidden = facts(tmp_path, noisy(400))
    assert hidden.is_noisy
    assert not hidden.shows_shapes
    assert hidden.grain == pytest.approx(1.0, abs=0.1)  # white noise: all of it


@pytest.mark.parametrize("make", [ellipses, noisy])
def test_dark_objects_are_found_dark_whatever_the_noise(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    images = make(300)
    assert not facts(tmp_path, images).is_dark
    assert facts(tmp_path, images.max() - images).is_dark


def test_size_and_place_of_the_objects_are_measured(tmp_path: Path) -> None:
    found = facts(tmp_path, ellipses(300, spread_px=2.0, width_px=20))
    assert found.object_px == pytest.approx(20, abs=3)  # whole rings of a pixel
    assert found.off_centre_px == pytest.approx(2.0, rel=0.1)
    mixed = np.concatenate([ellipses(270, width_px=16), ellipses(30, width_px=28)])
    assert facts(tmp_path, mixed).object_px == pytest.approx(28, abs=4)  # a kernel must hold them
    wide = facts(tmp_path, ellipses(300, width_px=36))
    assert wide.extent_px > found.extent_px


def test_objects_that_stand_the_same_way_are_told_from_turned_ones(tmp_path: Path) -> None:
    assert facts(tmp_path, ellipses(300, turned=False)).upright > 0.3
    assert facts(tmp_path, ellipses(300)).upright < 0.03


def test_the_symmetry_of_an_ellipse_is_half_a_turn(tmp_path: Path) -> None:
    found = facts(tmp_path, ellipses(100))
    assert found.half_turn > 0.9
    assert found.round_share < 0.1


def test_components_count_what_differs_in_shape_and_neither_turn_nor_place(
    tmp_path: Path,
) -> None:
    assert facts(tmp_path, ellipses(200)).components == 1  # one shape, turned and moved
    few, many = (facts(tmp_path, blobs(250, waves)).components for waves in (1, 8))
    assert few <= 3
    assert many > 8


def test_a_unit_of_the_values_changes_nothing_but_the_values(tmp_path: Path) -> None:
    images = noisy(200)
    before, after = facts(tmp_path, images), facts(tmp_path, 700 * images + 40)
    for field in dataclasses.fields(ImageFacts):
        a, b = getattr(before, field.name), getattr(after, field.name)
        if field.name != "values":
            assert a == pytest.approx(b, rel=0.02, abs=1e-3) if isinstance(a, float) else a == b


def test_grey_pictures_in_three_colours_hold_no_colour(tmp_path: Path) -> None:
    grey = np.repeat(ellipses(60)[..., None], 3, axis=3)
    assert facts(tmp_path, grey).colour == pytest.approx(0, abs=1e-6)
    coloured = grey * np.array([1.0, 0.5, 0.1], np.float32)
    assert facts(tmp_path, coloured).colour > 0.05


def test_images_are_drawn_from_the_whole_set() -> None:
    some = drawn(10_000, 100)
    assert len(np.unique(some)) == 100
    assert some.max() > 9_000
    assert (np.histogram(some, bins=4, range=(0, 10_000))[0] > 10).all()
    assert np.array_equal(drawn(5, 100), np.arange(5))
