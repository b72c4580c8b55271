"""Images turned upright by their poses, and their averages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.sampling import bilinear, border_mean, padded_images
from tvae_core.geometry import axis_px, pixel_grid_px

Array = NDArray[np.floating]
Images = NDArray[np.float32]

_EDGE = 0.1  # of the radius, over which a soft circle falls
_BLOCK_PIXELS = 1 << 17  # pixels a block: the temporaries stay in the cache


@dataclass(frozen=True)
class ClassAverage:
    """Mean and spread (standard deviation) of images, each (h, w[, 3]), and how many they were."""

    mean: Images
    std: Images
    count: int


def upright(images: Array, angle_rad: Array, shift_px: Array, fill: float | None = None) -> Images:
    """Turn images back by their poses, so that each shows its object at angle 0, shift 0.

    The output at object point u is the image at R(angle) u + shift, by bilinear interpolation:
    20 ms for 1,000 images of 48 x 48 (benchmarks/analysis.py).

    Parameters
    ----------
    images : (n, h, w) or (n, h, w, 3)
    angle_rad : (n,)
        Counter-clockwise.
    shift_px : (n, 2)
        x to the right, y up, in pixels of these images.
    fill : float, optional
        Value outside the image; the mean of each image's border when not given.

    Returns
    -------
    (n, h, w[, 3]) float32
    """
    height, width = images.shape[1:3]
    grid = np.vstack([pixel_grid_px(height, width).T, np.ones(height * width)])
    lines = _sampling_lines(np.asarray(angle_rad), np.asarray(shift_px), height, width)
    result = np.empty(images.shape, dtype=np.float32)
    rows = max(1, _BLOCK_PIXELS // (height * width))
    for start in range(0, len(images), rows):
        block = slice(start, start + rows)
        sources = padded_images(np.asarray(images[block], dtype=np.float32), fill)
        where = (lines[block] @ grid).astype(np.float32)  # (n, 2, h * w): row, column
        result[block] = bilinear(sources, where[:, 0], where[:, 1]).reshape(images[block].shape)
    return result


def upright_fine(
    images: Array, angle_rad: Array, shift_px: Array, fill: float | None = None
) -> Images:
    """Do what `upright` does by cubic splines: sharper, eight times slower, for export.

    Of a random turn and shift, bilinear interpolation leaves 0.81 of the amplitude at half of
    Nyquist and 0.69 at two thirds; cubic splines leave 0.99 and 0.96 (docs/science.md).
    """
    from scipy.ndimage import affine_transform

    height, width = images.shape[1:3]
    lines = _sampling_lines(np.asarray(angle_rad), np.asarray(shift_px), height, width)
    to_pixels = np.array([[0.0, 1.0], [-1.0, 0.0]])  # (row, column) steps -> (x, y)
    centre = np.array([(width - 1) / 2.0, -(height - 1) / 2.0])  # minus (x, y) of the corner
    result = np.empty(images.shape, dtype=np.float32)
    for n, image in enumerate(np.asarray(images, dtype=np.float32)):
        matrix = lines[n, :, :2] @ to_pixels
        offset = lines[n, :, 2] - 1 - lines[n, :, :2] @ centre
        value = float(border_mean(image[None])[0].mean()) if fill is None else fill
        channels = image[..., None] if image.ndim == 2 else image
        turned = [
            affine_transform(channels[..., k], matrix, offset, order=3, cval=value)
            for k in range(channels.shape[-1])
        ]
        result[n] = np.stack(turned, -1).reshape(image.shape)
    return result


def average(
    images: Array, angle_rad: Array, shift_px: Array, fill: float | None = None
) -> ClassAverage:
    """Return the pose-aligned average of images (n, h, w[, 3]); arguments as for `upright`.

    The CTF, where there is one, is not corrected.
    """
    total = AverageAccumulator(images.shape[1:])
    rows = max(1, (1 << 22) // max(1, int(np.prod(images.shape[1:]))))
    for start in range(0, len(images), rows):
        block = slice(start, start + rows)
        total.add(upright(images[block], angle_rad[block], shift_px[block], fill))
    return total.result()


class AverageAccumulator:
    """Running sums of upright images, so that a growing lasso adds only what it newly holds.

    Sums are kept in float64: adding and subtracting the same uint8 images leaves exactly nothing.

    Parameters
    ----------
    shape : tuple of int
        Of one image, (h, w[, 3]).
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._sum = np.zeros(shape)
        self._squares = np.zeros(shape)
        self.count = 0

    def add(self, images: Array) -> None:
        """Add upright images (n, h, w[, 3]) of any type."""
        self._change(images, 1)

    def subtract(self, images: Array) -> None:
        """Take out images that were added."""
        self._change(images, -1)

    def joined(self, other: AverageAccumulator) -> AverageAccumulator:
        """Return the sums of both."""
        both = AverageAccumulator(self._sum.shape)
        both._sum = self._sum + other._sum
        both._squares = self._squares + other._squares
        both.count = self.count + other.count
        return both

    def result(self) -> ClassAverage:
        """Return mean and spread of what is in; zeros when that is nothing."""
        n = max(self.count, 1)
        mean = self._sum / n
        variance = np.maximum(self._squares / n - mean**2, 0.0)
        return ClassAverage(_float32(mean), _float32(np.sqrt(variance)), self.count)

    def _change(self, images: Array, sign: int) -> None:
        flat = np.asarray(images).reshape(len(images), self._sum.size)
        for start in range(0, len(flat), 256):
            part = flat[start : start + 256].astype(np.float64)
            self._sum += sign * part.sum(0).reshape(self._sum.shape)
            self._squares += sign * np.einsum("np,np->p", part, part).reshape(self._sum.shape)
        self.count += sign * len(images)


def soft_circle(side: int) -> Images:
    """Return (side, side), 1 within the inscribed circle, falling to 0 at its edge as a cosine."""
    axis = axis_px(side)
    radius = np.hypot(axis[:, None], axis[None]) / (side / 2)
    share = np.clip((1.0 - radius) / _EDGE, 0.0, 1.0)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * share), dtype=np.float32)


def _sampling_lines(angle: Array, shift: Array, height: int, width: int) -> NDArray[np.float64]:
    """Affine maps (n, 2, 3) from object point (x, y, 1) to (row, column) of the padded image."""
    cos, sin = np.cos(angle, dtype=np.float64), np.sin(angle, dtype=np.float64)
    column = np.stack([cos, -sin, shift[:, 0] + (width - 1) / 2.0 + 1], axis=1)
    row = np.stack([-sin, -cos, (height - 1) / 2.0 - shift[:, 1] + 1], axis=1)
    return np.stack([row, column], axis=1)


def _float32(values: Array) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)
