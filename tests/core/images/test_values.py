"""The one look at the values of a stack: what it finds, and what it settles."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.core.images.makers import png16
from tvae_core.config import DataConfig, RunConfig
from tvae_core.errors import Cancelled
from tvae_core.images.inspect import describe
from tvae_core.images.levels import Levels, levels_of
from tvae_core.images.opening import open_stack
from tvae_core.images.prepared import open_prepared
from tvae_core.images.preprocess import without_hot_pixels
from tvae_core.images.values import ValueFacts, findings, look_at_values, settled

SIDE = 16


def blobs(count: int = 30, noise: float = 0.05, seed: int = 0) -> NDArray[np.float64]:
    """Return bright discs at random places on noise, float64 (count, 16, 16)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    cx, cy = rng.uniform(5, 10, (2, count, 1, 1))
    return np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 8) + noise * rng.normal(size=(count, 16, 16))


def saved(folder: Path, images: NDArray[Any], name: str = "a.npy") -> Path:
    np.save(folder / name, images)
    return folder / name


def seen(path: Path, config: RunConfig) -> NDArray[np.float32]:
    """Return what the model sees after the look."""
    config = config.changed([f"data.path={path}"])
    with open_stack(path) as stack:
        config, _ = settled(look_at_values(stack), config)
    with open_prepared(config.data) as images:
        return images.read(np.arange(len(images)))


def facts(path: Path) -> ValueFacts:
    with open_stack(path) as stack:
        return look_at_values(stack)


def told(path: Path, *changes: str) -> list[str]:
    return [str(found) for found in findings(facts(path), RunConfig().changed(list(changes)))]


@settings(max_examples=60, deadline=None)
@example(magnitude=36, over_noise=44996210340.0)
@given(
    magnitude=st.integers(-280, 280),
    over_noise=st.one_of(st.just(0.0), st.floats(1e-3, 1e11), st.floats(-1e11, -1e-3)),
)
def test_the_signal_survives_any_pedestal_and_magnitude(magnitude: int, over_noise: float) -> None:
    plain = blobs(4)
    images = (plain + over_noise) * 10.0**magnitude
    levels = levels_of(images)
    read = levels.applied(images).astype(np.float64)
    unit = 10.0**magnitude / levels.unit
    back = (read - read.mean()) / unit
    # 1e11 ranges away, float64 itself holds five digits; float32 would hold none
    np.testing.assert_allclose(back, plain - plain.mean(), atol=1e-4 + abs(over_noise) * 1e-15)


_PEDESTALS = [(dtype, 1 << power) for dtype in ("i4", "u4", "i8", "u8") for power in (0, 30)]
_PEDESTALS += [("i8", 1 << 61), ("u8", 1 << 63), ("i4", -(1 << 30)), ("i8", -(1 << 61))]


@pytest.mark.parametrize(("dtype", "pedestal"), _PEDESTALS)
def test_whole_numbers_on_a_pedestal_keep_every_step(dtype: str, pedestal: int) -> None:
    steps = np.arange(400).reshape(1, 20, 20)
    images = steps.astype(dtype) + np.array(pedestal).astype(dtype)
    read = levels_of(images).applied(images)
    np.testing.assert_array_equal(np.diff(np.sort(read.ravel())), 1)


def test_other_images_of_the_same_kind_get_the_same_levels() -> None:
    found = {levels_of(blobs(16, seed=seed) + 1e8) for seed in range(20)}
    assert found == {Levels(1e8)}


def test_ordinary_values_are_read_as_they_are(tmp_path: Path) -> None:
    for offset in (0.0, 5.0, -100.0):
        assert levels_of(blobs() + offset) == Levels()
    assert levels_of(np.full((3, 4, 4), 1e9)) == Levels()
    assert levels_of(np.full((3, 4, 4), np.nan)) == Levels()


@pytest.mark.parametrize(
    ("offset", "gain"), [(1e6, 1), (1e8, 1), (0, 1e-44), (0, 1e38), (0, 1e300)]
)
def test_what_float32_cannot_hold_is_seen_as_without_it_and_said(
    tmp_path: Path, offset: float, gain: float
) -> None:
    path = saved(tmp_path, (blobs() + offset) * gain)
    config = RunConfig()
    np.testing.assert_allclose(
        seen(path, config), seen(saved(tmp_path, blobs(), "b.npy"), config), atol=1e-3
    )
    described = describe(path)
    assert described["constant_images"] == described["bad_pixels"] == 0
    assert any("float32 would lose the signal" in remark for remark in described["remarks"])


def test_bytes_of_0_and_1_fill_the_range_as_all_other_masks_do(tmp_path: Path) -> None:
    masks = blobs(noise=0) > 0.5
    for name, dtype in (("u1", np.uint8), ("b", np.bool_), ("i1", np.int8), ("f4", np.float32)):
        path = saved(tmp_path, masks.astype(dtype), f"{name}.npy")
        np.testing.assert_array_equal(seen(path, RunConfig())[:, 0], masks)
    assert "bytes of 0 and 1" in told(tmp_path / "u1.npy")[0]
    assert told(tmp_path / "b.npy") == []


def test_dark_bytes_are_told_but_left_and_full_bytes_are_not_told(tmp_path: Path) -> None:
    levels = np.round(blobs(noise=0).clip(0, 1) * 15).astype(np.uint8)
    path = saved(tmp_path, levels)
    assert "reach only 15 of 255 (set data.full_scale=15)" in told(path)[0]
    assert seen(path, RunConfig()).max() == pytest.approx(15 / 255)
    assert seen(path, RunConfig().changed(["data.full_scale=15"])).max() == 1
    assert told(saved(tmp_path, levels * 10)) == []


def test_a_hot_pixel_no_longer_eats_the_range(tmp_path: Path) -> None:
    images = blobs()
    hot = images.copy()
    hot[::2, 3, 3], hot[1::2, 4, 4] = 500, -400
    path = saved(tmp_path, hot)
    assert "all 30 images hold a few pixels far outside" in told(path)[0]
    for normalise in ("unit", "image", "ring"):
        config = RunConfig().changed([f"data.normalise={normalise}", "model.likelihood=gaussian"])
        plain = seen(saved(tmp_path, images, "b.npy"), config)
        clipped = seen(path, config)
        rest = np.abs(clipped - plain)[..., 6:, 6:]
        assert rest.max() < 0.15 * np.ptp(plain)  # a clipped pixel still is an end of the range
    kept = seen(path, RunConfig().changed(["data.hot_pixels=keep", "data.range=each"]))
    assert np.ptp(kept[..., 6:, 6:], axis=(1, 2, 3)).max() < 0.02


def test_only_hot_pixels_are_clipped() -> None:
    rng = np.random.default_rng(0)
    for images in (blobs(), rng.normal(size=(30, 16, 16)), rng.exponential(size=(30, 16, 16))):
        shaped = images[:, None].astype(np.float32)
        np.testing.assert_array_equal(without_hot_pixels(shaped), shaped)
    dots = np.zeros((3, 1, 16, 16), np.float32)
    dots[:, :, 5, 6] = 1
    np.testing.assert_array_equal(without_hot_pixels(dots), dots)
    tiny = np.array([[[[0, 1], [2, 900]]]], np.float32)
    np.testing.assert_array_equal(without_hot_pixels(tiny), tiny)


def test_constant_images_are_counted_and_a_constant_set_is_refused(tmp_path: Path) -> None:
    images = blobs()
    images[::3] = 7
    assert told(saved(tmp_path, images), "data.range=each") == ["10 of 30 images are constant"]
    (found,) = findings(facts(saved(tmp_path, np.zeros((30, 8, 8)))), RunConfig())
    assert found.blocks
    assert found.what.startswith("all 30 images are constant")
    (found,) = findings(facts(saved(tmp_path, np.zeros((1, 8, 8)))), RunConfig())
    assert found.what.startswith("the only image is constant")


def test_values_must_lie_where_the_likelihood_lives(tmp_path: Path) -> None:
    raw = saved(tmp_path, blobs() * 1e4 + 5e5)
    for normalise in ("none", "image", "ring"):
        (line,) = told(raw, f"data.normalise={normalise}")
        assert "Bernoulli likelihood needs values from 0 to 1" in line
        assert "normalise=unit, or model.likelihood=gaussian" in line
        setting = f"data.normalise={normalise}"
        assert told(raw, setting, "model.likelihood=gaussian") == []
    assert told(raw, "data.range=each") == []
    assert told(saved(tmp_path, blobs().clip(0, 1)), "data.normalise=none") == []


def test_a_look_at_very_many_images_reads_a_thousand(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tvae_core.images.values._ALL_BELOW", 1 << 20)
    path = saved(tmp_path, np.zeros((5000, 8, 8), np.float32))
    looked = facts(path)
    assert (looked.looked_at, looked.images) == (1000, 5000)
    (found,) = findings(looked, RunConfig())
    assert "all 1,000 images looked at are constant" in found.what
    assert describe(path)["constant_images"] == describe(path)["looked_at"] == 1000
    assert describe(path, deep=True)["constant_images"] == 5000


def test_a_deep_look_finds_what_the_sample_passes_over(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tvae_core.images.values._ALL_BELOW", 1 << 20)
    images = np.random.default_rng(0).normal(size=(5000, 8, 8)).astype(np.float32)
    images[1, 2, 3], images[4321] = np.nan, 7
    path = saved(tmp_path, images)
    assert (describe(path)["bad_images"], describe(path)["constant_images"]) == (0, 0)
    shares: list[float] = []
    found = describe(path, deep=True, progress=lambda share, words: shares.append(share))
    assert (found["looked_at"], found["bad_images"], found["constant_images"]) == (5000, 1, 1)
    assert found["max"] == np.nanmax(images)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_deep_look_that_is_stopped_says_what_it_found(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tvae_core.images.values._BYTES_A_READ", 10 * SIDE * SIDE * 4)
    images = blobs()
    images[3, 0, 0] = np.inf
    path, answers = saved(tmp_path, images), iter([False, True])
    with pytest.raises(Cancelled, match=r"stopped; 10 of 30 images were read: 1 with NaN"):
        describe(path, deep=True, cancelled=lambda: next(answers))


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_deep_look_goes_on_where_it_was(tmp_path: Path, monkeypatch: Any, how: str) -> None:
    monkeypatch.setenv("TVAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tvae_core.images.values._BYTES_A_READ", 10 * SIDE * SIDE * 4)
    monkeypatch.setattr("tvae_core.images.deep_look._EVERY_S", 0.0)
    monkeypatch.setattr("tvae_core.images.deep_look._SHARE", 1e9)
    images = blobs()
    images[3, 0, 0], images[25] = np.nan, 7
    path = saved(tmp_path, images)
    whole = describe(path, deep=True)
    asked = count()

    def ends() -> bool:
        last = next(asked) == 2
        if last and how == "killed":  # nothing is told or kept then
            raise KeyboardInterrupt
        return last

    with pytest.raises((Cancelled, KeyboardInterrupt)):
        describe(path, deep=True, cancelled=ends)
    shares: list[float] = []
    assert describe(path, deep=True, progress=lambda share, _: shares.append(share)) == whole
    assert shares == [1.0]  # ten images were left
    shares.clear()
    describe(path, deep=True, progress=lambda share, _: shares.append(share))
    assert len(shares) == 3  # what came to its end begins anew
    with pytest.raises(Cancelled, match="goes on from there"):
        describe(path, deep=True, cancelled=lambda: True)
    images[25] = 8
    np.save(path, images)
    os.utime(path, ns=(1, 1))
    assert describe(path, deep=True)["max"] == 8


@pytest.mark.parametrize("kind", [2, 4, 6])
def test_sixteen_bit_colour_keeps_its_low_byte(tmp_path: Path, kind: int) -> None:
    samples = {2: 3, 4: 2, 6: 4}[kind]
    image = np.random.default_rng(0).integers(0, 200, (5, 6, samples)).astype(np.uint16)
    image[..., -1] = 65535 if kind in (4, 6) else image[..., -1]
    (tmp_path / "a.png").write_bytes(png16(image, kind))
    with open_stack(tmp_path) as stack:
        assert stack.dtype == np.uint16
        expected = np.repeat(image[..., :1], 3, 2) if kind == 4 else image[..., :3]
        np.testing.assert_array_equal(stack.read([0])[0], expected)


def test_old_settings_scale_as_they_did(tmp_path: Path) -> None:
    masks = saved(tmp_path, (blobs(noise=0) > 0.5).astype(np.uint8))
    with open_prepared(DataConfig(path=str(masks))) as images:
        assert images.read([0]).max() == pytest.approx(1 / 255)


def test_images_without_a_finite_pixel_are_constant(tmp_path: Path) -> None:
    images = blobs()
    images[:4] = np.nan
    assert facts(saved(tmp_path, images)).constant_images == 4
    images[:] = np.inf
    lines = told(saved(tmp_path, images), "data.bad_pixels=zero")
    assert lines[0].startswith("all 30 images are constant")
