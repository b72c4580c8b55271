"""An object made with n-fold symmetry is called C_n, orders off the model's grid included."""

from __future__ import annotations

import numpy as np
import pytest

from tvae_core.analysis.symmetry import (
    ROUND,
    symmetries_of_contents,
    symmetry_of_decoder,
    symmetry_of_images,
    symmetry_of_set,
)
from tvae_core.geometry import pixel_grid_px, to_object_frame


def _decoder(n: int, side: int = 40, lopsided: float = 0.0):
    places = [2 * np.pi * k / n for k in range(n)] if n else []

    def decode(angle: np.ndarray) -> np.ndarray:
        points = to_object_frame(pixel_grid_px(side, side), angle, np.zeros((len(angle), 2)))
        images = np.exp(-(points**2).sum(-1) / 30)
        for number, place in enumerate(places):
            x, y = 12 * np.cos(place), 12 * np.sin(place)
            weight = 1 + lopsided * (number == 0)
            images += weight * np.exp(-((points[..., 0] - x) ** 2 + (points[..., 1] - y) ** 2) / 8)
        return images.reshape(-1, side, side)

    return decode


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7])
def test_the_order_is_found(n: int) -> None:
    result = symmetry_of_decoder(_decoder(n))
    assert result.order == n
    assert result.correlation[0] == pytest.approx(1)
    assert len(result.peaks) == n - 1
    if n > 1:
        assert result.name == f"C{n}"
        assert f"C{n}" in {peak.name for peak in result.peaks}
        assert result.score > 0.97


def test_a_disc_is_round_and_a_nearly_symmetric_object_says_how_nearly() -> None:
    assert symmetry_of_decoder(_decoder(0)).order == ROUND
    nearly = symmetry_of_decoder(_decoder(3, lopsided=1.0))
    assert nearly.order == 3
    assert 0.6 < nearly.score < 0.97


def test_fewer_angles_and_colour_do() -> None:
    angles = np.arange(180) * 2 * np.pi / 180
    images = np.repeat(_decoder(4)(angles)[..., None], 3, axis=-1)
    assert symmetry_of_images(images).order == 4


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 7])
def test_one_decode_on_rings_says_the_same_as_a_decode_at_every_angle(n: int) -> None:
    decode = _decoder(n)
    every = symmetry_of_decoder(decode)
    once = symmetries_of_contents(decode(np.array([0.3, 1.1])))
    for found in once:
        assert found.order == every.order
        # the rings are bilinear, the decoder exact
        np.testing.assert_allclose(found.correlation, every.correlation, atol=0.02)


def test_objects_with_no_symmetry_are_called_so_though_they_have_peaks() -> None:
    def hinge(angle: np.ndarray) -> np.ndarray:
        points = to_object_frame(pixel_grid_px(40, 40), angle, np.zeros((len(angle), 2)))
        arms = [(10, 0, 1.0), (5, 0, 1.0), (-4, 6, 0.8), (-7, 10, 0.8), (0, 0, 1.2)]
        images = sum(
            w * np.exp(-((points[..., 0] - x) ** 2 + (points[..., 1] - y) ** 2) / 10)
            for x, y, w in arms
        )
        return np.asarray(images).reshape(-1, 40, 40)

    found = symmetry_of_decoder(hinge)
    assert found.order == 1
    assert found.peaks
    assert found.hint.startswith("no rotational symmetry (at most 0.")
    assert symmetries_of_contents(hinge(np.zeros(1)))[0].order == 1


def test_a_set_says_how_its_symmetry_varies() -> None:
    images = np.concatenate([_decoder(n)(np.zeros(k)) for n, k in ((3, 6), (3, 1), (1, 3))])
    mean = symmetry_of_decoder(_decoder(3))
    found = symmetry_of_set(mean, symmetries_of_contents(images))
    assert found.counts == {"C3": 7, "no rotational symmetry": 3}
    assert found.agreement == 0.7
    assert found.mean.hint == "C3, 1.00"
    assert (found.low <= found.high).all()
    assert found.low[120] < 0.9 < found.high[120]
    alone = symmetry_of_set(mean, [])
    assert alone.agreement == 0
    np.testing.assert_array_equal(alone.low, mean.correlation)
