"""Placing an object in an image at a known pose, and finding it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tvae_core.geometry import pixel_grid_px, rotation_matrix, to_object_frame

FloatArray = NDArray[np.floating[Any]]
Float32Array = NDArray[np.float32]
PointFunction = Callable[[FloatArray], FloatArray]

# Zeros around the object: a cubic spline then falls to nothing instead of breaking off at the edge.
_MARGIN_PX = 2


def place(
    source: FloatArray | PointFunction,
    angle_rad: float,
    shift_px: tuple[float, float] | FloatArray,
    side: int,
    order: Literal[1, 3] = 3,
) -> Float32Array:
    """Return a square image of an object turned by +angle, then moved by shift.

    Parameters
    ----------
    source : (H, W) or (H, W, 3), or a function of points
        The object on a background of zero, its centre at the array's; or the object as a function
        of (P, 2) points in pixels, x right and y up, that returns (P,) or (P, 3).
    angle_rad : float
        Counter-clockwise, y up (`tvae_core.geometry`).
    shift_px : (2,)
        (x, y), y up.
    side : int
        Side of the image returned, pixels.
    order : 1 or 3
        Of the spline; 3 is prefiltered.

    Returns
    -------
    (side, side) or (side, side, 3) float32
        Clipped to the range of the source array and zero.
    """
    if callable(source):
        return _sample(source, angle_rad, np.asarray(shift_px), side)
    if source.ndim == 3:
        channels = [place(source[..., k], angle_rad, shift_px, side, order) for k in range(3)]
        return np.stack(channels, axis=-1)
    padded = np.pad(source.astype(np.float64), _MARGIN_PX)
    turn = rotation_matrix(-angle_rad)[::-1, ::-1]  # of (row, column), rows down
    turn = turn * np.array([[1.0, -1.0], [-1.0, 1.0]])
    moved_by = np.array([shift_px[1], -shift_px[0]])
    centre_in = (np.array(padded.shape) - 1) / 2.0
    offset = turn @ (moved_by - (side - 1) / 2.0) + centre_in
    image = ndimage.affine_transform(padded, turn, offset, (side, side), order=order)
    return np.asarray(np.clip(image, padded.min(), padded.max()), dtype=np.float32)


def turn_back(
    image: FloatArray, angle_rad: float, shift_px: tuple[float, float] | FloatArray, side: int
) -> Float32Array:
    """Undo `place`: return the object upright and centred, (side, side[, 3]) float32."""
    back = -rotation_matrix(-angle_rad) @ np.asarray(shift_px, dtype=np.float64)
    return place(image, -angle_rad, back, side)


def _sample(
    function: PointFunction, angle_rad: float, shift_px: FloatArray, side: int
) -> Float32Array:
    points = pixel_grid_px(side, side)
    values = function(to_object_frame(points, np.array([angle_rad]), shift_px[None])[0])
    return values.reshape(side, side, *values.shape[1:]).astype(np.float32)
