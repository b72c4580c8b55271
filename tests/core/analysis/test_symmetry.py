"""An object made with n-fold symmetry is called C_n, orders off the model's grid included."""

from __future__ import annotations

import numpy as np
import pytest

from tvae_core.analysis.symmetry import ROUND, symmetry_of_decoder, symmetry_of_images
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
