"""`place` keeps the convention of `tvae_core.geometry`."""

from __future__ import annotations

import numpy as np
import pytest

from tvae_core.geometry import pixel_grid_px, rotation_matrix, to_object_frame
from tvae_core.synthetic import place, turn_back


def blob(points: np.ndarray) -> np.ndarray:
    """An asymmetric object: a large blob on the right, a small one above it."""
    right = np.exp(-((points - [6.0, 0.0]) ** 2).sum(-1) / 8.0)
    above = np.exp(-((points - [6.0, 6.0]) ** 2).sum(-1) / 5.0)
    return right + 0.5 * above


def drawn(side: int) -> np.ndarray:
    return blob(pixel_grid_px(side, side)).reshape(side, side)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize(("source_side", "side"), [(33, 48), (32, 47), (33, 33)])
def test_placing_samples_the_object_in_its_own_frame(
    source_side: int, side: int, order: int
) -> None:
    angle, shift = 0.7, np.array([3.3, -2.6])
    image = place(drawn(source_side), angle, shift, side, order)  # type: ignore[arg-type]
    points = to_object_frame(pixel_grid_px(side, side), np.array([angle]), shift[None])[0]
    # interpolating blobs of 1.6 to 2 pixels; a peak between pixels is clipped to the source's range
    tolerance = 0.01 if order == 3 and source_side % 2 else 0.06
    assert image == pytest.approx(blob(points).reshape(side, side), abs=tolerance)


def test_a_function_is_placed_exactly() -> None:
    shift = np.array([1.5, 4.0])
    image = place(blob, -2.0, shift, 40)
    points = to_object_frame(pixel_grid_px(40, 40), np.array([-2.0]), shift[None])[0]
    assert image == pytest.approx(blob(points).reshape(40, 40), abs=1e-6)


def test_a_quarter_turn_moves_the_right_to_the_top_and_a_shift_moves_it_right_and_up() -> None:
    turned = place(drawn(33), np.pi / 2, (0.0, 0.0), 33)
    row, column = np.unravel_index(turned.argmax(), turned.shape)
    assert (row, column) == (16 - 6, 16)
    moved = place(drawn(33), np.pi / 2, (3.0, 2.0), 33)
    assert np.unravel_index(moved.argmax(), moved.shape) == (16 - 6 - 2, 16 + 3)


def test_the_centre_of_mass_goes_where_the_pose_says() -> None:
    angle, shift = 2.2, np.array([2.5, -1.25])
    image = place(drawn(33), angle, shift, 45)
    points = pixel_grid_px(45, 45)
    seen = image.ravel() @ points / image.sum()
    original = drawn(33).ravel() @ pixel_grid_px(33, 33) / drawn(33).sum()
    assert seen == pytest.approx(rotation_matrix(angle) @ original + shift, abs=0.01)


def test_turning_back_undoes_placing() -> None:
    image = place(drawn(33), 1.1, (2.3, -3.1), 50)
    assert correlation(turn_back(image, 1.1, (2.3, -3.1), 33), drawn(33)) > 0.999


def test_colours_are_placed_alike_and_the_range_is_kept() -> None:
    colours = np.stack([drawn(33) > 0.5] * 3, axis=-1).astype(float)
    image = place(colours, 0.4, (0.0, 0.0), 40)
    assert image.shape == (40, 40, 3)
    assert image.dtype == np.float32
    assert np.array_equal(image[..., 0], image[..., 2])
    assert image.min() >= 0.0
    assert image.max() <= 1.0
