"""Paths through the latent: along anchors, or drawn by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def polyline(anchors: Array, count: int) -> NDArray[np.float64]:
    """Return `count` points evenly spaced by length along the line through anchors.

    Parameters
    ----------
    anchors : (A, d)
        At least one; places of a plane or latents.
    count : int

    Returns
    -------
    (count, d) float64
        The first and the last are the first and last anchors.
    """
    corners = np.asarray(anchors, dtype=np.float64)
    steps = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0.0, length[-1], count)
    return np.stack([np.interp(wanted, length, axis) for axis in corners.T], axis=1)


def smoothed(path: Array, count: int, strength: float = 0.05) -> NDArray[np.float64]:
    """Return a hand-drawn path smoothed and evenly spaced, (count, d), its ends kept.

    `strength` is the width of the Gaussian as a share of the length of the path.
    """
    from scipy.ndimage import gaussian_filter1d

    fine = polyline(path, max(4 * count, 256))
    # odd reflection about both ends keeps them where they are
    before, after = 2 * fine[0] - fine[:0:-1], 2 * fine[-1] - fine[-2::-1]
    reflected = np.concatenate([before, fine, after])
    soft = gaussian_filter1d(reflected, max(strength, 0.0) * len(fine) + 1e-9, axis=0)
    return polyline(soft[len(before) : len(before) + len(fine)], count)
