"""Fields as the model sees them: background, contrast, size and where a place lies."""

from __future__ import annotations

import numpy as np
import pytest

from tvae_core.config import DataConfig
from tvae_core.errors import ConfigError, ImageFileError
from tvae_core.geometry import axis_px
from tvae_core.images.field import background, prepare_field, resampled
from tvae_core.images.fourier import fourier_crop
from tvae_core.images.preprocess import Preprocessor

FLOAT = np.dtype(np.float32)
SIDE = 24


def blob(shape: tuple[int, int], x: float, y: float, width: float = 3.0) -> np.ndarray:
    """Return a Gaussian at (x, y) from the centre, y up."""
    across, up = axis_px(shape[1])[None], -axis_px(shape[0])[:, None]
    return np.exp(-((across - x) ** 2 + (up - y) ** 2) / (2 * width**2)).astype(np.float32)


@pytest.mark.parametrize("side", [48, 47, 96, 64])
def test_resampling_is_that_of_the_models_images(side: int) -> None:
    image = np.random.default_rng(0).normal(size=(1, 96, 96)).astype(np.float32)
    both = resampled(resampled(image, side, 1), side, 2)
    expected = fourier_crop(image, side) if side < 96 else image
    assert np.allclose(both, expected, atol=1e-5)  # float32 transforms


def test_an_object_keeps_its_place_at_any_size() -> None:
    field = prepare_field(blob((130, 200), 40, -30), DataConfig(normalise="none"), 16, 2.5, FLOAT)
    assert field.values.shape == (1, 52, 80)
    weight = np.maximum(field.values[0], 0) ** 2
    x = (weight.sum(0) @ axis_px(80)) / weight.sum()
    y = -(weight.sum(1) @ axis_px(52)) / weight.sum()
    assert field.raw_places(np.array([[x, y]]))[0] == pytest.approx([40, -30], abs=0.05)


def test_a_slope_is_taken_off_and_objects_stay() -> None:
    slope = np.linspace(100, 200, 192, dtype=np.float32)[None, :] + np.zeros((160, 1), np.float32)
    levelled = (slope + 50 * blob((160, 192), 10, 10)) - background(
        (slope + 50 * blob((160, 192), 10, 10))[None], 32
    )[0]
    inner = levelled[16:-16, 16:-16]  # beyond the outermost block centres it is continued flat
    assert np.median(np.abs(inner)) < 0.5
    # the object covers a fifth of its block, which moves the median along the slope
    assert inner.max() == pytest.approx(50, abs=4)
    assert np.all(background(np.full((1, 64, 64), 7.0, np.float32), 32) == 7.0)


def test_contrast_is_that_of_the_models_images() -> None:
    eight = prepare_field(np.full((32, 32), 51, np.float32), DataConfig(), 16, 1, np.dtype("u1"))
    assert np.all(eight.values == 0)
    noise = np.random.default_rng(1).normal(5, 3, (128, 128)).astype(np.float32)
    ring = prepare_field(noise, DataConfig(normalise="ring"), 16, 1, FLOAT)
    assert ring.values.std() == pytest.approx(1, abs=0.03)


def field_of_objects(count: int, noise: float, shape: tuple[int, int] = (240, 240)) -> np.ndarray:
    """Return objects apart from each other on a background of 10, off the grid of windows."""
    rng = np.random.default_rng(count)
    field = np.full(shape, 10, np.float32)
    spots = rng.permutation([(x, y) for x in range(-90, 91, 36) for y in range(-90, 91, 36)])
    for x, y in spots[:count]:
        field += 5 * blob(shape, x + 5.5, y - 3.5, 2.0) + 3 * blob(shape, x + 9.5, y - 3.5, 1.6)
    return field + rng.normal(0, noise, shape).astype(np.float32) if noise else field


@pytest.mark.parametrize("kind", ["unit", "image", "ring"])
@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("count", [1, 20])
def test_an_object_of_a_field_has_the_contrast_of_an_image_of_it(
    kind: str, noise: float, count: int
) -> None:
    config = DataConfig.model_validate({"normalise": kind})
    raw = field_of_objects(count, noise)
    field = prepare_field(raw, config, SIDE, 1, FLOAT).values[0]
    row, column = np.unravel_index(field.argmax(), field.shape)
    cut = raw[row - 12 : row + 12, column - 12 : column + 12]
    image = Preprocessor(config, SIDE, SIDE, 1, FLOAT)(cut[None])[0, 0]
    expected = image[12, 12] - np.median(image[0])
    # windows are no nearer to an object's centre than the peak of its mean square
    assert field[row, column] == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("kind", ["unit", "image", "ring"])
def test_colours_have_the_contrast_of_an_image_in_colour(kind: str) -> None:
    config = DataConfig.model_validate({"normalise": kind})
    colours, grounds = np.array([1.0, 0.3, 0.1], np.float32), np.array([20, 0, 5], np.float32)
    raw = field_of_objects(5, 0.1)[..., None] * colours + grounds
    field = prepare_field(raw, config, SIDE, 1, FLOAT).values
    _, row, column = np.unravel_index(field.argmax(), field.shape)
    cut = raw[row - 12 : row + 12, column - 12 : column + 12]
    image = Preprocessor(config, SIDE, SIDE, 3, FLOAT)(cut[None])[0]
    expected = image[:, 12, 12] - np.median(image[:, 0], axis=1)
    assert np.allclose(field[:, row, column], expected, rtol=0.2, atol=0.02 * expected.max())


def test_an_empty_field_is_not_blown_up() -> None:
    flat = np.full((240, 240), 7, np.float32)
    for kind in ("unit", "image", "ring"):
        field = prepare_field(flat, DataConfig.model_validate({"normalise": kind}), SIDE, 1, FLOAT)
        assert not field.values.any()


def test_what_cannot_be_looked_at_is_refused() -> None:
    small = np.zeros((12, 40), np.float32)
    with pytest.raises(ConfigError, match="smaller than one image"):
        prepare_field(small, DataConfig(), 16, 1, FLOAT)


def test_bad_pixels_are_refused_or_replaced_and_a_field_of_nothing_else_is_refused() -> None:
    raw = field_of_objects(3, 0.1)
    clean = prepare_field(raw, DataConfig(), SIDE, 1, FLOAT).values
    raw[100, 100:103] = [np.nan, np.inf, -np.inf]
    with pytest.raises(ImageFileError, match=r"^f.mrc, image 4: 3 NaN or infinite pixels"):
        prepare_field(raw, DataConfig(), SIDE, 1, FLOAT, "f.mrc, image 4")
    filled = prepare_field(raw, DataConfig(bad_pixels="mean"), SIDE, 1, FLOAT).values
    assert np.abs(filled - clean).max() < 0.06  # noise there against the mean: 3 of 0.1 over 6
    for policy in ("refuse", "zero", "mean"):
        config = DataConfig.model_validate({"bad_pixels": policy})
        with pytest.raises(ImageFileError, match="every pixel"):
            prepare_field(np.full((40, 40), np.nan, np.float32), config, 16, 1, FLOAT)
