"""Projections: known answers, and atoms against the volume they make."""

from __future__ import annotations

import numpy as np
import pytest

from tvae_core.geometry import rotation_matrix
from tvae_core.particles.poses import relion_matrix
from tvae_core.synthetic.projection import (
    house_centres_px,
    project,
    project_atoms,
)


@pytest.fixture
def atoms(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-1, 1, (40, 3)) * [14.0, 9.0, 5.0]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_a_straight_view_is_the_sum_over_sections(rng):
    volume = rng.random((7, 7, 7))
    image = project(volume, np.eye(3))[0]
    np.testing.assert_allclose(image, volume.sum(axis=0), rtol=1e-6)


def test_a_quarter_turn_of_an_odd_box_is_exact(rng):
    """Psi turns counter-clockwise as the file is shown, and pixel 7 // 2 is the middle."""
    volume = np.pad(rng.random((5, 5, 5)), 1)
    straight, turned = project(volume, relion_matrix([0, 0], [0, 0], [0, 90]))
    np.testing.assert_allclose(turned, np.rot90(straight), atol=1e-5)


def test_a_quarter_turn_of_an_even_box_is_about_pixel_n_over_2(rng):
    volume = np.pad(rng.random((5, 5, 5)), ((2, 1), (2, 1), (2, 1)))  # about voxel 4 of 8
    straight, turned = project(volume, relion_matrix([0, 0], [0, 0], [0, 90]))
    np.testing.assert_allclose(turned[1:, 1:], np.rot90(straight[1:, 1:]), atol=1e-5)


def test_a_view_along_another_axis(rng):
    volume = np.pad(rng.random((5, 5, 5)), 1)
    along_x = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])  # y to columns, z to rows
    np.testing.assert_allclose(project(volume, along_x)[0], volume.sum(axis=2), atol=1e-5)


def _density(places: np.ndarray, weights: np.ndarray, side: int, std: float) -> np.ndarray:
    """Gaussians of sum `weights` at `places` (A, 3) x, y, z; on a volume indexed z, y, x."""
    along = np.exp(-0.5 * ((np.arange(side) - places[:, :, None]) / std) ** 2)  # (A, 3, side)
    along /= along.sum(2, keepdims=True)
    x, y, z = along.transpose(1, 0, 2)
    return np.einsum("a,az,ay,ax->zyx", weights, z, y, x, optimize=True)


@pytest.mark.parametrize("side", [40, 41])
def test_atoms_project_as_the_volume_they_make(atoms, rng, side):
    weights = rng.uniform(1, 3, len(atoms))
    matrices = relion_matrix([10, 80, -50], [30, 100, 170], [0, 45, -120])
    centres = side // 2 + np.array([[0.0, 0.0], [1.5, -2.25], [-3.0, 0.75]])
    volume = _density(atoms / 1.5 + side // 2, weights, side, 3.0 / 1.5)
    by_volume = project(volume, matrices, centres)
    direct = project_atoms(atoms, weights, matrices, side, 1.5, 3.0, centres)
    assert volume.sum() == pytest.approx(weights.sum(), rel=1e-5)
    # trilinear interpolation of Gaussians 2 pixels wide blurs their peaks by 4 %
    assert np.abs(by_volume - direct).max() < 0.05 * direct.max()
    blur = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(by_volume, direct, strict=True)]
    assert min(blur) > 0.999


@pytest.mark.parametrize("side", [20, 21])
def test_an_atom_lies_where_the_house_says(side):
    angle, shift, point = 0.7, np.array([2.0, -1.5]), np.array([3.0, 1.0])
    where = rotation_matrix(angle) @ point + shift  # y up, from the middle
    atom = np.array([[point[0], -point[1], 5.0]])
    matrix = relion_matrix(0, 0, np.rad2deg(angle))
    centre = house_centres_px(shift[None], side)
    image = project_atoms(atom, np.ones(1), matrix, side, 1.0, 1.5, centre)[0]
    rows, columns = np.indices(image.shape)
    mass = image.sum()
    found = [(image * columns).sum() / mass, (image * rows).sum() / mass]
    expected = [(side - 1) / 2 + where[0], (side - 1) / 2 - where[1]]
    np.testing.assert_allclose(found, expected, atol=2e-3)  # the Gaussian is cut at 4 sigma


def test_each_image_may_have_its_own_conformation(atoms):
    moved = np.stack([atoms, atoms + np.array([4.0, 0, 0])])
    matrices = np.stack([np.eye(3)] * 2)
    both = project_atoms(moved, np.ones(len(atoms)), matrices, 48, 2.0, 3.0)
    np.testing.assert_allclose(both[1][:, 2:], both[0][:, :-2], atol=1e-6)


def test_atoms_outside_the_box_are_left_out():
    far = np.array([[0.0, 0, 0], [500.0, 0, 0]])
    image = project_atoms(far, np.ones(2), np.eye(3), 16, 1.0, 1.0)[0]
    assert image.sum() == pytest.approx(1.0, abs=1e-6)
