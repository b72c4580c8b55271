"""Making images smaller leaves each object where it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvae_core.geometry import axis_px
from tvae_core.images.fourier import fourier_crop


def blob(side: int, x: float, y: float, sigma: float) -> np.ndarray:
    """Return a Gaussian at (x, y) pixels from the image centre, y up."""
    axis = axis_px(side)
    falls = (axis[None] - x) ** 2 + (-axis[:, None] - y) ** 2
    return np.exp(-falls / (2 * sigma**2)).astype(np.float32)


def position(image: np.ndarray) -> tuple[float, float]:
    """Return the centroid in pixels from the image centre, y up."""
    axis = axis_px(len(image))
    total = image.sum(dtype=np.float64)
    return float((image * axis[None]).sum() / total), float((image * -axis[:, None]).sum() / total)


@pytest.mark.parametrize(("size", "side"), [(64, 32), (64, 31), (63, 32), (63, 31), (65, 40)])
def test_an_object_keeps_its_place_about_the_centre(size, side):
    x, y = 5.3, -3.7
    small = fourier_crop(blob(size, x, y, 5.0)[None], side)[0]
    scale = side / size
    # 0.01 px: the blob's tail is cut at the border; without the half pixel the error is 0.25
    assert position(small) == pytest.approx((x * scale, y * scale), abs=0.01)


@pytest.mark.parametrize(("size", "side"), [(64, 32), (64, 31), (63, 32), (63, 31)])
def test_the_pixels_are_those_of_the_scaled_object(size, side):
    scale = side / size
    small = fourier_crop(blob(size, 2.3, 4.1, 4.0)[None], side)[0]
    expected = blob(side, 2.3 * scale, 4.1 * scale, 4.0 * scale)
    np.testing.assert_allclose(small, expected, atol=2e-4)  # the blob beyond half of Nyquist


def test_the_residue_moves_the_centre():
    image = blob(64, 0.5, -0.5, 4.0)  # half a pixel right and down
    small = fourier_crop(image[None], 32, (0.5, 0.5))[0]
    assert position(small) == pytest.approx((0.0, 0.0), abs=0.005)


@given(
    size=st.integers(2, 24), share=st.floats(0.3, 1.0), seed=st.integers(0, 99), n=st.integers(0, 3)
)
@settings(max_examples=40, deadline=None)
def test_the_mean_is_preserved_and_the_map_is_linear(size, share, seed, n):
    side = max(1, int(size * share))
    generator = np.random.default_rng(seed)
    first, second = generator.normal(3, 1, (2, n, 1, size, size)).astype(np.float32)
    small = fourier_crop(first, side)
    assert small.dtype == np.float32
    assert small.shape == (n, 1, side, side)
    np.testing.assert_allclose(small.mean((2, 3)), first.mean((2, 3)), atol=1e-4)
    both = fourier_crop(first + 2 * second, side)
    np.testing.assert_allclose(both, small + 2 * fourier_crop(second, side), atol=1e-3)


def test_turning_by_a_half_commutes_with_making_smaller():
    # only true when the centre is kept: a half turn maps the centre onto itself
    image = np.random.default_rng(0).normal(size=(1, 30, 30)).astype(np.float32)
    for side in (16, 15):
        turned = fourier_crop(np.ascontiguousarray(image[:, ::-1, ::-1]), side)
        np.testing.assert_allclose(turned, fourier_crop(image, side)[:, ::-1, ::-1], atol=1e-5)
