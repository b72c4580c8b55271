"""The images of a store at their own size, in the grey levels of its thumbnails."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.averages import upright
from tvae_core.images.fourier import fourier_crop
from tvae_core.images.prepared import PreparedStack
from tvae_core.images.preprocess import Preprocessor, inscribed_circle
from tvae_core.images_of import open_images_of
from tvae_core.store import EmbeddingStore

Array = NDArray[Any]
Levels = NDArray[np.uint8]


class Originals:
    """The images that a store was made of, with as many pixels as are asked for.

    What was done to an image for the model is done here at another size: bad pixels, crop, contrast
    and mask. Its levels are then those of the image that the thumbnail was made of: a gain and an
    offset, fitted to it, take out what normalising at another size changes. So a thumbnail and its
    original differ in nothing but detail.

    Parameters
    ----------
    store_path : Path
        Opened anew: this is for a thread of its own.

    Raises
    ------
    StoreError
        The store cannot be read.
    ImageFileError
        The images cannot be opened, or are not the images of this store.

    Attributes
    ----------
    side : int
        Pixels along each side of an original, cropped as for the model.
    """

    def __init__(self, store_path: Path) -> None:
        with EmbeddingStore(store_path) as store:
            self._angle_rad, self._shift_px = store.angle_rad, store.shift_px
            self._range = store.thumbnail_range
            self._data = store.header.config.data
            self._known = open_images_of(store)
        self._model = self._preprocessor(self._data.downsample_px)
        self.side = self._model.cut_side

    def read(self, kind: str, numbers: Array, side: int) -> Levels:
        """Return originals (n, s, s[, 3]) of `side` pixels, or of their own where they have fewer.

        Parameters
        ----------
        kind : str
            `raw`, or `upright`: turned back by the poses that the model inferred.

        Raises
        ------
        ImageFileError
            One is missing, or is not what the model saw.
        """
        raw = self._known.read(numbers)
        seen = self._model(raw, numbers)
        fine = self._preprocessor(min(side, self.side))
        images = _as_seen(fine(raw, numbers), seen, fine.centre_offset_px)
        if self._data.mask:
            images = np.where(inscribed_circle(fine.output_side), images, np.float32(0))
        images = np.moveaxis(images, 1, -1)
        images = images[..., 0] if images.shape[-1] == 1 else images
        if kind == "upright":
            images = upright(images, self._angle_rad[numbers], self._shifts(numbers, fine))
        low, high = self._range
        scaled = np.clip((images - low) / (high - low), 0, 1) * 255
        return np.asarray(np.rint(scaled), np.uint8)

    def _preprocessor(self, side: int) -> Preprocessor:
        data = self._data.model_copy(update={"downsample_px": side, "mask": False})
        return PreparedStack(self._known, data).preprocessor

    def _shifts(self, numbers: Array, fine: Preprocessor) -> Array:
        """Return shifts in pixels of `fine` from its own centre, which may be half a pixel off."""
        model = self._model
        from_raw = self._shift_px[numbers] * model.scale + np.array(model.centre_offset_px)
        return np.asarray((from_raw - np.array(fine.centre_offset_px)) / fine.scale)

    def close(self) -> None:
        """Close the images."""
        self._known.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _as_seen(images: Array, seen: Array, offset_px: tuple[float, float]) -> Array:
    """Return images (n, C, s, s) with gain and offset such that, made small, they are as `seen`.

    Parameters
    ----------
    offset_px : (x, y)
        Where the centre of `images` lies from that of the raw ones, in their pixels, y up.
    """
    side = min(images.shape[-1], seen.shape[-1])
    if images.shape == seen.shape:
        return seen
    if side < images.shape[-1]:
        flat = fourier_crop(images, side, (offset_px[1], -offset_px[0]))
    else:
        flat, seen = images, fourier_crop(seen, side)
    mean, aim = _means(flat), _means(seen)
    spread = _means((flat - mean) ** 2)
    common = _means((flat - mean) * (seen - aim))
    gain = np.where(spread > 0, common / np.where(spread > 0, spread, 1), 1)
    return np.asarray((images - mean) * gain + aim, np.float32)


def _means(images: Array) -> Array:
    return np.asarray(images.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64))
