"""What the display tags of pictures ask for: white at zero, turned, transparent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
SIDEWAYS = (5, 6, 7, 8)  # orientations of EXIF and TIFF that swap rows and columns


def white_is_zero(pixels: Pixels) -> Pixels:
    """Return values stored with white at zero as they are seen: bright is large."""
    if pixels.dtype.kind == "b":
        return ~pixels
    if pixels.dtype.kind == "u":
        return np.asarray(np.iinfo(pixels.dtype).max - pixels)
    return np.asarray(-1 - pixels if pixels.dtype.kind == "i" else -pixels)


def oriented(pixels: Pixels, orientation: int) -> Pixels:
    """Return a picture (H, W[, 3]) as its orientation, 1 to 8 as in EXIF, says it is to be seen."""
    if orientation in (2, 3):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4):
        pixels = pixels[::-1]
    if orientation in SIDEWAYS:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (7, 8):
        pixels = pixels[::-1]
    return pixels


def over(colours: Pixels, alpha: Pixels, background: int) -> Pixels:
    """Return colours (H, W, K) laid over a background of one value, by alpha (H, W).

    Both are whole numbers of one type, 0 to its largest value.
    """
    full = np.iinfo(colours.dtype).max
    share = alpha[..., None].astype(np.float64) / full
    seen = share * colours + (1 - share) * background
    return np.rint(seen).astype(colours.dtype)
