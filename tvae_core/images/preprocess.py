"""What is done to an image before the model sees it, in the order of `Preprocessor.__call__`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.config import DataConfig
from tvae_core.errors import ImageFileError
from tvae_core.geometry import axis_px
from tvae_core.images.fourier import fourier_crop
from tvae_core.images.ranges import set_range
from tvae_core.words import listed

FloatImages = NDArray[np.float32]
Flip = Callable[[FloatImages, NDArray[np.int64]], FloatImages]
_LARGEST_SQUARE = 4096  # px: larger squares are made only of images that fill them
_STRIP = 4
_NAMED = 8  # images an error names
_HOT_SHARE = 1000  # one pixel of so many may lie outside the range of the others
_FEWEST_PIXELS = 64  # of an image that is judged
_HOT_ROOM = 4.0  # ranges of the others that a hot pixel lies beyond them
FLAT_RING = 1e-3  # of the image's deviation: below, the corners hold padding and no noise


class Preprocessor:
    """Turns raw images into what the model sees: bad pixels, CTF, crop, size, contrast, mask.

    Parameters
    ----------
    config : DataConfig
    height, width : int
        Of the raw images, in pixels.
    channels : int
        1 or 3.
    dtype : np.dtype
        Pixel type in the file, whose range is that of the set where none is given.
    where : str
        The file, for errors.
    flip : callable, optional
        Corrects the phases of images (n, C, H, W) of given indices (n,), before anything is cut.

    Attributes
    ----------
    output_side : int
        Pixels along each side of the result.
    channels : int
    scale : float
        Size of an output pixel in input pixels, 2.0 when halved.
    centre_offset_px : (x, y)
        Where the result's centre lies from the raw image's centre, in raw pixels, y up. Not zero
        only when pixels were cut or added without resampling and the sides differ by an odd
        number: then half a pixel.
    mask : (h, w) bool or None
        Pixels that are kept, None when all are.
    bad_pixel_count, constant_count, flat_ring_count : int
        Not finite pixels replaced; images of one value, which become zeros; images whose corners
        hold no noise, whose deviation is taken of the whole image. All since `reset_counts`.

    Raises
    ------
    ImageFileError
        The images are strips whose square is absurdly large.
    """

    def __init__(
        self,
        config: DataConfig,
        height: int,
        width: int,
        channels: int,
        dtype: np.dtype[Any],
        where: str = "",
        flip: Flip | None = None,
    ) -> None:
        self.config = config
        self.channels = channels
        self.where = where
        self._flip = flip
        self._shape = (height, width)
        self._set_range = set_range(config, dtype)
        self._side = config.crop_px or max(height, width)
        _check_square(self._side, height, width, where)
        self.output_side = min(config.downsample_px or self._side, self._side)
        self.scale = self._side / self.output_side
        self.mask = inscribed_circle(self.output_side) if config.mask else None
        self._ring = ~inscribed_circle(self.output_side)
        rows, columns = ((size - self._side) % 2 / 2 for size in self._shape)
        self._residue = (rows, columns)
        resampled = self.output_side < self._side
        self.centre_offset_px = (0.0, 0.0) if resampled else (-columns, rows)
        self.reset_counts()

    @property
    def cut_side(self) -> int:
        """Pixels along each side of the square that is cut out, before any resampling."""
        return self._side

    def reset_counts(self) -> None:
        """Set the three counts to zero."""
        self.bad_pixel_count = 0
        self.constant_count = 0
        self.flat_ring_count = 0

    def __call__(self, raw: FloatImages, indices: NDArray[np.int64] | None = None) -> FloatImages:
        """Return the images the model sees.

        Parameters
        ----------
        raw : (n, H, W) or (n, H, W, 3) float32
        indices : (n,) integers, optional
            What an error calls the images, 0 to n - 1 when absent.

        Returns
        -------
        (n, C, h, w) float32

        Raises
        ------
        ImageFileError
            Bad pixels, and the policy is to refuse them.
        """
        images = self.whole(raw, indices)
        if self._flip is not None:
            images = self._flip(images, np.arange(len(raw)) if indices is None else indices)
        images = centred_square(images, self._side)
        constant = np.ptp(images, axis=(1, 2, 3)) == 0 if len(images) else np.zeros(0, bool)
        self.constant_count += int(constant.sum())
        images = self._resampled(images)
        if self.config.invert:
            images = self._swapped(images)
        images = self._normalised(images, constant)
        if self.mask is not None:
            images = np.where(self.mask, images, np.float32(0))
        return np.ascontiguousarray(images, dtype=np.float32)

    def whole(self, raw: FloatImages, indices: NDArray[np.int64] | None = None) -> FloatImages:
        """Return raw images (n, C, H, W) at their own size, bad pixels replaced or refused."""
        images = np.moveaxis(raw, -1, 1) if raw.ndim == 4 else raw[:, None]  # (n, C, H, W)
        images = self._without_bad_pixels(images, indices)
        return without_hot_pixels(images) if self.config.hot_pixels == "clip" else images

    def _without_bad_pixels(
        self, images: FloatImages, indices: NDArray[np.int64] | None
    ) -> FloatImages:
        good = np.isfinite(images)
        if good.all():
            return images
        count = int(good.size - good.sum())
        if self.config.bad_pixels == "refuse":
            raise self._refuse(good, count, indices)
        self.bad_pixel_count += count
        fill = np.zeros((len(images), 1, 1, 1), np.float32)
        if self.config.bad_pixels == "mean":
            total = np.sum(images, axis=(1, 2, 3), where=good, dtype=np.float64)
            fill[:, 0, 0, 0] = total / np.maximum(good.sum(axis=(1, 2, 3)), 1)
        return np.where(good, images, fill)

    def _refuse(
        self, good: NDArray[np.bool_], count: int, indices: NDArray[np.int64] | None
    ) -> ImageFileError:
        places = np.flatnonzero(~good.all(axis=(1, 2, 3)))
        names = places if indices is None else np.asarray(indices)[places]
        return ImageFileError(
            f"{count} NaN or infinite pixels in image {listed(names, _NAMED)}",
            self.where,
            "set data.bad_pixels to zero or mean",
        )

    def _resampled(self, images: FloatImages) -> FloatImages:
        if self.output_side == self._side:
            return images
        return fourier_crop(images, self.output_side, self._residue)

    def _swapped(self, images: FloatImages) -> FloatImages:
        """Swap dark and bright within the range of the set, or within the image's own."""
        low, high = self._set_range or _range(images)
        return np.asarray(low + high - images, np.float32)

    def _normalised(self, images: FloatImages, constant: NDArray[np.bool_]) -> FloatImages:
        kind = self.config.normalise
        if kind == "none":
            return images
        if kind == "unit":
            images = self._unit(images)
        else:
            images = self._standard(images, constant, ring=kind == "ring")
        return np.where(constant[:, None, None, None], np.float32(0), images)

    def _unit(self, images: FloatImages) -> FloatImages:
        if self._set_range is not None:
            black, white = (np.float32(value) for value in self._set_range)
            return np.asarray(np.clip((images - black) / (white - black), 0, 1), np.float32)
        low, high = _range(images)
        spread = np.where(high > low, high - low, 1).astype(np.float32)
        return (images - low) / spread

    def _standard(
        self, images: FloatImages, constant: NDArray[np.bool_], ring: bool
    ) -> FloatImages:
        """Return zero mean and unit deviation over the image, or over its corners."""
        mean, deviation = _moments(images)
        if ring and self._ring.any():
            mean, corner_deviation = _moments(images[..., self._ring])
            flat = corner_deviation <= FLAT_RING * deviation
            self.flat_ring_count += int((flat & ~constant).sum())
            deviation = np.where(flat, deviation, corner_deviation)
        deviation = np.where(deviation > 0, deviation, 1.0)
        return (images - _per_image(mean)) / _per_image(deviation)


def _check_square(side: int, height: int, width: int, where: str) -> None:
    """Refuse to pad a long strip to a square that takes the memory of a whole set."""
    if side > _LARGEST_SQUARE and side * side > _STRIP * height * width:
        what = f"images of {width} x {height} px are strips: padded, each fills {side} x {side} px"
        raise ImageFileError(what, where, "cut them to a square: data.crop_px")


def hot_pixel_bounds(pixels: FloatImages) -> tuple[FloatImages, FloatImages]:
    """Return the ends of the range that each image's hot pixels are clipped to.

    A pixel in a thousand, one at least, may be hot: it is when it lies more than four times the
    range of all others beyond them. Where nothing varies but such pixels, they are the image.

    Parameters
    ----------
    pixels : (n, P) float32
        Finite.

    Returns
    -------
    low, high : (n,) float32
        Minus and plus infinity where no pixel is hot at that end.
    """
    count = pixels.shape[1]
    free = np.full(len(pixels), np.inf, np.float32)
    few = max(1, count // _HOT_SHARE)
    if not len(pixels) or count < _FEWEST_PIXELS:
        return -free, free
    ordered = np.partition(pixels, (few, count - 1 - few), axis=1)
    low, high = ordered[:, few], ordered[:, count - 1 - few]
    room = _HOT_ROOM * (high.astype(np.float64) - low)
    varies = room > 0
    cold = varies & (pixels.min(axis=1) < low - room)
    hot = varies & (pixels.max(axis=1) > high + room)
    return np.where(cold, low, -free), np.where(hot, high, free)


def without_hot_pixels(images: FloatImages) -> FloatImages:
    """Return images (n, C, H, W) with hot pixels set to the end of the range of all others."""
    flat = images.reshape(len(images), -1)
    low, high = hot_pixel_bounds(flat)
    return np.clip(flat, low[:, None], high[:, None]).reshape(images.shape)


def inscribed_circle(side: int) -> NDArray[np.bool_]:
    """Return (side, side), true where a pixel's centre lies within side / 2 of the image centre."""
    axis = axis_px(side)
    return np.asarray(axis[:, None] ** 2 + axis[None] ** 2 <= (side / 2) ** 2)


def centred_square(images: FloatImages, side: int) -> FloatImages:
    """Cut or pad (n, C, H, W) about the centre to (n, C, side, side).

    Padding takes the median of the image's border, channel by channel.
    """
    height, width = images.shape[2:]
    top, left = (height - side) // 2, (width - side) // 2
    inside = images[:, :, max(top, 0) : max(top, 0) + side, max(left, 0) : max(left, 0) + side]
    if inside.shape[2:] == (side, side):
        return inside
    square = np.empty((*images.shape[:2], side, side), np.float32)
    square[...] = _border_median(images)[:, :, None, None]
    top, left = max(-top, 0), max(-left, 0)
    square[:, :, top : top + inside.shape[2], left : left + inside.shape[3]] = inside
    return square


def _border_median(images: FloatImages) -> FloatImages:
    edges = (images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1])
    return np.asarray(np.median(np.concatenate(edges, axis=2), axis=2), np.float32)


def _range(images: FloatImages) -> tuple[FloatImages, FloatImages]:
    """Return the smallest and largest value of each image, (n, 1, 1, 1)."""
    low = np.min(images, axis=(1, 2, 3), keepdims=True)
    return low, np.max(images, axis=(1, 2, 3), keepdims=True)


def _per_image(values: NDArray[np.float64]) -> FloatImages:
    return values.astype(np.float32).reshape(-1, 1, 1, 1)


def _moments(pixels: FloatImages) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and deviation of each image, in float64: pixels may stand far from zero."""
    axes = tuple(range(1, pixels.ndim))
    return pixels.mean(axis=axes, dtype=np.float64), pixels.std(axis=axes, dtype=np.float64)
