"""What there is to say about a stack, for the user."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tvae_core.images.opening import open_stack
from tvae_core.images.stack import FloatImages, ImageStack

_BYTES_A_READ = 32 << 20
_SAMPLE = 1000


@dataclass
class _Statistics:
    """Counts over all images, and the range and mean of a sample of them."""

    step: int
    bad_pixels: int = 0
    bad_images: int = 0
    constants: int = 0
    low: float = field(default=np.inf)
    high: float = field(default=-np.inf)
    total: float = 0.0
    pixels: int = 0

    def add(self, images: FloatImages, first: int) -> None:
        """Take in images (n, H, W[, 3]), the first of which has number `first`."""
        flat = images.reshape(len(images), -1)
        good = np.isfinite(flat)
        whole = good.all(axis=1)
        self.bad_pixels += int(flat.size - good.sum())
        self.bad_images += int((~whole).sum())
        constant = flat.min(axis=1) == flat.max(axis=1)
        self.constants += int((whole & constant).sum())
        sampled = (np.arange(first, first + len(flat)) % self.step) == 0
        self._measure(flat[sampled][good[sampled]])

    def _measure(self, values: FloatImages) -> None:
        if values.size:
            self.low = min(self.low, float(values.min()))
            self.high = max(self.high, float(values.max()))
            self.total += float(values.sum(dtype=np.float64))
            self.pixels += values.size


def describe(path: Path | str, dataset: str = "", image_root: str = "") -> dict[str, Any]:
    """Return what there is to say about a stack; every image is read once.

    Returns
    -------
    dict
        `path`, `kind`, `count`, `height`, `width` (pixels), `channels`, `dtype`,
        `pixel_size_angstrom` (or None), `files` (number), `label_counts` (or None), `min`, `max`
        and `mean` over about a thousand images spread over the stack (None when no pixel is
        finite), `bad_pixels`, `bad_images` and `constant_images` over all, `remarks`.

    Raises
    ------
    ImageFileError
        As `open_stack`.
    """
    with open_stack(path, dataset=dataset, image_root=image_root) as stack:
        found = _statistics(stack)
        return _form(stack) | {
            "min": found.low if found.pixels else None,
            "max": found.high if found.pixels else None,
            "mean": found.total / found.pixels if found.pixels else None,
            "bad_pixels": found.bad_pixels,
            "bad_images": found.bad_images,
            "constant_images": found.constants,
            "remarks": list(stack.remarks),
        }


def _form(stack: ImageStack) -> dict[str, Any]:
    return {
        "path": str(stack.path),
        "kind": stack.kind,
        "count": len(stack),
        "height": stack.height,
        "width": stack.width,
        "channels": stack.channels,
        "dtype": stack.dtype.newbyteorder("=").name,
        "pixel_size_angstrom": stack.pixel_size_angstrom,
        "files": len(stack.sources().files),
        "label_counts": _label_counts(stack),
    }


def _label_counts(stack: ImageStack) -> dict[str, int] | None:
    if stack.labels is None:
        return None
    values, counts = np.unique(stack.labels, return_counts=True)
    names = stack.label_names
    return {
        names[value] if 0 <= value < len(names) else str(value): count
        for value, count in zip(values.tolist(), counts.tolist(), strict=True)
    }


def _statistics(stack: ImageStack) -> _Statistics:
    found = _Statistics(step=max(1, len(stack) // _SAMPLE))
    image_bytes = 4 * stack.height * stack.width * stack.channels
    together = max(1, _BYTES_A_READ // image_bytes)
    for first in range(0, len(stack), together):
        found.add(stack.read(np.arange(first, min(first + together, len(stack)))), first)
    return found
