"""The self-test reports exactly the error that an encoder is known to make."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.core.analysis.blobs import posed
from tvae_core.analysis.invariance import (
    ON_GRID,
    SHIFTED,
    THERE_AND_BACK,
    TURNED,
    WITH_CORNERS,
    Inferred,
    Measure,
    Trials,
    fit_share,
    make_trials,
    masked,
    measure,
    moved,
    run_trials,
    spread_of,
)
from tvae_core.errors import Cancelled
from tvae_core.geometry import pixel_grid_px, to_object_frame, wrap_angle

SIDE = 33
IMAGES = 12


def arrows(angle: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Images (n, 1, SIDE, SIDE) of a heavy blob at the origin and a light one at (7, 0)."""
    points = to_object_frame(pixel_grid_px(SIDE, SIDE), angle, shift)
    heavy = 3 * np.exp(-(points**2).sum(-1) / 8)
    light = np.exp(-((points[..., 0] - 7) ** 2 + points[..., 1] ** 2) / 8)
    return (heavy + light).reshape(-1, 1, SIDE, SIDE).astype(np.float32)


def oracle(images: np.ndarray) -> Inferred:
    """Read the pose of arrows off their moments: nothing is learned or told."""
    pixels = np.maximum(images.reshape(len(images), -1).astype(np.float64), 0)
    pixels /= pixels.sum(1, keepdims=True)
    x, y = pixel_grid_px(SIDE, SIDE).T
    centre = np.stack([pixels @ x, pixels @ y], 1)
    dx, dy = x[None] - centre[:, :1], y[None] - centre[:, 1:]
    second = [(pixels * a * b).sum(1) for a, b in ((dx, dx), (dy, dy), (dx, dy))]
    axis = 0.5 * np.arctan2(2 * second[2], second[0] - second[1])
    along = dx * np.cos(axis)[:, None] + dy * np.sin(axis)[:, None]
    angle = wrap_angle(axis + np.pi * ((pixels * along**3).sum(1) < 0))
    tip = np.stack([np.cos(angle), np.sin(angle)], 1) * 7 / 4  # a quarter of the mass is at (7, 0)
    return Inferred(np.zeros((len(images), 2)), angle, centre - tip)


def truth() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.uniform(-np.pi, np.pi, IMAGES), rng.uniform(-1.5, 1.5, (IMAGES, 2))


def examined(
    encode: Callable[[np.ndarray], Inferred], spread: float = 1.0, order: int = 1, turns: int = 160
) -> tuple[dict[str, Measure], Trials]:
    trials = make_trials(IMAGES, 8, 2.0, turns=turns, shifts=40)
    still, found = run_trials(arrows(*truth()), encode, trials)
    made = measure(still, found, trials, spread, np.full(IMAGES, order))
    return {m.kind: m for m in made}, trials


def test_a_perfect_encoder_is_found_perfect() -> None:
    measures, _ = examined(oracle)
    for kind in (TURNED, ON_GRID, SHIFTED, THERE_AND_BACK, WITH_CORNERS):
        # what is left is the cubic interpolation of blobs 2 px wide
        assert measures[kind].angle_rmse_deg < 0.1
        assert measures[kind].shift_rmse_px < 0.02
        assert measures[kind].drift == 0


@pytest.mark.parametrize("step_deg", [5.0, 45.0])
def test_an_angle_in_steps_is_found_with_the_error_of_its_steps(step_deg: float) -> None:
    step = np.radians(step_deg)

    def encode(images: np.ndarray) -> Inferred:
        found = oracle(images)
        return Inferred(found.z, step * np.round(found.angle_rad / step), found.shift_px)

    measures, trials = examined(encode)
    angle = truth()[0][:, None]
    turn = trials.angle_rad[:, trials.kind == TURNED]
    rounded = [step * np.round(wrap_angle(a) / step) for a in (angle + turn, angle)]
    expected = wrap_angle(rounded[0] - rounded[1] - turn)
    rmse = np.degrees(np.sqrt(np.mean(expected**2)))
    # an angle within the oracle's 0.1 degrees of a step's edge falls on its other side
    assert measures[TURNED].angle_rmse_deg == pytest.approx(rmse, rel=0.03)
    # the difference of two roundings: a triangle of deviation step / sqrt(6)
    assert rmse == pytest.approx(step_deg / np.sqrt(6), rel=0.15)


def test_a_half_turn_is_an_error_unless_the_object_has_that_symmetry() -> None:
    calls = iter(range(10**6))

    def encode(images: np.ndarray) -> Inferred:
        found = oracle(images)
        flip = np.pi * (next(calls) % 4 == 0) * np.ones(len(images))
        return Inferred(found.z, wrap_angle(found.angle_rad + flip), found.shift_px)

    measures, _ = examined(encode)
    # the unmoved images, call 0, are flipped: three quarters of the others differ from them
    assert measures[TURNED].angle_rmse_deg == pytest.approx(180 * np.sqrt(0.75), abs=0.5)
    assert measures[TURNED].gross_share == pytest.approx(0.75)
    calls = iter(range(10**6))
    folded, _ = examined(encode, order=2)
    assert folded[TURNED].angle_rmse_deg == measures[TURNED].angle_rmse_deg
    assert folded[TURNED].angle_folded_rmse_deg < 0.1
    assert folded[TURNED].gross_share == 0
    round_ones, _ = examined(encode, order=0, turns=4)
    assert np.isnan(round_ones[TURNED].angle_folded_rmse_deg)


def test_a_shift_that_is_too_long_is_found_by_so_much() -> None:
    def encode(images: np.ndarray) -> Inferred:
        found = oracle(images)
        return Inferred(found.z, found.angle_rad, 1.1 * found.shift_px)

    measures, trials = examined(encode)
    step = trials.shift_px[:, trials.kind == SHIFTED]
    expected = 0.1 * np.sqrt((step**2).sum(-1).mean())
    assert measures[SHIFTED].shift_rmse_px == pytest.approx(expected, rel=0.03)
    assert measures[TURNED].shift_rmse_px < 0.02  # a turn takes the shift along


def test_content_that_leaks_rotation_drifts_by_so_much_of_the_spread() -> None:
    def encode(images: np.ndarray) -> Inferred:
        found = oracle(images)
        leak = 0.3 * np.stack([np.cos(found.angle_rad), np.sin(found.angle_rad)], 1)
        return Inferred(leak, found.angle_rad, found.shift_px)

    measures, _ = examined(encode, spread=2.0)
    # a chord of random length on a circle of radius 0.3: root mean square 0.3 sqrt(2)
    assert measures[TURNED].drift == pytest.approx(0.3 * np.sqrt(2) / 2.0, rel=0.01)
    assert measures[TURNED].drift_median == pytest.approx(0.3 * np.sqrt(2) / 2.0, rel=0.03)
    assert measures[SHIFTED].drift < 0.005
    assert np.isnan(examined(encode, spread=0.0, turns=2)[0][TURNED].drift)


def test_images_are_turned_and_shifted_as_the_geometry_says() -> None:
    turn, step = np.array([0.4, -2.1]), np.array([[1.3, -0.6], [-0.4, 1.9]])
    still = posed(np.zeros(2), np.zeros((2, 2)), 49)[:, None]
    expected = posed(turn, step, 49)[:, None]
    # cubic splines on blobs of deviation 2 px, heights up to 1
    np.testing.assert_allclose(moved(still, turn, step), expected, atol=0.01)


def test_what_the_mask_keeps_survives_a_turn_whole_and_the_corners_are_background() -> None:
    noise = np.random.default_rng(0).normal(5.0, 1.0, (3, 2, 24, 24))
    inside, ground = masked(noise)
    assert abs(ground.mean() - 5) < 0.3
    assert np.abs(inside[..., 0, :3]).max() == 0
    np.testing.assert_allclose(inside[..., 12, 12] + ground[..., 0, 0], noise[..., 12, 12])
    quarter = moved(inside, np.full(3, np.pi / 2), np.zeros((3, 2)))
    np.testing.assert_allclose(quarter, np.rot90(inside, 1, (2, 3)), atol=1e-6)


def test_the_turns_are_of_all_angles_and_off_the_group() -> None:
    trials = make_trials(5, 8, 2.0, turns=160, shifts=10)
    turn = trials.angle_rad[:, trials.kind == TURNED]
    assert turn.shape == (5, 160)
    assert np.histogram(turn, 8, (0, 2 * np.pi))[0].tolist() == [100] * 8
    off = np.abs(wrap_angle(turn * 8)) / 8
    assert np.median(off) == pytest.approx(np.pi / 16, rel=0.1)  # half-way to the next group angle
    grid = trials.angle_rad[:, trials.kind == ON_GRID]
    np.testing.assert_allclose(wrap_angle(grid * 8), 0, atol=1e-9)
    step = trials.shift_px[:, trials.kind == SHIFTED]
    assert np.linalg.norm(step, axis=-1).max() <= 2.0
    assert np.abs(step - np.round(step)).mean() > 0.2
    assert make_trials(2, 1, 1.0, turns=2).kind.tolist().count(ON_GRID) == 0


def test_no_image_is_turned_farther_than_objects_lie() -> None:
    trials = make_trials(50, 16, 2.0, turns=20, shifts=10, most_rad=0.6)
    turned = trials.angle_rad[:, np.isin(trials.kind, (TURNED, THERE_AND_BACK))]
    assert np.abs(turned).max() <= 0.6
    assert np.histogram(turned, 4, (-0.6, 0.6))[0].min() > 250
    on_grid = trials.angle_rad[0, trials.kind == ON_GRID]
    assert np.rad2deg(wrap_angle(on_grid)) == pytest.approx([22.5, -22.5])
    assert ON_GRID not in make_trials(2, 8, 1.0, turns=2, most_rad=0.6).kind


def test_a_picture_that_does_not_turn_with_its_object_does_not_fit() -> None:
    angle, shift = truth()
    images = arrows(angle, shift)
    noisy = images + 0.5 * np.random.default_rng(1).normal(size=images.shape)
    assert fit_share(noisy, images, shift, np.ones(IMAGES)) == 1
    elsewhere = arrows(angle + np.linspace(1, 5, IMAGES), shift)
    assert fit_share(noisy, elsewhere, shift, np.ones(IMAGES)) < 0.75
    assert np.isnan(fit_share(noisy, images, shift, np.zeros(IMAGES)))


def test_stopping_is_obeyed_and_progress_ends_at_one() -> None:
    shares: list[float] = []
    trials = make_trials(IMAGES, 2, 1.0, turns=2, shifts=1)
    run_trials(arrows(*truth()), oracle, trials, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    with pytest.raises(Cancelled):
        run_trials(arrows(*truth()), oracle, trials, cancelled=lambda: True)


def test_the_spread_is_the_distance_from_the_mean() -> None:
    z = np.random.default_rng(0).normal(4.0, [3.0, 4.0], (20_000, 2))
    assert spread_of(z) == pytest.approx(5, rel=0.02)
