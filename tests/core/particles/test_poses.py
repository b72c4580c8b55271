"""Poses there and back, for odd and even boxes, downsampled and cropped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tvae_core.config import DataConfig
from tvae_core.geometry import rotation_matrix, wrap_angle
from tvae_core.images.preprocess import Preprocessor
from tvae_core.particles.poses import (
    InPlanePoses,
    OriginalFrame,
    cryosparc_matrix,
    euler_angles,
    from_cryosparc,
    from_relion,
    relion_matrix,
    to_cryosparc,
    to_relion,
)

_SIDES = st.integers(2, 400)
_ANGLES = st.floats(-20, 20)
_SHIFTS = st.floats(-200, 200)


@given(_SIDES, _SIDES, st.floats(0.5, 8), _ANGLES, _SHIFTS, _SHIFTS, st.data())
def test_there_and_back_changes_nothing(height, width, scale, angle, x, y, data):
    offset = data.draw(st.sampled_from([(0.0, 0.0), (-0.5, 0.0), (-0.5, 0.5)]))
    frame = OriginalFrame(height, width, scale, offset)
    poses = to_relion([angle], [[x, y]], frame)
    assert -180 <= poses.psi_deg[0] < 180
    back_angle, back_shift = from_relion(from_cryosparc(*to_cryosparc(poses)), frame)
    assert abs(wrap_angle(back_angle[0] - angle)) < 1e-9
    np.testing.assert_allclose(back_shift, [[x, y]], atol=1e-9)


@given(
    size=st.integers(20, 90),
    crop=st.integers(0, 90),
    side=st.integers(0, 90),
    angle=_ANGLES,
    x=st.floats(-5, 5),
    y=st.floats(-5, 5),
)
def test_a_point_of_the_object_is_where_relion_says(size, crop, side, angle, x, y):
    """The same pixel of the file, by the house's map and by RELION's."""
    config = DataConfig(crop_px=crop, downsample_px=min(side, crop or size))
    prepared = Preprocessor(config, size, size, 1, np.dtype(np.float32))
    frame = OriginalFrame(size, size, prepared.scale, prepared.centre_offset_px)
    poses = to_relion([angle], [[x, y]], frame)
    point = np.array([1.5, -0.7])  # of the object, in the model's pixels, y up
    shown = rotation_matrix(angle) @ point + [x, y]
    shown = shown * prepared.scale + prepared.centre_offset_px
    column, row = (size - 1) / 2 + shown[0], (size - 1) / 2 - shown[1]
    relion = relion_matrix(0, 0, poses.psi_deg)[0]
    reference = np.array([point[0], -point[1], 0.0]) * prepared.scale  # columns and rows down
    expected = (relion @ reference)[:2] - poses.origin_px[0] + size // 2
    np.testing.assert_allclose([column, row], expected, atol=1e-9)


def test_the_matrix_is_the_one_of_relions_source():
    """RELION, euler.cpp, Euler_angles2matrix, written out."""
    rot, tilt, psi = np.deg2rad([20.0, 50.0, -70.0])
    ca, cb, cg = np.cos([rot, tilt, psi])
    sa, sb, sg = np.sin([rot, tilt, psi])
    cc, cs, sc, ss = cb * ca, cb * sa, sb * ca, sb * sa
    expected = [
        [cg * cc - sg * sa, cg * cs + sg * ca, -cg * sb],
        [-sg * cc - cg * sa, -sg * cs + cg * ca, sg * sb],
        [sc, ss, cb],
    ]
    np.testing.assert_allclose(relion_matrix(20, 50, -70)[0], expected, atol=1e-15)


@given(st.lists(st.floats(-180, 180), min_size=3, max_size=3))
def test_matrices_are_those_of_an_independent_library(angles):
    intrinsic = Rotation.from_euler("ZYZ", angles, degrees=True).as_matrix()
    np.testing.assert_allclose(relion_matrix(*angles)[0], intrinsic.T, atol=1e-12)
    vector = np.deg2rad(angles)
    active = Rotation.from_rotvec(vector).as_matrix()
    np.testing.assert_allclose(cryosparc_matrix(vector)[0], active.T, atol=1e-12)


@given(st.floats(-179, 179), st.floats(0, 180), st.floats(-179, 179))
def test_euler_angles_give_the_matrix_again(rot, tilt, psi):
    matrix = relion_matrix(rot, tilt, psi)
    again = relion_matrix(*euler_angles(matrix).T)
    np.testing.assert_allclose(again, matrix, atol=1e-8)


@pytest.mark.parametrize("psi", [-170.0, -3.0, 0.0, 45.0, 179.0])
def test_a_turn_in_the_plane_is_the_same_in_both_programs(psi):
    two, three = np.deg2rad(psi), cryosparc_matrix([0, 0, np.deg2rad(psi)])
    poses = from_cryosparc([two], [[0, 0]])
    np.testing.assert_allclose(relion_matrix(0, 0, poses.psi_deg), three, atol=1e-12)


def test_angstrom_are_pixels_of_each_image():
    poses = InPlanePoses(np.zeros(2), np.array([[1.0, -2.0], [3.0, 4.0]]))
    np.testing.assert_array_equal(poses.origin_angstrom(2.0), [[2, -4], [6, 8]])
    np.testing.assert_array_equal(
        poses.origin_angstrom(np.array([1.5, 0.5])), [[1.5, -3], [1.5, 2]]
    )
