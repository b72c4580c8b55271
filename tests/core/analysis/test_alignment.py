"""Realignment finds the turn that was made; ring correlation knows signal from noise."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.analysis.blobs import object_at_rest, posed
from tvae_core.analysis.alignment import (
    angles_to_reference,
    fourier_ring_correlation,
    half_set_correlation,
)
from tvae_core.geometry import wrap_angle


@settings(max_examples=20, deadline=None)
@given(st.floats(-3.1, 3.1))
def test_the_angle_of_a_turned_image_is_found(angle: float) -> None:
    images = posed(np.array([angle]), np.zeros((1, 2)))
    found = angles_to_reference(images, object_at_rest())[0]
    assert abs(float(wrap_angle(found - angle))) < np.radians(0.3)  # one step is 1 degree


def test_equal_images_correlate_fully_and_independent_noise_does_not() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 64, 64))
    np.testing.assert_allclose(fourier_ring_correlation(a, a).correlation, 1.0)
    noise = fourier_ring_correlation(a, b)
    assert np.abs(noise.correlation[8:]).mean() < 0.15  # 1 / sqrt(pixels of a ring)
    assert noise.frequency[-1] == 0.5
    assert fourier_ring_correlation(a, a).resolution() == 2.0


def test_half_sets_of_a_noisy_class_agree_at_low_frequency_only() -> None:
    noise = np.random.default_rng(1).normal(size=(60, 48, 48))
    curve = half_set_correlation(object_at_rest() + noise)
    assert curve.correlation[1:4].min() > 0.8
    assert abs(float(curve.correlation[15:].mean())) < 0.2
    assert 2.0 < curve.resolution() < 24.0
