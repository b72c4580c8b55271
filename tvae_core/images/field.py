"""A larger image of many objects as a run's model sees its images.

A field has no image of one object to be normalised by: its background is levelled instead, and its
contrast is taken of windows of the model's side (docs/science.md, "Many objects in one image").
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from tvae_core.config import DataConfig
from tvae_core.errors import ConfigError, ImageFileError

FloatImage = NDArray[np.float32]
Float = NDArray[np.float64]

_BLOCK_SIDES = 2  # windows along a block whose median is its background
_HIGH_SHARE = 0.75  # of windows are below the one whose contrast is taken: few hold no object
_NORMAL_MAD = 1.4826


@dataclass(frozen=True)
class Field:
    """A field in the model's pixels, its background at zero.

    Parameters
    ----------
    values : (C, h, w) float32
    scale : (x, y)
        Size of its pixel in pixels of the file, along x and y.
    raw_shape : (H, W)
        Of the image in the file.
    """

    values: FloatImage
    scale: tuple[float, float]
    raw_shape: tuple[int, int]

    def raw_places(self, places_px: Float) -> Float:
        """Return places (n, 2) from the centre, y up, in pixels of the file."""
        return np.asarray(places_px * np.array(self.scale))


def prepare_field(
    raw: FloatImage, config: DataConfig, side: int, scale: float, dtype: np.dtype[Any]
) -> Field:
    """Return a field as the model sees its images.

    Parameters
    ----------
    raw : (H, W) or (H, W, 3) float32
    config : DataConfig
        How the run's own images were prepared.
    side : int
        Of the model's images, its pixels.
    scale : float
        The model's pixel over the file's. Sizes are rounded to whole pixels, and `Field.scale`
        is what became of it.
    dtype : np.dtype
        Pixel type in the file.

    Raises
    ------
    ConfigError
        The field is smaller than one window, or the scale is not positive.
    ImageFileError
        Bad pixels, and the policy is to refuse them.
    """
    if not scale > 0:
        raise ConfigError(f"a scale of {scale} model pixels a pixel")
    values = np.moveaxis(raw, -1, 0) if raw.ndim == 3 else raw[None]  # (C, H, W)
    values = _without_bad_pixels(values, config)
    height, width = values.shape[1:]
    shape = (round(height / scale), round(width / scale))
    if min(shape) < side:
        raise ConfigError(
            f"a field of {shape[0]} x {shape[1]} model pixels is smaller than one image, {side}",
            todo="take a larger image, or set --scale",
        )
    for axis, size in enumerate(shape, 1):
        values = resampled(values, size, axis)
    eight_bit = dtype.kind == "u" and dtype.itemsize == 1
    if config.invert:
        values = -values
    values = values - background(values, _BLOCK_SIDES * side)
    contrast = _contrast(values, config.normalise, side, eight_bit)
    found = np.ascontiguousarray(values / np.float32(contrast), dtype=np.float32)
    return Field(found, (width / shape[1], height / shape[0]), (height, width))


def _without_bad_pixels(values: FloatImage, config: DataConfig) -> FloatImage:
    good = np.isfinite(values)
    if good.all():
        return values
    if config.bad_pixels == "refuse":
        count = int(good.size - good.sum())
        raise ImageFileError(
            f"{count} NaN or infinite pixels", "the field", "set --bad-pixels to zero or mean"
        )
    fill = np.float32(0 if config.bad_pixels == "zero" else np.mean(values[good]))
    return np.where(good, values, fill)


def resampled(values: FloatImage, size: int, axis: int) -> FloatImage:
    """Return values resampled to `size` along an axis, band-limited; the centre stays the centre.

    The same convention as `fourier.fourier_crop`, for one axis, and to more pixels as well.
    """
    old = values.shape[axis]
    if size == old:
        return values
    spectrum = np.moveaxis(fft.fft(values, axis=axis), axis, -1)
    k = np.rint(fft.fftfreq(size) * size).astype(np.int64)
    kept = (2 * np.abs(k) < old) & (2 * np.abs(k) < size)
    phase = np.exp(2j * np.pi * k * (0.5 / size - 0.5 / old)) * (size / old)
    cut = np.where(kept, spectrum[..., np.where(kept, k, 0)] * phase, 0)
    return np.moveaxis(fft.ifft(cut, axis=-1).real.astype(np.float32), -1, axis)


def background(values: FloatImage, block_px: int) -> FloatImage:
    """Return the slowly varying background of (C, h, w): medians of blocks, joined linearly.

    Objects that cover less than half of a block leave its median alone.
    """
    _, height, width = values.shape
    rows, columns = max(1, round(height / block_px)), max(1, round(width / block_px))
    y, x = np.linspace(0, height, rows + 1), np.linspace(0, width, columns + 1)
    ys, xs = np.rint(y).astype(int), np.rint(x).astype(int)
    found = np.empty_like(values)
    at_rows = np.clip((np.arange(height) + 0.5) * rows / height - 0.5, 0, rows - 1)
    at_columns = np.clip((np.arange(width) + 0.5) * columns / width - 0.5, 0, columns - 1)
    where = np.meshgrid(at_rows, at_columns, indexing="ij")
    for channel, plane in enumerate(values):
        medians = np.array(
            [
                [np.median(plane[a:b, c:d]) for c, d in itertools.pairwise(xs)]
                for a, b in itertools.pairwise(ys)
            ]
        )
        found[channel] = ndimage.map_coordinates(medians, where, order=1, mode="nearest")
    return found


def _contrast(values: FloatImage, kind: str, side: int, eight_bit: bool) -> float:
    """Return what the levelled field is divided by, as the run's images were."""
    if kind == "none":
        return 1.0
    if kind == "unit" and eight_bit:
        return 255.0
    windows = _windows(values, side)
    if kind == "unit":
        found = float(np.quantile(np.ptp(windows, axis=(1, 2)), _HIGH_SHARE))
    elif kind == "image":
        found = float(np.quantile(windows.std(axis=(1, 2)), _HIGH_SHARE))
    else:
        found = _NORMAL_MAD * float(np.median(np.abs(values)))
    if found > 0:
        return found
    largest = float(np.ptp(values))
    return largest if largest > 0 else 1.0


def _windows(values: FloatImage, side: int) -> FloatImage:
    """Return the windows of `side` pixels that lie side by side, (n, side, side)."""
    channels, height, width = values.shape
    rows, columns = height // side, width // side
    inside = values[:, : rows * side, : columns * side]
    tiles = inside.reshape(channels, rows, side, columns, side).transpose(0, 1, 3, 2, 4)
    return tiles.reshape(-1, side, side)
