"""In-plane poses between the house's convention and those of RELION and cryoSPARC, in one place.

House (`tvae_core.geometry`): y up, origin at the image centre (N - 1) / 2, an object point u
appears at R(angle) u + shift.

RELION: columns to the right and rows down, origin at pixel N // 2. With A the matrix of its Euler
angles, a point r of the reference appears at column and row (A r)_xy - origin. At rot = tilt = 0
and seen as the file is shown, row 0 at the top, psi turns the object counter-clockwise, so psi is
the house's angle; the origin's x points against the shift, its y (rows down) along it. The two
origins differ by half a pixel in even images: the object's point u = 0 lies at
(1/2 - shift_x, 1/2 + shift_y) from RELION's, negated.

cryoSPARC: alignments2D/pose is psi in radians, alignments2D/shift is the origin in pixels of
alignments2D/psize_A, both about pixel N // 2; alignments3D/pose is the rotation vector of A
transposed, as pyem and cryoDRGN convert them.

docs/conventions-of-pose.md says which of this is proved by images and which is documented only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvae_core.geometry import wrap_angle

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class OriginalFrame:
    """Where the model's images lie in the original ones.

    Parameters
    ----------
    height_px, width_px : int
        Of the original image.
    scale : float
        The model's pixel over the original's.
    centre_offset_px : (x, y)
        Centre of the model's image from that of the original, original pixels, y up
        (`Preprocessor.centre_offset_px`).
    """

    height_px: int
    width_px: int
    scale: float = 1.0
    centre_offset_px: tuple[float, float] = (0.0, 0.0)

    @property
    def relion_centre_px(self) -> FloatArray:
        """RELION's origin, pixel N // 2, from the house's, (2,) original pixels (x, y), y up."""
        x, y = (0.5 * (size % 2 == 0) for size in (self.width_px, self.height_px))
        return np.array([x, -y])


@dataclass(frozen=True)
class InPlanePoses:
    """RELION's in-plane poses of n images.

    Parameters
    ----------
    psi_deg : (n,)
        In [-180, 180).
    origin_px : (n, 2)
        x (columns, to the right) and y (rows, down), in pixels of the original image.
    """

    psi_deg: FloatArray
    origin_px: FloatArray

    def origin_angstrom(self, pixel_size_angstrom: FloatArray | float) -> FloatArray:
        """Return the origins in Angstrom, (n, 2); a pixel size for all or for each image."""
        return np.asarray(self.origin_px * np.reshape(pixel_size_angstrom, (-1, 1)))


def to_relion(angle_rad: ArrayLike, shift_px: ArrayLike, frame: OriginalFrame) -> InPlanePoses:
    """Return the house's poses as RELION's, in pixels of the original images.

    Parameters
    ----------
    angle_rad : (n,)
    shift_px : (n, 2)
        In pixels of the model's images, x right and y up.
    frame : OriginalFrame
    """
    shift = np.asarray(shift_px, np.float64) * frame.scale + np.array(frame.centre_offset_px)
    origin = (frame.relion_centre_px - shift) * np.array([1.0, -1.0])
    return InPlanePoses(np.rad2deg(wrap_angle(np.asarray(angle_rad, np.float64))), origin)


def from_relion(poses: InPlanePoses, frame: OriginalFrame) -> tuple[FloatArray, FloatArray]:
    """Return RELION's poses as the house's, the inverse of `to_relion`.

    Returns
    -------
    angle_rad : (n,)
    shift_px : (n, 2)
        In pixels of the model's images, x right and y up.
    """
    shift = frame.relion_centre_px - np.asarray(poses.origin_px) * np.array([1.0, -1.0])
    shift = (shift - np.array(frame.centre_offset_px)) / frame.scale
    return wrap_angle(np.deg2rad(np.asarray(poses.psi_deg, np.float64))), shift


def to_cryosparc(poses: InPlanePoses) -> tuple[FloatArray, FloatArray]:
    """Return alignments2D/pose (n,), radians, and alignments2D/shift (n, 2), original pixels."""
    return np.deg2rad(poses.psi_deg), np.asarray(poses.origin_px)


def from_cryosparc(pose_rad: ArrayLike, shift_px: ArrayLike) -> InPlanePoses:
    """Return alignments2D/pose and shift as RELION's poses, the inverse of `to_cryosparc`."""
    psi = np.rad2deg(wrap_angle(np.asarray(pose_rad, np.float64)))
    return InPlanePoses(psi, np.asarray(shift_px, np.float64))


def relion_matrix(rot_deg: ArrayLike, tilt_deg: ArrayLike, psi_deg: ArrayLike) -> FloatArray:
    """Return RELION's matrix A of Euler angles, (n, 3, 3): object (x, y, z) to image axes.

    Image axes are column, row (down) and the direction of view. A is the transpose of the
    intrinsic ZYZ rotation by rot, tilt, psi (RELION's Euler_angles2matrix).
    """
    angles = np.stack(np.broadcast_arrays(rot_deg, tilt_deg, psi_deg), axis=-1)
    rot, tilt, psi = np.deg2rad(angles.reshape(-1, 3).T.astype(np.float64))
    return np.asarray(_about_z(psi) @ _about_y(tilt) @ _about_z(rot))


def cryosparc_matrix(rotation_vector: ArrayLike) -> FloatArray:
    """Return the matrix A, (n, 3, 3) as `relion_matrix`, of alignments3D/pose, (n, 3) radians.

    Rodrigues: A^T = 1 + sin(t) K + (1 - cos(t)) K^2, K the cross product with the axis, t the
    vector's length.
    """
    vector = np.reshape(np.asarray(rotation_vector, dtype=np.float64), (-1, 3))
    angle = np.linalg.norm(vector, axis=1)[:, None, None]
    x, y, z = (vector / np.maximum(angle[..., 0], 1e-300)).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(-1, 3, 3)
    turn = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    return np.asarray(np.swapaxes(turn, -1, -2))


def _about_z(angle_rad: FloatArray) -> FloatArray:
    cos, sin, zero, one = _parts(angle_rad)
    return np.stack([cos, sin, zero, -sin, cos, zero, zero, zero, one], -1).reshape(-1, 3, 3)


def _about_y(angle_rad: FloatArray) -> FloatArray:
    cos, sin, zero, one = _parts(angle_rad)
    return np.stack([cos, zero, -sin, zero, one, zero, sin, zero, cos], -1).reshape(-1, 3, 3)


def _parts(angle_rad: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    zero = np.zeros_like(angle_rad)
    return np.cos(angle_rad), np.sin(angle_rad), zero, zero + 1.0


def euler_angles(matrix: FloatArray) -> FloatArray:
    """Return rot, tilt, psi in degrees, (n, 3), of matrices A (n, 3, 3).

    Where the view lies along z, rot is 0 and psi holds the whole turn.
    """
    sideways = np.hypot(matrix[:, 2, 0], matrix[:, 2, 1])
    tilt = np.arctan2(sideways, matrix[:, 2, 2])
    straight = sideways < 1e-9
    rot = np.where(straight, 0.0, np.arctan2(matrix[:, 2, 1], matrix[:, 2, 0]))
    turned = np.arctan2(matrix[:, 1, 2], -matrix[:, 0, 2])
    psi = np.where(straight, np.arctan2(matrix[:, 0, 1], matrix[:, 1, 1]), turned)
    return np.asarray(np.rad2deg(np.stack([rot, tilt, psi], axis=1)))
