"""The one page of sign and unit conventions.

Pixels; origin at the image centre; x to the right, y up; angles counter-clockwise in radians.
Row 0 of an array is the top of the image, so y falls as the row index grows. An image with pose
(angle, shift) shows the object turned by +angle, then moved by shift: a point u of the object
appears at x = R(angle) u + shift, and the generator is evaluated at u = R(-angle)(x - shift)
(paper section 3.3.2, which writes the same map as R(theta) x + t with its own signs).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
TWO_PI = 2.0 * np.pi


def axis_px(size: int) -> FloatArray:
    """Return pixel positions along x, (size,), in pixels from the image centre."""
    return np.arange(size, dtype=np.float64) - (size - 1) / 2.0


def pixel_grid_px(height: int, width: int) -> FloatArray:
    """Return pixel centres as (height * width, 2) rows of (x, y) in pixels, y up."""
    y, x = np.meshgrid(-axis_px(height), axis_px(width), indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def rotation_matrix(angle_rad: FloatArray | float) -> FloatArray:
    """Return R(angle), (..., 2, 2): counter-clockwise rotation of (x, y) column vectors."""
    angle = np.asarray(angle_rad, dtype=np.float64)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)


def wrap_angle(angle_rad: FloatArray | float) -> FloatArray:
    """Return the same angle in [-pi, pi)."""
    return (np.asarray(angle_rad, dtype=np.float64) + np.pi) % TWO_PI - np.pi


def group_angles(rotations: int) -> FloatArray:
    """Return the angles r 2 pi / R of the cyclic group C_R, (R,), wrapped to [-pi, pi)."""
    return wrap_angle(np.arange(rotations) * TWO_PI / rotations)


def composed_pose(
    angle_rad: FloatArray, shift_px: FloatArray, inner_angle_rad: FloatArray, inner_px: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the pose (n,), (n, 2) of what stands at an inner pose in what stands at an outer one.

    x = R(a) (R(d) v + s) + t, so the angle is a + d and the shift t + R(a) s.
    """
    angle = np.asarray(angle_rad, dtype=np.float64)
    turned = (rotation_matrix(angle) @ np.asarray(inner_px, np.float64)[..., None])[..., 0]
    return wrap_angle(angle + inner_angle_rad), np.asarray(shift_px) + turned


def to_object_frame(
    points_px: FloatArray, angle_rad: FloatArray, shift_px: FloatArray
) -> FloatArray:
    """Map image points x to object points u = R(-angle)(x - shift).

    Parameters
    ----------
    points_px : (P, 2)
    angle_rad : (B,)
    shift_px : (B, 2)

    Returns
    -------
    (B, P, 2)
    """
    moved = points_px[None] - np.asarray(shift_px)[:, None]
    return (rotation_matrix(-np.asarray(angle_rad))[:, None] @ moved[..., None])[..., 0]


def shift_cells_per_axis(side: int, kernel: int, reach_px: float, pitch: int) -> int:
    """Return the number of shift cells along x and along y.

    Parameters
    ----------
    side, kernel : int
        Sides in pixels of the image and of the lifting kernel.
    reach_px : float
        Cells further from the centre along an axis are left out; 0 keeps all.
    pitch : int
        Pixels from one cell to the next.
    """
    whole = (side - 1) / 2
    reach = reach_px if 0 < reach_px < whole else whole
    count = int(2 * reach / pitch) + 1
    if (kernel - side + pitch * (count - 1)) % 2:  # no places of this kernel
        count += -1 if count > 1 else 1
    return count
