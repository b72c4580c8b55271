"""A larger image of many objects as a run's model sees its images.

A field has no image of one object to be normalised by: its background is levelled instead, and its
contrast is taken of windows of the model's side about what stands out of it (docs/science.md, "Many
objects in one image").
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from tvae_core.config import BadPixels, DataConfig
from tvae_core.errors import ConfigError, ImageFileError
from tvae_core.images.preprocess import FLAT_RING
from tvae_core.images.ranges import set_range

FloatImage = NDArray[np.float32]
Float = NDArray[np.float64]

_BLOCK_SIDES = 2  # windows along a block whose median is its background
_NORMAL_MAD = 1.4826
_NOTHING = 1e-3  # of the field's range: a contrast below is that of rounding
_OVER_NOISE = 1.5  # noise deviations: the root mean square about a place that holds an object
_FAINT = 0.05  # of the strongest place: below it are ripples of resampling, without any noise
_TOP_SHARE = 0.05  # of the places are taken where none stands out from the noise
_MOST_WINDOWS = 512


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
    raw: FloatImage,
    config: DataConfig,
    side: int,
    scale: float,
    dtype: np.dtype[Any],
    where: str = "the field",
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
    where : str
        File and image, for errors.

    Raises
    ------
    ConfigError
        The field is smaller than one window, or the scale is not positive.
    ImageFileError
        As `without_bad_pixels`.
    """
    if not scale > 0:
        raise ConfigError(f"a scale of {scale} model pixels per pixel")
    raw = without_bad_pixels(raw, config.bad_pixels, where)
    values = np.moveaxis(raw, -1, 0) if raw.ndim == 3 else raw[None]  # (C, H, W)
    height, width = values.shape[1:]
    shape = (round(height / scale), round(width / scale))
    if min(shape) < side:
        raise ConfigError(
            f"a field of {shape[0]} x {shape[1]} model pixels is smaller than one image, {side}",
            todo="use a larger image, or set --scale",
        )
    for axis, size in enumerate(shape, 1):
        values = resampled(values, size, axis)
    # whole numbers have the run's units; floats of a field seldom have those of its cut-outs
    of_set = set_range(config, dtype) if dtype.kind in "iu" else None
    if config.invert:
        values = -values
    ground = background(values, _BLOCK_SIDES * side)
    values = values - ground
    if config.normalise == "none":
        contrast = 1.0
    elif config.normalise == "unit" and of_set is not None:
        contrast = of_set.high - of_set.low
    else:
        contrast = _contrast(values, ground, config.normalise, side)
    found = np.ascontiguousarray(values / np.float32(contrast), dtype=np.float32)
    return Field(found, (width / shape[1], height / shape[0]), (height, width))


def without_bad_pixels(raw: FloatImage, policy: BadPixels, where: str) -> FloatImage:
    """Return a field, of any shape, with its NaN and infinite pixels replaced.

    Raises
    ------
    ImageFileError
        There are such pixels and the policy is to refuse them, or there are no others.
    """
    good = np.isfinite(raw)
    if good.all():
        return raw
    if not good.any():
        raise ImageFileError("every pixel is NaN or infinite", where)
    if policy == "refuse":
        raise ImageFileError(
            f"{good.size - good.sum()} NaN or infinite pixels",
            where,
            "give `tvae detect` the option --bad-pixels mean, or zero",
        )
    fill = 0.0 if policy == "zero" else np.mean(raw, where=good, dtype=np.float64)
    return np.where(good, raw, np.float32(fill))


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


def _contrast(values: FloatImage, ground: FloatImage, kind: str, side: int) -> float:
    """Return what a levelled field (C, h, w) is divided by, as one image of an object would be.

    `ground` (C, h, w) is the background taken off. Of one image, deviation and range are over all
    channels at once, and hence also of how the background differs between channels.
    """
    windows = _object_windows(values, ground, side)
    ranges, deviations = np.ptp(windows, axis=(1, 2, 3)), windows.std(axis=(1, 2, 3))
    found = float(np.median(ranges if kind == "unit" else deviations)) if len(windows) else 0.0
    if kind == "ring":
        between = np.std(np.median(ground, axis=(1, 2)))
        corners = float(np.hypot(noise_deviation(values), between))
        found = found if corners <= FLAT_RING * found else corners
    largest = float(np.ptp(values))
    if found > _NOTHING * largest:
        return found
    return largest if largest > 0 else 1.0


def noise_deviation(values: FloatImage) -> float:
    """Return the deviation of the noise of a levelled field; objects cover less than half of it."""
    return _NORMAL_MAD * float(np.median(np.abs(values)))


def _object_windows(values: FloatImage, ground: FloatImage, side: int) -> FloatImage:
    """Return windows (n, C, side, side) about what the field holds, each above its background.

    Most of a field may be empty, so windows are not taken side by side: they lie about the peaks of
    the local mean square that stand out from the noise, or about the highest few where none does.
    """
    height, width = values.shape[1:]
    centres = _standing_out(values, max(3, side // 2))
    top_left = np.clip(centres - side // 2, 0, [height - side, width - side])
    windows = np.empty((len(centres), len(values), side, side), np.float32)
    for window, (row, column) in zip(windows, top_left.tolist(), strict=True):
        window[...] = values[:, row : row + side, column : column + side]
        window += ground[:, row + side // 2, column + side // 2, None, None]
    return windows


def _standing_out(values: FloatImage, box_px: int) -> NDArray[np.int64]:
    """Return (row, column) of peaks of the mean square over boxes that hold something, (n, 2)."""
    energy = ndimage.uniform_filter((values**2).mean(0), box_px, mode="constant")
    highest = ndimage.maximum_filter(energy, box_px | 1)
    places = np.argwhere((energy >= highest) & (energy > 0))
    deviation = np.sqrt(energy[tuple(places.T)])
    order = np.argsort(-deviation, kind="stable")
    places, deviation = places[order], deviation[order]
    if not len(places):
        return places
    least = max(_OVER_NOISE * noise_deviation(values), _FAINT * float(deviation[0]))
    count = int(np.sum(deviation > least)) or max(1, round(_TOP_SHARE * len(places)))
    few = np.linspace(0, count - 1, min(count, _MOST_WINDOWS))
    return places[np.rint(few).astype(np.int64)]
