"""A few images as a model will see them, drawn from the whole set, and a picture of them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvae_core.config import DataConfig
from tvae_core.files import write_bytes
from tvae_core.images.facts import drawn
from tvae_core.images.prepared import PreparedStack
from tvae_core.images.stack import ImageStack

FloatImages = NDArray[np.float32]
_SHOWN_PX = 128
_GAP_PX = 2


def as_the_model_sees(
    stack: ImageStack, data: DataConfig, count: int = 10, seed: int = 0
) -> tuple[FloatImages, NDArray[np.int64]]:
    """Return prepared images (n, h, w[, 3]) drawn from the whole set, and their places in it.

    Raises
    ------
    ConfigError, ImageFileError
        The settings do not fit the images, or these cannot be read.
    """
    some = drawn(len(stack), min(count, len(stack)), seed)
    images = np.moveaxis(PreparedStack(stack, data).read(some), 1, -1)
    return (images[..., 0] if images.shape[-1] == 1 else images), some


def picture_of(images: FloatImages, columns: int = 5) -> NDArray[np.uint8]:
    """Return images (n, h, w[, 3]) side by side as one 8-bit picture, enlarged where small.

    All share one range of grey values, that of 99 % of their pixels.
    """
    low, high = (float(v) for v in np.percentile(images, (0.5, 99.5)))
    scaled = np.clip((images - low) / max(high - low, 1e-9), 0, 1)
    pixels = np.rint(255 * scaled).astype(np.uint8)
    times = max(1, _SHOWN_PX // pixels.shape[1])
    pixels = pixels.repeat(times, axis=1).repeat(times, axis=2)
    height, width = pixels.shape[1] + _GAP_PX, pixels.shape[2] + _GAP_PX
    rows = -(-len(pixels) // columns)
    sheet = np.full((rows * height, columns * width, *pixels.shape[3:]), 255, np.uint8)
    for number, image in enumerate(pixels):
        top, left = number // columns * height, number % columns * width
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet


def save_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture as PNG, atomically."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())
