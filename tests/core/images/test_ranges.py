"""One range for the whole set, or each image's own: chosen, said, and alike in every pixel type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tvae_core.config import DataConfig, RunConfig
from tvae_core.errors import ConfigError
from tvae_core.images.opening import open_stack
from tvae_core.images.prepared import open_prepared
from tvae_core.images.ranges import full_scale_of, set_range
from tvae_core.images.values import Finding, look_at_values, settled

RNG = np.random.default_rng(0)


def cells(brightest: int = 250) -> NDArray[np.uint8]:
    """Return 40 bytes images of a disc each, of very different brightness."""
    axis = np.arange(16) - 7.5
    disc = axis[:, None] ** 2 + axis[None] ** 2 < 25
    bright = np.linspace(0.2, 1, 40)[:, None, None]
    noise = RNG.random((40, 16, 16)) * 0.05
    return np.asarray(np.round((disc * bright * 0.95 + noise) * brightest), np.uint8)


def run_on(folder: Path, images: NDArray[Any]) -> tuple[RunConfig, list[Finding]]:
    np.save(folder / "a.npy", images)
    config = RunConfig(data=DataConfig(path=str(folder / "a.npy")))
    with open_stack(folder / "a.npy") as stack:
        return settled(look_at_values(stack), config)


def seen(folder: Path, images: NDArray[Any]) -> NDArray[np.float32]:
    config, _ = run_on(folder, images)
    with open_prepared(config.data) as prepared:
        return prepared.read(np.arange(len(prepared)))


@pytest.mark.parametrize("brightest", [12, 60, 130, 250])
def test_a_set_looks_alike_in_every_pixel_type(tmp_path: Path, brightest: int) -> None:
    images = cells(brightest)
    plain = seen(tmp_path, images)
    others = [
        images.astype(np.uint16),
        images.astype(np.uint16) * 257,
        images.astype(np.uint16) * 256,
        images.astype(np.int32),
    ]
    if brightest > 127:
        others += [(images / np.float32(255)), images.astype(np.uint16) * 16]
    for other in others:
        np.testing.assert_allclose(seen(tmp_path, other), plain, atol=4e-3)  # 4080 or 4095


def test_the_range_is_told_and_kept_and_may_be_chosen(tmp_path: Path) -> None:
    images = cells().astype(np.uint16) * 16
    config, found = run_on(tmp_path, images)
    assert (config.data.range, config.data.black, config.data.full_scale) == ("set", 0, 4095)
    assert "one range for all images: 0 to 4095 becomes 0 to 1" in str(found[0])
    each = config.changed(["data.range=each"])
    with open_prepared(each.data) as prepared:
        own = prepared.read(np.arange(40))
    np.testing.assert_allclose(own.max(axis=(1, 2, 3)), 1)
    _, found = run_on(tmp_path, images[20:] * 0 + images[-1:])  # all alike: no choice to speak of
    assert len(found) <= 1


def test_images_on_different_levels_are_scaled_each_by_its_own(tmp_path: Path) -> None:
    images = cells().astype(np.float32) / 50 + np.linspace(0, 1000, 40)[:, None, None]
    config, found = run_on(tmp_path, images)
    assert config.data.range == "each"
    assert "differ widely" in str(found[0])


def test_floats_of_one_level_take_the_range_of_the_set(tmp_path: Path) -> None:
    config, _ = run_on(tmp_path, cells().astype(np.float32) * 3 - 70)
    assert config.data.range == "set"
    assert config.data.black == pytest.approx(-70, abs=2)
    assert config.data.full_scale == pytest.approx(680, abs=10)


def test_an_older_run_without_a_choice_scales_as_it_did() -> None:
    images = DataConfig()
    assert set_range(images, np.dtype("u1")) == (0, 255)
    assert set_range(images, np.dtype("u2")) is None
    assert set_range(images, np.dtype("f4")) is None


def test_black_above_white_is_refused() -> None:
    config = DataConfig(range="set", black=300)
    with pytest.raises(ConfigError, match=r"data\.black: 300 is not below 255"):
        set_range(config, np.dtype("u1"))


@given(st.integers(1, 65535), st.integers(1, 300))
def test_full_scale_is_never_below_the_brightest(high: int, step: int) -> None:
    multiple = high // step * step
    if multiple:
        assert multiple <= full_scale_of(float(multiple), step) <= 65535
