"""Pictures with a known pose: Gaussian blobs placed by the rules of `tvae_core.geometry`."""

from __future__ import annotations

import numpy as np

from tvae_core.geometry import pixel_grid_px, to_object_frame

# x, y, weight, in pixels of the object frame; no rotation leaves them as they are
BLOBS = ((8.0, 0.0, 1.0), (-3.0, 7.0, 0.6), (2.0, -6.0, 0.8))


def posed(angle_rad: np.ndarray, shift_px: np.ndarray, side: int = 48) -> np.ndarray:
    """Return images (n, side, side) float32 of the blobs with the given poses."""
    grid = pixel_grid_px(side, side)
    places = to_object_frame(grid, np.asarray(angle_rad), np.asarray(shift_px))
    images = np.zeros(places.shape[:2])
    for x, y, weight in BLOBS:
        distance = (places[..., 0] - x) ** 2 + (places[..., 1] - y) ** 2
        images += weight * np.exp(-distance / (2 * 2.0**2))
    return images.reshape(-1, side, side).astype(np.float32)


def poses(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return random angles (n,) and shifts (n, 2)."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-np.pi, np.pi, n), rng.uniform(-4, 4, (n, 2))


def object_at_rest(side: int = 48) -> np.ndarray:
    """Return the blobs at angle 0, shift 0, (side, side)."""
    return posed(np.zeros(1), np.zeros((1, 2)), side)[0]
