"""Hinged particles: pose, motion, asymmetry and noise are as the truth says."""

from __future__ import annotations

import numpy as np
import pytest

from tvae_core.geometry import pixel_grid_px, rotation_matrix
from tvae_core.synthetic import plan_set
from tvae_core.synthetic.blobs import Particle, ParticleStates, project
from tvae_core.synthetic.hinge import HINGED, TWO_ARMED
from tvae_core.synthetic.noise import circle_masks

SIDE, RADIUS_PX = 64, 20.0
PARTICLES = pytest.mark.parametrize("particle", [HINGED, TWO_ARMED], ids=["hinge", "two-arm"])


def posed(
    particle: Particle, hinge: list[float], angle: float = 0.0, shift: tuple[float, float] = (0, 0)
) -> np.ndarray:
    arms = np.array([hinge[: len(particle.arms)]])
    poses = ParticleStates(
        arms, np.zeros((1, 2)), np.array([angle]), np.array([shift], dtype=float)
    )
    return project(particle, poses, SIDE, RADIUS_PX)[0]


def centre_of_mass(image: np.ndarray) -> np.ndarray:
    return np.asarray(image.ravel() @ pixel_grid_px(SIDE, SIDE) / image.sum())


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@PARTICLES
def test_the_pose_moves_the_centre_of_mass_exactly(particle: Particle) -> None:
    straight = centre_of_mass(posed(particle, [0.1, -0.2]))
    moved = centre_of_mass(posed(particle, [0.1, -0.2], 2.0, (2.4, -1.7)))
    expected = rotation_matrix(2.0) @ straight + [2.4, -1.7]
    assert moved == pytest.approx(expected, abs=1e-3)  # Gaussians of 2 pixels, in float32


@PARTICLES
def test_the_particle_is_like_itself_at_one_angle_only(particle: Particle) -> None:
    straight = posed(particle, [0.0, 0.0])
    others = [posed(particle, [0.0, 0.0], angle) for angle in np.deg2rad(range(30, 331, 10))]
    assert max(correlation(straight, other) for other in others) < 0.85


@PARTICLES
def test_the_particle_fits_its_radius_at_every_opening(particle: Particle) -> None:
    outside = ~circle_masks(SIDE, np.zeros((1, 2)), RADIUS_PX * 1.15)[0]
    for opening in (-0.6, 0.0, 0.6):
        image = posed(particle, [opening, -opening])
        assert image[outside].sum() < 0.01 * image.sum()
        assert image.max() == pytest.approx(1.0, abs=0.15)


def test_a_positive_hinge_turns_the_leg_counter_clockwise_and_leaves_the_head() -> None:
    opened, closed = posed(HINGED, [0.6, 0.0]), posed(HINGED, [-0.6, 0.0])
    assert centre_of_mass(opened)[0] > centre_of_mass(closed)[0]  # the leg hangs down
    assert np.abs(opened - closed)[: SIDE // 2 - 8].max() < 1e-3


def test_arms_move_independently() -> None:
    neither = posed(TWO_ARMED, [0.0, 0.0])
    upper = np.abs(posed(TWO_ARMED, [0.5, 0.0]) - neither)
    lower = np.abs(posed(TWO_ARMED, [0.0, 0.5]) - neither)
    assert upper[SIDE // 2 + 5 :].max() < 1e-2 < upper.max()
    assert lower[: SIDE // 2 - 5].max() < 1e-2 < lower.max()


def test_images_are_those_of_their_truths() -> None:
    drawn = plan_set("hinge", count=20, snr=float("inf"), ctf=False).whole()
    truth = drawn.truth
    for row in range(20):
        shift = np.array([[truth["shift_x_px"][row], truth["shift_y_px"][row]]])
        hinges, angle = truth["hinge_rad"][row : row + 1, None], truth["angle_rad"][row : row + 1]
        poses = ParticleStates(hinges, np.zeros((1, 2)), angle, shift)
        assert correlation(project(HINGED, poses, 64, 0.32 * 64)[0], drawn.images[row]) > 0.9999
    assert np.abs(truth["hinge_rad"]).max() <= np.deg2rad(35.0)


@pytest.mark.parametrize("snr", [0.1, 2.0])
@pytest.mark.parametrize("ctf", [True, False])
def test_the_snr_is_the_one_asked_for(snr: float, ctf: bool) -> None:
    plan = plan_set("hinge", count=300, snr=snr, ctf=ctf)
    noisy = plan.whole()
    clean = plan_set("hinge", count=300, snr=float("inf"), ctf=ctf).whole()
    noise = noisy.images - clean.images
    centres = np.stack([noisy.truth["shift_x_px"], noisy.truth["shift_y_px"]], axis=1)
    masks = circle_masks(64, centres, plan.object_radius_px)
    signal = np.mean([image[mask].var() for image, mask in zip(clean.images, masks, strict=True)])
    assert signal / noise.var() == pytest.approx(snr, rel=0.02)  # 1.2 million noisy pixels
    assert np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1] == pytest.approx(0.0, abs=0.08)


def test_a_bimodal_spread_has_two_modes_with_labels() -> None:
    truth = plan_set("two-arm", count=400, spread="bimodal").truth
    upper, lower = truth["hinge_rad"], truth["hinge2_rad"]
    assert set(truth["label"]) == {0, 1, 2, 3}
    assert np.array_equal(truth["label"], (upper > 0) + 2 * (lower > 0))


def test_defocus_is_in_the_truth_and_in_the_ctf() -> None:
    drawn = plan_set("hinge", count=10).whole()
    assert drawn.ctf is not None
    assert np.array_equal(drawn.truth["defocus_u_angstrom"], drawn.ctf.rows()[:, 0])
    assert plan_set("hinge", count=10, ctf=False).ctf is None


def test_a_varying_view_changes_the_images_a_little() -> None:
    fixed = plan_set("hinge", count=10, snr=float("inf"), ctf=False)
    varied = plan_set("hinge", count=10, snr=float("inf"), ctf=False, view_jitter_deg=8.0)
    pairs = zip(fixed.whole().images, varied.whole().images, strict=True)
    assert all(0.8 < correlation(one, other) < 0.99999 for one, other in pairs)
