"""Bad pixels, crop, size, contrast and mask, each as its known answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.images.test_fourier import blob, position
from tvae_core.config import DataConfig
from tvae_core.errors import ImageFileError
from tvae_core.images.preprocess import Preprocessor, centred_square, inscribed_circle


def prepare(images: np.ndarray, dtype: str = "f4", **settings_: object):
    config = DataConfig(**{"normalise": "none", **settings_})
    channels = 3 if images.ndim == 4 else 1
    worker = Preprocessor(config, *images.shape[1:3], channels, np.dtype(dtype), "stack.mrcs")
    return worker(images.astype(np.float32)), worker


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(5, 2, shape).astype(np.float32)


def test_nothing_asked_changes_nothing_but_the_axes():
    grey, worker = prepare(noise(3, 8, 8))
    np.testing.assert_array_equal(grey, noise(3, 8, 8)[:, None])
    assert (worker.output_side, worker.scale, worker.channels) == (8, 1.0, 1)
    assert worker.mask is None
    colour, _ = prepare(noise(3, 8, 8, 3))
    np.testing.assert_array_equal(colour, np.moveaxis(noise(3, 8, 8, 3), 3, 1))
    assert colour.flags.c_contiguous


def test_refused_bad_pixels_name_the_images():
    images = noise(4, 5, 5)
    images[1, 2, 3] = np.nan
    images[3, 0, :2] = np.inf
    with pytest.raises(ImageFileError, match=r"stack.mrcs: 3 NaN or infinite pixels in image 1, 3"):
        prepare(images)
    worker = Preprocessor(DataConfig(), 5, 5, 1, np.dtype("f4"))
    with pytest.raises(ImageFileError, match="in image 71, 73"):
        worker(images, np.array([70, 71, 72, 73]))


def test_bad_pixels_become_zero_or_the_mean_of_the_others_and_are_counted():
    images = np.array([[[1, np.nan], [2, 3]], [[1, 2], [3, -np.inf]], [[1, 1], [1, 2]]])
    zero, worker = prepare(images, bad_pixels="zero")
    assert zero[0, 0, 0, 1] == zero[1, 0, 1, 1] == 0
    assert worker.bad_pixel_count == 2
    mean, _ = prepare(images, bad_pixels="mean")
    assert mean[0, 0, 0, 1] == mean[1, 0, 1, 1] == 2
    none_left, _ = prepare(np.full((1, 2, 2), np.nan), bad_pixels="mean")
    np.testing.assert_array_equal(none_left, 0)


@pytest.mark.parametrize(("height", "width", "crop"), [(9, 9, 5), (8, 8, 4), (9, 7, 5), (4, 6, 2)])
def test_a_crop_keeps_the_middle(height, width, crop):
    images = noise(2, height, width)
    square, worker = prepare(images, crop_px=crop)
    top, left = (height - crop) // 2, (width - crop) // 2
    expected = images[:, None, top : top + crop, left : left + crop]
    np.testing.assert_array_equal(square, expected)
    assert worker.centre_offset_px == (0, 0)


def test_padding_takes_the_median_of_the_border():
    images = np.full((1, 4, 6), 7.0)
    images[0, 1:3, 1:5] = 100
    square, worker = prepare(images)  # to the larger side
    assert worker.output_side == 6
    np.testing.assert_array_equal(square[0, 0, [0, 5]], 7)
    np.testing.assert_array_equal(square[0, 0, 1:5], images[0])
    larger, _ = prepare(images, crop_px=8)
    assert larger.shape == (1, 1, 8, 8)
    assert larger[0, 0, 2:6, 1:7].sum() == images.sum()


def test_colour_is_padded_channel_by_channel():
    images = np.ones((1, 2, 4, 3)) * [1, 2, 3]
    square, _ = prepare(images)
    np.testing.assert_array_equal(square, np.ones((1, 3, 4, 4)) * np.reshape([1, 2, 3], (3, 1, 1)))


def test_half_a_pixel_is_told_when_nothing_is_resampled():
    images = blob(33, 0.0, 0.0, 3.0)[None]
    square, worker = prepare(images, crop_px=24)
    x, y = worker.centre_offset_px
    assert (x, y) == (-0.5, 0.5)
    assert position(square[0, 0]) == pytest.approx((-x, -y), abs=1e-3)


@pytest.mark.parametrize("size", [40, 41])
@pytest.mark.parametrize("crop", [32, 33])
@pytest.mark.parametrize("side", [20, 21])
def test_cropping_and_making_smaller_keep_the_place_for_odd_and_even(size, crop, side):
    images = blob(size, 2.0, 3.0, 3.0)[None]
    small, worker = prepare(images, crop_px=crop, downsample_px=side)
    assert worker.scale == crop / side
    assert worker.centre_offset_px == (0, 0)
    expected = (2.0 / worker.scale, 3.0 / worker.scale)
    assert position(small[0, 0]) == pytest.approx(expected, abs=0.01)  # the tail is cut


def test_nothing_is_enlarged_to_a_larger_side():
    images = noise(2, 8, 8)
    for choices in ({}, {"crop_px": 6}):
        as_they_are, _ = prepare(images, **choices)
        kept, worker = prepare(images, downsample_px=9, **choices)
        assert worker.scale == 1
        np.testing.assert_array_equal(kept, as_they_are)


def test_a_strip_is_refused_before_it_is_padded_to_a_square():
    tall = np.zeros((1, 60000, 2), np.uint8)
    with pytest.raises(ImageFileError, match=r"strips: padded, each fills 60000 x 60000 px"):
        prepare(tall, "u1")
    cut, _ = prepare(tall, "u1", crop_px=8)
    assert cut.shape == (1, 1, 8, 8)


def test_unit_takes_the_range_of_eight_bits_or_the_image_s_own():
    images = np.array([[[0, 51], [102, 255]], [[51, 51], [51, 102]]], dtype=float)
    bits, _ = prepare(images, "u1", normalise="unit")
    np.testing.assert_allclose(bits[:, 0], images / 255, atol=1e-7)
    own, _ = prepare(images, "u2", normalise="unit")
    np.testing.assert_allclose(own[1, 0], [[0, 0], [0, 1]], atol=1e-7)
    assert own[0].min() == 0
    assert own[0].max() == 1


def test_unit_stays_within_its_bounds_when_the_cut_rings():
    images = np.zeros((1, 32, 32))
    images[0, 10:20, 10:20] = 255
    small, _ = prepare(images, "u1", normalise="unit", downsample_px=16)
    assert small.min() >= 0
    assert small.max() <= 1


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_inverting_twice_is_nothing_and_once_swaps_the_ends(dtype):
    images = np.random.default_rng(0).integers(0, 256, (2, 6, 6)).astype(float)
    once, _ = prepare(images, dtype, invert=True, normalise="unit")
    plain, _ = prepare(images, dtype, normalise="unit")
    np.testing.assert_allclose(once, 1 - plain, atol=1e-6)
    raw, _ = prepare(images, dtype, invert=True)
    twice, _ = prepare(raw[:, 0], dtype, invert=True)
    np.testing.assert_allclose(twice[:, 0], images, atol=1e-4)


def test_image_gives_zero_mean_and_unit_deviation():
    images, _ = prepare(noise(3, 16, 16) + 1e4, normalise="image")
    np.testing.assert_allclose(images.mean((1, 2, 3)), 0, atol=1e-3)  # float32 near 1e4
    np.testing.assert_allclose(images.std((1, 2, 3)), 1, atol=1e-3)


def test_ring_takes_the_corners_only():
    images = noise(3, 32, 32)
    images[:, 8:24, 8:24] += 1000
    rings, worker = prepare(images, normalise="ring")
    corners = rings[:, 0, ~inscribed_circle(32)]
    np.testing.assert_allclose(corners.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(corners.std(1), 1, atol=1e-5)
    assert worker.flat_ring_count == 0


def test_corners_without_noise_take_the_deviation_of_the_image():
    images = np.stack([blob(32, 0, 0, 3.0)]) + 4
    images[:, ~inscribed_circle(32)] = 4
    rings, worker = prepare(images, normalise="ring")
    assert worker.flat_ring_count == 1
    assert rings.std() == pytest.approx(1, abs=1e-5)
    assert rings[0, 0, 0, 0] == 0


@pytest.mark.parametrize("normalise", ["unit", "image", "ring"])
@pytest.mark.parametrize("dtype", ["u1", "f4"])
@pytest.mark.parametrize("side", [0, 9])
def test_a_constant_image_becomes_zeros_and_is_counted(normalise, dtype, side):
    images = noise(3, 16, 16)
    images[1] = 200.0
    result, worker = prepare(images, dtype, normalise=normalise, downsample_px=side)
    np.testing.assert_array_equal(result[1], 0)
    assert worker.constant_count == 1
    assert np.isfinite(result).all()
    assert result[0].std() > 0
    worker.reset_counts()
    assert worker.constant_count == 0


@pytest.mark.parametrize("side", [7, 8])
def test_the_mask_is_the_inscribed_circle_and_clears_the_rest(side):
    images, worker = prepare(noise(2, side, side) + 10, mask=True)
    assert worker.mask.shape == (side, side)
    assert worker.mask.dtype == bool
    assert not worker.mask[0, 0]
    assert worker.mask[side // 2, side // 2]
    np.testing.assert_array_equal(worker.mask, worker.mask[::-1, ::-1])
    assert (images[..., ~worker.mask] == 0).all()
    assert (images[..., worker.mask] != 0).all()


@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    crop=st.integers(0, 14),
    colour=st.booleans(),
    choices=st.tuples(
        st.sampled_from(["none", "unit", "image", "ring"]), st.booleans(), st.booleans()
    ),
    n=st.integers(0, 3),
)
@settings(max_examples=80, deadline=None)
def test_any_choice_gives_finite_squares(height, width, crop, colour, choices, n):
    shape = (n, height, width, 3) if colour else (n, height, width)
    normalise, invert, mask = choices
    square = crop or max(height, width)
    images, worker = prepare(
        noise(*shape),
        crop_px=crop,
        downsample_px=(square + 1) // 2,
        normalise=normalise,
        invert=invert,
        mask=mask,
    )
    assert images.dtype == np.float32
    assert images.shape == (n, 3 if colour else 1, worker.output_side, worker.output_side)
    assert np.isfinite(images).all()


@given(height=st.integers(1, 9), width=st.integers(1, 9), side=st.integers(1, 12))
@settings(deadline=None)
def test_padding_and_cutting_back_is_nothing(height, width, side):
    images = noise(1, 1, height, width)
    square = max(height, width)
    padded = centred_square(images, square + 2 * side)
    np.testing.assert_array_equal(centred_square(padded, square), centred_square(images, square))


def test_one_image_at_a_time_gives_the_same_as_a_batch():
    images = noise(4, 20, 18)
    choices = {"normalise": "ring", "downsample_px": 11, "mask": True, "invert": True}
    batch, _ = prepare(images, **choices)
    for number in range(4):
        single, _ = prepare(images[number : number + 1], **choices)
        np.testing.assert_allclose(single[0], batch[number], atol=1e-6)
