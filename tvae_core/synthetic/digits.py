"""The small digits of scikit-learn, turned and moved: a set that needs no download."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tvae_core.geometry import TWO_PI
from tvae_core.synthetic.options import About, Count, Seed, ShiftStd, Side
from tvae_core.synthetic.plan import ImagePlan, Images, IntArray
from tvae_core.synthetic.transform import place

FloatArray = NDArray[np.floating[Any]]
Float32Array = NDArray[np.float32]

AVAILABLE = 1797
TRAIN = 1500
_FULL_SCALE = 16.0
_UPSCALE = 2
_RADIUS_PX = 10.0

ShiftLimit = Annotated[float, About("largest shift; larger ones are cut to it", 0, 1e4, "px")]


def digits_u(
    count: Count = AVAILABLE,
    seed: Seed = 0,
    side: Side = 24,
    shift_std: ShiftStd = 2.0,
    shift_limit: ShiftLimit = 4.0,
) -> ImagePlan:
    """Plan the digits at angles from U(0, 2 pi) and shifts from N(0, shift_std^2), cut.

    Image i shows digit i modulo 1797 (`source_index`). `test` marks the 297 digits outside the
    first 1,500 of a seeded permutation.
    """
    rng = np.random.default_rng(seed)
    angle_rad = rng.uniform(0.0, TWO_PI, count)
    shift = np.clip(rng.normal(0.0, shift_std, (count, 2)), -shift_limit, shift_limit)
    test_digits = np.ones(AVAILABLE, dtype=bool)
    test_digits[rng.permutation(AVAILABLE)[:TRAIN]] = False
    source = np.arange(count) % AVAILABLE
    upright, labels = upright_digits()

    def render(indices: IntArray) -> Images:
        return np.stack([place(upright[source[i]], angle_rad[i], shift[i], side) for i in indices])

    truth = {
        "image": np.arange(count),
        "angle_rad": angle_rad,
        "shift_x_px": shift[:, 0],
        "shift_y_px": shift[:, 1],
        "label": labels[source],
        "source_index": source,
        "test": test_digits[source],
    }
    return ImagePlan(count, (side, side), truth, render, _RADIUS_PX)


@lru_cache(maxsize=1)
def upright_digits() -> tuple[Float32Array, NDArray[np.int64]]:
    """Return the digits un-turned, (1797, 16, 16) in 0..1, and their labels, (1797,)."""
    from sklearn.datasets import load_digits  # half a second, only needed here

    data = load_digits()
    images = data.images / _FULL_SCALE
    larger = ndimage.zoom(images, (1, _UPSCALE, _UPSCALE), order=1)
    return larger.astype(np.float32), data.target.astype(np.int64)
