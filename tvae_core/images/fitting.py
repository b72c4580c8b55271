"""Pictures of all sizes brought to one size: cut, padded, or scaled about their centre."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from tvae_core.images.limits import LARGEST_SIDE

FitChoice = Literal["auto", "crop", "pad", "scale"]
CHOICES: tuple[FitChoice, ...] = get_args(FitChoice)
_ALIKE = 2.0  # sizes within this factor are padded; beyond it each picture is scaled
_MOST, _FEWEST = 95, 5  # percentiles: a few odd pictures do not decide for all
_GROWS = 0.5  # power of the picture's size: below, objects do not grow with their pictures
_FEWEST_JUDGED = 12
_FAINT = 0.3  # of the strongest deviation from the border: what is less is no object
_ROUND = 8  # a side that was chosen for scaling is a multiple of it
_SMALLEST_SIDE = 16
Pixels = NDArray[Any]


class Fit(NamedTuple):
    """How every picture of a set comes to one size.

    Parameters
    ----------
    how : str
        "crop" and "pad": cut or padded about the centre, no pixel resampled. "scale": the longer
        side is brought to `side`, then padded. Padding takes the picture's own border.
    side : int
        Pixels along each side of the square that comes out.
    """

    how: FitChoice
    side: int

    def __call__(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return a picture (H, W[, 3]) as (side, side[, 3]) float32."""
        image = np.asarray(pixels, np.float32)
        if self.how == "scale":
            image = _scaled(image, self.side)
        return _centred(image, self.side)

    @property
    def words(self) -> str:
        """What is done, as part of a sentence that begins with "every picture is"."""
        if self.how == "scale":
            return f"scaled into {self.side} px"
        done = "cropped to" if self.how == "crop" else "padded or cropped to"
        return f"{done} {self.side} px about its centre"


def fit_of(
    sizes: NDArray[np.int64],
    how: FitChoice = "auto",
    side_px: int = 0,
    crop_px: int = 0,
    some: Callable[[], Sequence[Pixels]] = tuple,
) -> Fit | None:
    """Return how pictures of these sizes come to one; None where they have one and none is asked.

    Parameters
    ----------
    sizes : (N, 2) int64
        Height and width of each.
    how : str
        "auto": padded where the sizes are alike within a factor of two, or where objects do not
        grow with their pictures, which then differ by their margins alone; else scaled.
    side_px, crop_px : int
        The side, 0: chosen. Of a square that is cut out anyway (`data.crop_px`) no more is kept.
    some : callable
        Returns a few of the pictures, spread over all; asked only where it matters.
    """
    one_size = bool((sizes == sizes[0]).all())
    if one_size and how == "auto" and not side_px:
        return None
    longer = sizes.max(axis=1)
    few, most = np.percentile(longer, (_FEWEST, _MOST))
    if how == "auto":
        alike = one_size or crop_px or most <= _ALIKE * few
        how = "pad" if alike or not objects_grow(some()) else "scale"
    side = side_px or (crop_px if how != "scale" else 0) or _chosen_side(sizes, how)
    return Fit(how, min(side, LARGEST_SIDE))


def objects_grow(pictures: Sequence[Pixels]) -> bool:
    """Return whether objects are the larger the larger their pictures; True where too few tell.

    The power of the picture's size that the object's size follows is fitted: it is near 1 for
    cut-outs that fit their objects tightly, and near 0 for equal objects with other margins.
    """
    sides = np.asarray([max(p.shape[:2]) for p in pictures], np.float64)
    if len(sides) < _FEWEST_JUDGED or np.ptp(np.log(sides)) < np.log(1.5):
        return True
    objects = np.asarray([object_size(p) for p in pictures])
    good = objects > 0
    if good.sum() < _FEWEST_JUDGED:
        return True
    x, y = np.log(sides[good]), np.log(objects[good])
    x, y = x - x.mean(), y - y.mean()
    return bool(x @ y > _GROWS * (x @ x))


def object_size(pixels: Pixels) -> float:
    """Return the rough size in pixels of what differs from a picture's border, 0 for nothing."""
    image = np.asarray(pixels, np.float32)
    away = np.abs(image - border_value(image))
    away = away.mean(axis=2) if away.ndim == 3 else away
    away = _smoothed(_smoothed(away).T).T
    weight = np.clip(away - _FAINT * away.max(initial=0), 0, None).astype(np.float64)
    total = weight.sum()
    if not total > 0:
        return 0.0
    y, x = np.indices(weight.shape)
    middle = (weight * y).sum() / total, (weight * x).sum() / total
    square = (weight * ((y - middle[0]) ** 2 + (x - middle[1]) ** 2)).sum() / total
    return float(np.sqrt(square) + 0.5)


def _smoothed(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means of three rows: a lone pixel is no object."""
    if len(image) < 3:
        return image
    return np.asarray((image[:-2] + image[1:-1] + image[2:]) / 3, np.float32)


def sizes_in_words(sizes: NDArray[np.int64]) -> str:
    """Return "sizes 31 to 118 px", of the longer sides."""
    longer = sizes.max(axis=1)
    low, high = int(longer.min()), int(longer.max())
    return f"sizes {low} to {high} px" if low < high else f"sizes up to {high} px"


def _chosen_side(sizes: NDArray[np.int64], how: FitChoice) -> int:
    longer = sizes.max(axis=1)
    if how == "crop":
        return int(sizes.min())
    if how == "pad":
        most = float(np.percentile(longer, _MOST))
        return int(longer.max()) if longer.max() <= _ALIKE * most else int(np.ceil(most))
    middle = float(np.median(longer))
    return max(_SMALLEST_SIDE, _ROUND * round(middle / _ROUND))


def _scaled(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return a picture whose longer side is `side`; areas are averaged, nothing rings."""
    from PIL import Image  # the window, which knows images, starts without it

    height, width = image.shape[:2]
    longer = max(height, width)
    if longer == side:
        return image
    size = (max(1, round(width * side / longer)), max(1, round(height * side / longer)))
    planes = image[..., None] if image.ndim == 2 else image
    drawn = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(plane)).resize(size, Image.Resampling.HAMMING)
        )
        for plane in np.moveaxis(planes, -1, 0)
    ]
    return drawn[0] if image.ndim == 2 else np.stack(drawn, axis=-1)


def _centred(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return a picture cut or padded about its centre; padding is the median of its border."""
    height, width = image.shape[:2]
    if (height, width) == (side, side):
        return image
    top, left = (height - side) // 2, (width - side) // 2
    inside = image[max(top, 0) : max(top, 0) + side, max(left, 0) : max(left, 0) + side]
    if inside.shape[:2] == (side, side):
        return inside
    square = np.empty((side, side, *image.shape[2:]), np.float32)
    square[...] = border_value(image)
    top, left = max(-top, 0), max(-left, 0)
    square[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return square


def border_value(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median of a picture's border, () or (3,)."""
    edges = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return np.asarray(np.median(edges, axis=0), np.float32)
