"""The difference of two decoded images: what changes from a reference to the probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.words import figure

Array = NDArray[Any]
# less than the reference in blue, more in orange: told apart by every kind of colour vision
_LESS, _SAME, _MORE = (64, 148, 255), (22, 24, 28), (255, 158, 44)


@dataclass(frozen=True)
class Reference:
    """A decoded image kept to compare others with, and the z it was decoded from."""

    z: Array
    image: Array


def difference(image: Array, reference: Array) -> Array:
    """Return image less reference, at the pixels of `image` (h, w[, 3])."""
    if reference.shape != image.shape:
        reference = _resized(reference, image.shape[0], image.shape[1])
    return np.asarray(image, dtype=np.float32) - reference


def signed_colours(values: Array, reach: float) -> NDArray[np.uint8]:
    """Return differences (h, w[, 3]) as colours (h, w, 3) uint8; `reach` is full strength.

    The three channels of a colour image count as their mean.
    """
    flat = values.mean(axis=-1) if values.ndim == 3 else values
    share = np.clip(flat / max(reach, 1e-12), -1, 1)[..., None]
    ends = np.where(share < 0, np.array(_LESS), np.array(_MORE))
    return np.asarray(np.rint(np.array(_SAME) + np.abs(share) * (ends - _SAME)), dtype=np.uint8)


def signed_table() -> NDArray[np.uint8]:
    """Return the colours of differences from minus to plus full strength, (256, 3)."""
    return np.asarray(signed_colours(np.linspace(-1.0, 1.0, 256)[None], 1.0)[0], np.uint8)


def range_words(reach: float) -> str:
    """Return in words what the colours of `signed_colours` stand for."""
    return f"blue −{figure(reach)}, orange +{figure(reach)}"


def _resized(image: Array, height: int, width: int) -> Array:
    """Return an image at other pixels, bilinear; pixel centres keep their place in the image."""
    made = np.asarray(image, dtype=np.float32)
    for axis, size in enumerate((height, width)):
        at = (np.arange(size) + 0.5) * made.shape[axis] / size - 0.5
        at = np.clip(at, 0, made.shape[axis] - 1)
        low = np.minimum(at.astype(np.int64), max(made.shape[axis] - 2, 0))
        high = np.minimum(low + 1, made.shape[axis] - 1)
        share = (at - low).reshape((-1,) + (1,) * (made.ndim - axis - 1)).astype(np.float32)
        made = np.take(made, low, axis) * (1 - share) + np.take(made, high, axis) * share
    return made
