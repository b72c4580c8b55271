"""A look at the raw images before anything runs: a few of them, their numbers, their histogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tvae_core.images.values import ValueFacts, facts_of

_SAMPLED = 256
_SHOWN = 16
_MOST_PIXELS = 1 << 26  # held at once
_BINS = 96


class Images(Protocol):
    """What a look needs of an image stack."""

    def __len__(self) -> int: ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type in the file."""

    @property
    def pixel_size_angstrom(self) -> float | None:
        """Width of a pixel, None when the file does not tell."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the reader has to say about the file."""

    def read(self, indices: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
        """Return images, shape (n, H, W) or (n, H, W, channels)."""

    def close(self) -> None:
        """Let go of the file."""


@dataclass(frozen=True)
class ImageLook:
    """What is shown of a stack.

    Attributes
    ----------
    samples : float32 (n, H, W)
        A few raw images spread over the stack, channels averaged.
    low, high : float
        Contrast limits: percentiles 0.5 and 99.5 of the sampled pixels.
    counts, edges : int64 (bins), float64 (bins + 1)
        Histogram of the sampled pixels.
    object_px : int or None
        Rough width of what differs from image to image; None when it cannot be told.
    values : ValueFacts
        What the sampled values are like.
    has_table : bool
        Whether a particle table says more of each image, such as its CTF.
    """

    path: str
    images: int
    height: int
    width: int
    channels: int
    samples: NDArray[np.float32]
    low: float
    high: float
    mean: float
    deviation: float
    counts: NDArray[np.int64]
    edges: NDArray[np.float64]
    sampled: int
    values: ValueFacts
    object_px: int | None = None
    pixel_size_angstrom: float | None = None
    remarks: tuple[str, ...] = ()
    has_table: bool = False

    @property
    def side(self) -> int:
        """The longer side in pixels."""
        return max(self.height, self.width)

    @property
    def headline(self) -> str:
        """Count and size in words."""
        colour = f", {self.channels} channels" if self.channels > 1 else ""
        noun = "image" if self.images == 1 else "images"
        return f"{self.images:,} {noun} of {self.width} × {self.height} px{colour}"

    @property
    def bad_pixels(self) -> int:
        """Sampled pixels that are NaN or infinite."""
        return self.values.bad_pixels


def look_at(stack: Images, path: str) -> ImageLook:
    """Return the look at a stack, reading at most 256 images of it."""
    total = len(stack)
    pixels_each = max(1, int(np.prod(stack.read(np.zeros(1, np.int64)).shape)))
    sampled = min(total, _SAMPLED, max(_SHOWN, _MOST_PIXELS // pixels_each))
    indices = np.unique(np.linspace(0, total - 1, sampled).astype(np.int64))
    pixels = np.asarray(stack.read(indices), dtype=np.float32)
    values = facts_of(total, stack.dtype)
    values.add(pixels)
    finite = pixels[np.isfinite(pixels)]
    low, high = _limits(finite)
    inside = finite[(finite >= low) & (finite <= high)]
    counts, edges = np.histogram(inside, bins=_BINS, range=(low, high))
    few = np.unique(np.linspace(0, len(indices) - 1, _SHOWN).astype(np.int64))
    height, width = pixels.shape[1:3]
    return ImageLook(
        path=path,
        images=total,
        height=height,
        width=width,
        channels=pixels.shape[3] if pixels.ndim == 4 else 1,
        samples=_grey(pixels[few]),
        low=low,
        high=high,
        mean=float(finite.mean(dtype=np.float64)) if finite.size else 0.0,
        deviation=float(finite.std(dtype=np.float64)) if finite.size else 0.0,
        counts=counts.astype(np.int64),
        edges=edges.astype(np.float64),
        sampled=len(indices),
        values=values,
        object_px=object_width(_grey(pixels)),
        pixel_size_angstrom=stack.pixel_size_angstrom,
        remarks=tuple(stack.remarks),
        has_table=getattr(stack, "table", None) is not None,  # arrays of Python callers have none
    )


def object_width(images: NDArray[np.float32]) -> int | None:
    """Return the rough width in pixels of what varies in a stack, None when all of it does.

    The variance over the images is compared with that of the corners: the disc that holds 90 % of
    what exceeds it is the object, with its shifts.
    """
    if len(images) < 8 or min(images.shape[1:]) < 8:
        return None
    variance = images.astype(np.float64).var(axis=0)
    height, width = variance.shape
    y, x = np.indices(variance.shape)
    radius = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
    corners = radius > min(height, width) / 2
    floor = variance[corners].mean() + 2 * variance[corners].std()
    excess = np.where(corners, 0, np.clip(variance - floor, 0, None))
    if excess.sum() <= 0.05 * variance.sum():
        return None
    shells = np.bincount(radius.astype(int).ravel(), weights=excess.ravel())
    share = np.cumsum(shells) / shells.sum()
    return int(2 * (np.searchsorted(share, 0.9) + 1))


def _limits(pixels: NDArray[np.float32]) -> tuple[float, float]:
    if not pixels.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(pixels, (0.5, 99.5)))
    if high <= low:
        low, high = float(pixels.min()), float(pixels.max())
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _grey(images: NDArray[np.float32]) -> NDArray[np.float32]:
    grey = images.mean(axis=3) if images.ndim == 4 else images
    return np.nan_to_num(grey.astype(np.float32), posinf=0.0, neginf=0.0)
