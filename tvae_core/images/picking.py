"""Objects repeated in a large image, found without labels and without a model.

What stands out from the levelled background is cut into pieces, at the smoothing that gives the
most pieces of their own; a piece as large as several is shared among them. Places are (row, column)
in pixels of the image, from the centre of its first pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tvae_core.images.field import background, noise_deviation

FloatImage = NDArray[np.float32]
Float = NDArray[np.float64]
Mask = NDArray[np.bool_]

BOX_OVER_OBJECT = 1.5  # so that turned and moved objects stay within
_LONGEST = 2048  # px: a larger image is looked at shrunk
_BLOCKS = 8  # of the background along the shorter side
_FEWEST_PX = 48  # of such a block
_SMOOTHINGS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)  # px
_SURE, _UNSURE = 5.5, 3.0  # deviations of the background: a piece has one pixel of the first
_NO_NOISE = 0.02  # of the image's range: where the ground is flat, what is less is no object
_NEARLY_ALL = 0.7  # of the pieces that the best smoothing gives: then less of it is better
_SMALL, _LARGE = 0.2, 1.6  # of the usual piece's area: dust below, several objects above
_SPREAD = 1.2  # of the logarithm of the areas: beyond it the pieces are no repeated object
_COVERED = 0.6  # of an image: more than this is no ground with objects on it
_EDGE = 0.1  # of the strongest ring about an object: where it ends
_MOST_MEASURED = 300
_NOISY = 2.0  # px: where so much smoothing is called for, noise hides the objects' outlines
_ROUNDS = 3
_MATCH = 5.0  # deviations of the match with the usual object
_APART = 0.65  # of a diameter: what is nearer is one object


@dataclass(frozen=True)
class Found:
    """Objects of one image.

    Parameters
    ----------
    places : (n, 2) float64
        (row, column), the most certain first.
    scores : (n,) float64
        How far each stands out, in deviations of the background.
    diameter_px : float
        Of a usual object; NaN without any.
    """

    places: Float
    scores: Float
    diameter_px: float

    def __len__(self) -> int:
        return len(self.places)


class _Pieces(NamedTuple):
    """Pieces at one smoothing: their number in the map, area, highest value, and the map."""

    number: NDArray[np.int64]
    area: Float
    height: Float
    label: NDArray[np.int32]


class _Tried(NamedTuple):
    """A smoothing in pixels, and the pieces that it gives."""

    smoothing: float
    pieces: _Pieces


_NOTHING = Found(np.zeros((0, 2)), np.zeros(0), math.nan)


def find_objects(image: FloatImage) -> Found:
    """Return the objects of an image (H, W) or (H, W, 3) on a ground of their own; maybe none."""
    grey = image.mean(2, dtype=np.float32) if image.ndim == 3 else np.asarray(image, np.float32)
    grey = np.where(np.isfinite(grey), grey, np.float32(_usual(grey)))
    step = max(1, math.ceil(max(grey.shape) / _LONGEST))
    small = _shrunk(grey, step)
    if min(small.shape) < 3:
        return _NOTHING
    block = max(_FEWEST_PX, min(small.shape) // _BLOCKS)
    values = small - background(small[None], block)[0]
    found = _best([_Tried(s, _pieces(values, s)) for s in _SMOOTHINGS])
    if found is None:
        return _NOTHING
    places, scores = _shared(found.pieces)
    rough = 2 * math.sqrt(_usual_area(found.pieces) / math.pi)
    diameter = _diameter(values, places, rough)
    if found.smoothing >= _NOISY:
        places, scores = _alike(values, places, scores, diameter)
    places, scores = _one_each(places, scores, _APART * diameter)
    return Found(places * step + (step - 1) / 2, scores, diameter * step)


def _usual(values: FloatImage) -> float:
    good = values[np.isfinite(values)]
    return float(np.median(good)) if good.size else 0.0


def _shrunk(image: FloatImage, step: int) -> FloatImage:
    """Return means of squares of `step` pixels; what does not fill one is left out."""
    if step == 1:
        return image
    rows, columns = (size // step for size in image.shape)
    cut = image[: rows * step, : columns * step]
    return np.asarray(cut.reshape(rows, step, columns, step).mean((1, 3)), np.float32)


def _pieces(values: FloatImage, smoothing: float) -> _Pieces:
    """Return what stands out, bright or dark, whichever does so more."""
    smooth = ndimage.gaussian_filter(values, smoothing) if smoothing else values
    low, high = np.percentile(smooth, (0.01, 99.99))
    deviation = max(noise_deviation(smooth), _NO_NOISE * float(high - low), 1e-30)
    above = smooth / np.float32(deviation)
    over = [float(np.clip(side - _SURE, 0, None).sum()) for side in (above, -above)]
    above = above if over[0] >= over[1] else -above
    label, count = ndimage.label(above > _UNSURE)
    index = np.arange(1, count + 1)
    height = np.asarray(ndimage.maximum(above, label, index), np.float64).reshape(-1)
    area = np.bincount(label.ravel(), minlength=count + 1)[1:].astype(np.float64)
    least = max(3.0, 2.0 * smoothing)
    kept = (height > _SURE) & (area > math.pi / 4 * least**2)
    return _Pieces(index[kept], area[kept], height[kept], label.astype(np.int32))


def _best(tried: list[_Tried]) -> _Tried | None:
    """Return the least smoothing that gives nearly as many pieces as any; None for no pieces."""
    counts = [_count(each.pieces) for each in tried]
    if not (most := max(counts)):
        return None
    return next(t for t, count in zip(tried, counts, strict=True) if count >= _NEARLY_ALL * most)


def _count(pieces: _Pieces) -> int:
    """Return how many pieces are of the usual size or more; 0 where they are no objects."""
    if not len(pieces.area) or pieces.area.sum() > _COVERED * pieces.label.size:
        return 0
    usual = _usual_area(pieces)
    return int((pieces.area > _SMALL * usual).sum())


def _usual_area(pieces: _Pieces) -> float:
    """Return the area that half of what stands out lies in pieces smaller than."""
    order = np.argsort(pieces.area)
    total = np.cumsum(pieces.area[order])
    middle = float(pieces.area[order][np.searchsorted(total, 0.5 * total[-1])])
    # several that touch are one piece: the usual one is the median of those not far smaller
    return float(np.median(pieces.area[pieces.area > _SMALL * middle]))


def _shared(pieces: _Pieces) -> tuple[Float, Float]:
    """Return places (n, 2) and scores (n,): a piece as large as several objects gives several."""
    from scipy.cluster.vq import kmeans2

    usual = _usual_area(pieces)
    slices = ndimage.find_objects(pieces.label)
    places, scores = [], []
    for number, area, height in zip(pieces.number, pieces.area, pieces.height, strict=True):
        if area < _SMALL * usual:
            continue
        window = slices[number - 1]
        inside = np.argwhere(pieces.label[window] == number).astype(np.float64)
        inside += [window[0].start, window[1].start]
        several = 1 if area <= _LARGE * usual else round(area / usual)
        middles = inside.mean(0, keepdims=True)
        if several > 1:
            middles, _ = kmeans2(inside, several, minit="++", rng=0)
        places.append(middles)
        scores.append(np.full(len(middles), height))
    found, height = np.concatenate(places), np.concatenate(scores)
    order = np.argsort(-height, kind="stable")
    return found[order], height[order]


def _diameter(values: FloatImage, places: Float, rough: float) -> float:
    """Return the diameter of a usual object: where the rings about the places end."""
    power = np.abs(values)
    rings = _rings(power - np.median(power), places, int(2.0 * rough) + 2)
    if rings is None:
        return rough
    past = np.flatnonzero(rings < _EDGE * rings.max())
    after = past[past > np.argmax(rings)]
    end = float(after[0]) if len(after) else float(np.argmin(rings))
    return max(rough, 2 * end)


def _rings(values: FloatImage, places: Float, reach: int) -> Float | None:
    """Return the mean over places of rings a pixel wide, (reach + 1,); None where none fits in."""
    height, width = values.shape
    whole = np.rint(places).astype(int)
    inner = np.all((whole >= reach) & (whole < [height - reach, width - reach]), axis=1)
    some = whole[inner][:_MOST_MEASURED]
    if not len(some):
        return None
    mean = np.mean(
        [values[r - reach : r + reach + 1, c - reach : c + reach + 1] for r, c in some], axis=0
    )
    ring = _radius(reach).astype(int)
    return np.asarray(
        (np.bincount(ring.ravel(), mean.ravel()) / np.bincount(ring.ravel()))[: reach + 1]
    )


def _radius(reach: int) -> Float:
    axis = np.arange(-reach, reach + 1)
    return np.asarray(np.hypot(axis[:, None], axis[None]))


def _alike(
    values: FloatImage, places: Float, scores: Float, diameter: float
) -> tuple[Float, Float]:
    """Return where the image looks, turned by any angle, as about the places found in noise."""
    from scipy.signal import fftconvolve

    reach = round(0.6 * diameter) + 1
    for _ in range(_ROUNDS):
        rings = _rings(values, places, reach)
        if rings is None:
            return places, scores
        radius = _radius(reach)
        template = np.interp(radius, np.arange(len(rings)), rings, right=0.0)
        inside = radius <= reach
        template = np.where(inside, template - template[inside].mean(), 0)
        match = fftconvolve(values, template, mode="same")
        match /= max(noise_deviation(match.astype(np.float32)), 1e-30)
        highest = ndimage.maximum_filter(match, size=2 * round(_APART * diameter / 2) + 1)
        top = np.argwhere((match >= highest) & (match > _MATCH))
        if not len(top):
            return places, scores
        places, scores = top.astype(np.float64), match[tuple(top.T)]
        order = np.argsort(-scores, kind="stable")
        places, scores = places[order], scores[order]
    return places, scores


def _one_each(places: Float, scores: Float, apart: float) -> tuple[Float, Float]:
    """Return places (n, 2), the best first, of which no two are nearer than `apart` pixels.

    Those nearer than that to a better one are parts of its object, whose place is in their middle.
    """
    from scipy.spatial import cKDTree

    if len(places) < 2:
        return places, scores
    near: Any = cKDTree(places).query_ball_point(places, apart)
    free = np.ones(len(places), bool)
    middles, best = [], []
    for first, neighbours in enumerate(near):
        if free[first]:
            mine = [each for each in neighbours if free[each]]
            free[mine] = False
            middles.append(places[mine].mean(0))
            best.append(scores[first])
    return np.array(middles), np.array(best)
