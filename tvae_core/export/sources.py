"""Where exported images come from: a stack, the model's own images, or memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


class ImageSource(Protocol):
    """Where images come from; an `ImageStack` is one."""

    def read(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return images (n, H, W[, 3]) float32 in the order asked."""


@dataclass(frozen=True)
class InMemory:
    """Images (N, H, W[, 3]) that are in memory, such as decoded frames."""

    images: Array

    def read(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return images (n, H, W[, 3]) float32 in the order asked."""
        return np.ascontiguousarray(self.images[indices], dtype=np.float32)


@dataclass(frozen=True)
class ModelImages:
    """Images as the model sees them: a `PreparedStack`, which gives (n, C, h, w).

    Their poses have scale 1 and no centre offset.
    """

    prepared: ImageSource

    def read(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return images (n, h, w[, 3]) float32 in the order asked."""
        images = np.moveaxis(self.prepared.read(indices), 1, -1)
        return images[..., 0] if images.shape[-1] == 1 else images
