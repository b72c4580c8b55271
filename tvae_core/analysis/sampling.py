"""Image values between pixels: the quick sampler that upright images and polar rings share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]


def padded_images(images: Images, fill: float | None) -> Images:
    """Return images (n, h + 3, w + 3[, 3]): one pixel before and two after, of the fill value.

    `fill` is the mean of each image's border when not given. What lies outside an image then needs
    no special case in `bilinear`: places are clipped into the padding.
    """
    n, height, width = images.shape[:3]
    rest = images.shape[3:]
    value = border_mean(images) if fill is None else np.full((n, *rest), fill, np.float32)
    padded = np.empty((n, height + 3, width + 3, *rest), dtype=np.float32)
    padded[:] = value[:, None, None]
    padded[:, 1:-2, 1:-2] = images
    return padded


def border_mean(images: Images) -> Images:
    """Return the mean over the outermost pixels of each image (n, h, w[, 3]), as (n[, 3])."""
    edges = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    mean: Images = np.concatenate(edges, axis=1).mean(1, dtype=np.float32)
    return mean


def bilinear(padded: Images, row: Images, column: Images) -> Images:
    """Sample padded images at places (n, P) by bilinear interpolation.

    `row` and `column` count from the corner of the padding and are clipped in place. Returns
    (n, P[, 3]).
    """
    n, height, width = padded.shape[:3]
    np.clip(row, 0, height - 2, out=row)
    np.clip(column, 0, width - 2, out=column)
    top, left = row.astype(np.int32), column.astype(np.int32)
    down, right = row - top, column - left
    index = top * np.int32(width) + left
    index += (np.arange(n, dtype=np.int32) * np.int32(height * width))[:, None]
    flat = padded.reshape(n * height * width, *padded.shape[3:])
    if flat.ndim == 2:
        down, right = down[..., None], right[..., None]
    return _blend(
        _blend(flat.take(index, axis=0), flat[1:].take(index, axis=0), right),
        _blend(flat[width:].take(index, axis=0), flat[width + 1 :].take(index, axis=0), right),
        down,
    )


def _blend(first: Images, second: Images, share: Images) -> Images:
    second -= first
    second *= share
    second += first
    return second


def polar_rings(images: Images, steps: int, centre_px: Images | None = None) -> Images:
    """Sample images (n, h, w) on rings around their centres, (n, radii, steps) float32.

    Ring k has radius k + 1 px; step a lies at the angle 2 pi a / steps, counter-clockwise from x.
    Outside an image its border mean stands.

    Parameters
    ----------
    centre_px : (n, 2), optional
        Centres (x, y) from the image centre, y up; the image centre when not given.
    """
    n, height, width = images.shape
    radii = np.arange(1.0, min(height, width) / 2)
    angle = np.arange(steps) * 2 * np.pi / steps
    x, y = np.outer(radii, np.cos(angle)).ravel(), np.outer(radii, np.sin(angle)).ravel()
    centre = np.zeros((n, 2)) if centre_px is None else np.asarray(centre_px, dtype=np.float64)
    row = ((height - 1) / 2.0 + 1 - y)[None] - centre[:, 1:]
    column = ((width - 1) / 2.0 + 1 + x)[None] + centre[:, :1]
    source = padded_images(np.ascontiguousarray(images, dtype=np.float32), None)
    values = bilinear(source, row.astype(np.float32), column.astype(np.float32))
    return values.reshape(n, len(radii), steps)
