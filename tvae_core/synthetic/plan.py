"""A synthetic set: its truth drawn at once, its images made in chunks of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.ctf import Ctf
from tvae_core.errors import ConfigError

Images = NDArray[np.float32] | NDArray[np.uint8]
IntArray = NDArray[np.integer[Any]]
TrueColumns = dict[str, NDArray[Any]]

_CHUNK_IMAGES = 256
_CHUNK_BYTES = 64 << 20


@dataclass(frozen=True)
class SyntheticSet:
    """Images whose content and pose are known.

    Parameters
    ----------
    images : (N, H, W) or (N, H, W, 3) float32 or uint8
    truth : dict of (M,) arrays
        Always `image` (index of the image in the set, ascending), `angle_rad`, `shift_x_px` and
        `shift_y_px` (y up, `tvae_core.geometry`); `label` and more where the kind has them. One row
        an image, but for fields of many objects one row an object, with `x_px` and `y_px`.
    pixel_size_angstrom : float, optional
    ctf : Ctf, optional
        Of the N images.
    """

    images: Images
    truth: TrueColumns
    pixel_size_angstrom: float | None = None
    ctf: Ctf | None = None

    def __post_init__(self) -> None:
        if len({len(column) for column in self.truth.values()}) > 1:
            raise ConfigError("the truth's columns differ in length")


@dataclass(frozen=True)
class ImagePlan:
    """All truths of a set, and the function that makes any of its images from them.

    An image depends on its own row and its own stream of random numbers only, so the same seed
    gives the same bytes whatever the chunk size.

    Parameters
    ----------
    count : int
        N, images in the set.
    image_shape : (H, W) or (H, W, 3)
    truth : dict of (M,) arrays
        As in `SyntheticSet`.
    render : callable
        (n,) image indices -> (n, H, W[, 3]) images.
    object_radius_px : float
        Radius about an object's own centre that holds the object.
    pixel_size_angstrom : float, optional
    ctf : Ctf, optional
    """

    count: int
    image_shape: tuple[int, ...]
    truth: TrueColumns
    render: Callable[[IntArray], Images]
    object_radius_px: float
    pixel_size_angstrom: float | None = None
    ctf: Ctf | None = None

    def chunks(self, size: int | None = None) -> Iterator[SyntheticSet]:
        """Yield the set in consecutive parts of at most `size` images, by default of 64 MB.

        Raises
        ------
        ConfigError
            When the size is below one.
        """
        size = self._usual_chunk() if size is None else size
        if size < 1:
            raise ConfigError(f"cannot make {size} images at a time")
        for start in range(0, self.count, size):
            yield self._part(start, min(start + size, self.count))

    def whole(self) -> SyntheticSet:
        """Return the whole set in memory."""
        images = np.concatenate([part.images for part in self.chunks()])
        return SyntheticSet(images, self.truth, self.pixel_size_angstrom, self.ctf)

    def _usual_chunk(self) -> int:
        fitting = _CHUNK_BYTES // (4 * int(np.prod(self.image_shape)))
        return max(1, min(_CHUNK_IMAGES, fitting))

    def _part(self, start: int, stop: int) -> SyntheticSet:
        indices = np.arange(start, stop)
        first, last = np.searchsorted(self.truth["image"], [start, stop])
        truth = {name: column[first:last] for name, column in self.truth.items()}
        ctf = None if self.ctf is None else self.ctf.take(indices)
        return SyntheticSet(self.render(indices), truth, self.pixel_size_angstrom, ctf)


def plan_of(synthetic_set: SyntheticSet) -> ImagePlan:
    """Return a plan that hands out the images of a set already made."""
    images = synthetic_set.images
    return ImagePlan(
        count=len(images),
        image_shape=images.shape[1:],
        truth=synthetic_set.truth,
        render=lambda indices: images[indices],
        object_radius_px=images.shape[1] / 2.0,
        pixel_size_angstrom=synthetic_set.pixel_size_angstrom,
        ctf=synthetic_set.ctf,
    )
