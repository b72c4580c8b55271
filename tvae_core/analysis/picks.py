"""Picks: objects found in a larger image; peaks of a map, their agreement with a truth, confidence.

Places are (x, y) in pixels from the image centre, y up (`tvae_core.geometry`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Real = NDArray[np.floating | np.integer]
Float = NDArray[np.float64]
Int = NDArray[np.int64]

FALSE_SHARE = 0.05
_LOWEST = float(np.finfo(np.float32).min)
_SHARPEST = 8.0  # of the confidence curve, in spreads of the evidence: a clean set has no slope


@dataclass(frozen=True)
class Picks:
    """Objects found, one row each.

    Parameters
    ----------
    image : (n,) int64
        Which image of the stack, from 0.
    place_px : (n, 2)
        (x, y) from the centre of the image as it lies in the file, its pixels, y up.
    angle_rad : (n,)
        Counter-clockwise, in [-pi, pi).
    z : (n, D)
    score : (n,)
        Gain of log likelihood in nats, or the attention where nothing was explained away.
    confidence : (n,)
        0..1, see `Confidence`.
    attention : (n,)
        log sum_r exp a(t, r) above that of an empty image.
    """

    image: Int
    place_px: Float
    angle_rad: Float
    z: Float
    score: Float
    confidence: Float
    attention: Float

    def __len__(self) -> int:
        return len(self.image)

    def chosen(self, keep: NDArray[np.bool_] | Int) -> Picks:
        """Return the picks of a mask (n,) or of indices."""
        return Picks(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})

    @classmethod
    def joined(cls, parts: list[Picks]) -> Picks:
        """Return the picks of several images, at least one, as one."""
        names = [f.name for f in fields(cls)]
        return cls(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})

    def pixels(self, height: int, width: int) -> tuple[Float, Float]:
        """Return (columns, rows), (n,) each, counted from the centre of the file's first pixel."""
        return self.place_px[:, 0] + (width - 1) / 2, (height - 1) / 2 - self.place_px[:, 1]


def peaks(values: Array, radius_px: float, lowest: float) -> Int:
    """Return the (row, column) of peaks, (n, 2), the highest first.

    Local maxima of at least `lowest`, after `suppressed`: no two are within `radius_px`.

    Parameters
    ----------
    values : (H, W)
        -inf where nothing was computed: no peak.
    radius_px : float
        At least 1.
    """
    from scipy import ndimage  # not with the window: it shows before any is needed

    reach = max(1, int(radius_px / np.sqrt(2.0)))  # a square within the disc: the filter is fast
    highest = ndimage.maximum_filter(values, size=2 * reach + 1, mode="constant", cval=-np.inf)
    places = _one_each(values, (values >= max(lowest, _LOWEST)) & (values >= highest))
    return places[suppressed(places, values[tuple(places.T)], radius_px)]


def _one_each(values: Array, top: NDArray[np.bool_]) -> Int:
    """Return the first place, (n, 2), of each plateau of equal values among the maxima `top`."""
    from scipy import ndimage

    # maxima that touch are equal: each is the highest of its neighbourhood
    label, _ = ndimage.label(top, np.ones((3, 3)))
    _, first = np.unique(label[top], return_index=True)
    return np.argwhere(top)[first]


def suppressed(places: Real, scores: Real, radius_px: float) -> Int:
    """Return which places (n, 2) stay, the best first, so that no two are within `radius_px`.

    Greedy non-maximum suppression: the best stays and takes its neighbours away, and so on.
    """
    order = np.argsort(-np.asarray(scores), kind="stable")
    if not len(order):
        return order.astype(np.int64)
    from scipy.spatial import cKDTree

    neighbours = cKDTree(places).query_ball_point(places, radius_px)
    alive = np.ones(len(order), dtype=bool)
    kept = []
    for index in order:
        if alive[index]:
            kept.append(index)
            alive[neighbours[index]] = False
    return np.asarray(kept, dtype=np.int64)


class Matching(NamedTuple):
    """Which pick (k,) is which true object (k,), and how far apart they are in pixels (k,)."""

    pick: Int
    truth: Int
    distance_px: Float


def match(places: Array, truth: Array, tolerance_px: float) -> Matching:
    """Pair picks (n, 2) with true places (m, 2) one to one, as many as can be, then as near.

    Pairs farther apart than `tolerance_px` are none.
    """
    if not len(places) or not len(truth):
        nothing = np.zeros(0, dtype=np.int64)
        return Matching(nothing, nothing, np.zeros(0))
    pick, true, apart = _pairs_within(places, truth, tolerance_px)
    if not len(pick):
        return Matching(pick, true, apart)
    chosen = _fewest_left(pick, true, apart, tolerance_px)
    return Matching(pick[chosen], true[chosen], apart[chosen])


def _pairs_within(places: Array, truth: Array, radius_px: float) -> tuple[Int, Int, Float]:
    """Return all pairs within a radius: pick (k,), truth (k,), distance (k,)."""
    from scipy.spatial import cKDTree

    near: Any = cKDTree(places)
    pairs = near.sparse_distance_matrix(cKDTree(truth), radius_px, output_type="ndarray")
    return pairs["i"].astype(np.int64), pairs["j"].astype(np.int64), pairs["v"]


def _fewest_left(pick: Int, true: Int, apart: Float, radius_px: float) -> Int:
    """Return which pairs (k,) are taken: one to one, most of them, then nearest.

    Pairs that share no pick and no truth, directly or through others, are matched by themselves.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    nodes = int(pick.max()) + 1, int(true.max()) + 1
    size = sum(nodes)
    graph = coo_array((np.ones(len(pick)), (pick, true + nodes[0])), shape=(size, size))
    _, group = connected_components(graph, directed=False)
    order = np.argsort(group[pick], kind="stable")
    starts = np.flatnonzero(np.diff(group[pick][order])) + 1
    taken = []
    for pairs in np.split(order, starts):
        rows, row = np.unique(pick[pairs], return_inverse=True)
        columns, column = np.unique(true[pairs], return_inverse=True)
        far = 2.0 * (radius_px + 1.0) * (min(len(rows), len(columns)) + 1)
        cost = np.full((len(rows), len(columns)), far)
        number = np.full(cost.shape, -1)
        cost[row, column], number[row, column] = apart[pairs], pairs
        chosen = number[linear_sum_assignment(cost)]
        taken.append(chosen[chosen >= 0])
    return np.sort(np.concatenate(taken))


class Agreement(NamedTuple):
    """How picks agree with a truth: counts, and the root mean square distance of the pairs."""

    matched: int
    picks: int
    objects: int
    rms_px: float

    @property
    def precision(self) -> float:
        """Share of the picks that are objects; NaN without picks."""
        return self.matched / self.picks if self.picks else float("nan")

    @property
    def recall(self) -> float:
        """Share of the objects that were picked; NaN without objects."""
        return self.matched / self.objects if self.objects else float("nan")


def agreement(
    picks: Picks, truth_image: Int, truth_px: Array, tolerance_px: float
) -> tuple[Agreement, NDArray[np.bool_]]:
    """Compare picks with true places (m, 2) of images (m,), image by image.

    Returns
    -------
    agreement : Agreement
    true : (n,) bool
        Which picks are objects.
    """
    true = np.zeros(len(picks), dtype=bool)
    squares = []
    for image in np.unique(np.concatenate([picks.image, truth_image])):
        mine = np.flatnonzero(picks.image == image)
        found = match(picks.place_px[mine], truth_px[truth_image == image], tolerance_px)
        true[mine[found.pick]] = True
        squares.append(found.distance_px**2)
    all_squares = np.concatenate(squares) if squares else np.zeros(0)
    rms = float(np.sqrt(all_squares.mean())) if len(all_squares) else float("nan")
    return Agreement(int(true.sum()), len(picks), len(truth_image), rms), true


@dataclass(frozen=True)
class Confidence:
    """The probability that a pick is an object, and the threshold, found on images of known truth.

    confidence = 1 / (1 + exp(-(slope * evidence + offset))), a logistic regression of "is an
    object" on the evidence. `threshold` is the lowest confidence at and above which no more than
    `FALSE_SHARE` of the picks of those images were false.

    Parameters
    ----------
    objects, found, picks, false : int
        True objects there; how many of them are picked at the threshold; picks; false picks.
    """

    slope: float
    offset: float
    threshold: float
    objects: int
    found: int
    picks: int
    false: int

    def of(self, evidence: Array) -> Float:
        """Return the confidence of evidence (n,)."""
        exponent = np.clip(self.slope * np.asarray(evidence, np.float64) + self.offset, -50, 50)
        return np.asarray(1.0 / (1.0 + np.exp(-exponent)))

    @classmethod
    def fitted(
        cls, evidence: Array, true: NDArray[np.bool_], objects: int, nothing: float
    ) -> Confidence:
        """Fit to picks of known truth.

        Parameters
        ----------
        evidence : (n,)
        true : (n,) bool
        objects : int
            True objects in the images, found or not.
        nothing : float
            Evidence that says nothing: one false pick with it is added, so that a set without
            false picks has a curve as well.
        """
        slope, offset = _logistic(np.append(evidence, nothing), np.append(true, False))
        free = cls(slope, offset, 0.5, objects, 0, 0, 0)
        confidence = free.of(evidence)
        threshold = _threshold(confidence, np.asarray(true, bool))
        kept = confidence >= threshold
        found = int(np.asarray(true)[kept].sum())
        picks = int(kept.sum())
        return cls(slope, offset, threshold, objects, found, picks, picks - found)


def _threshold(confidence: Float, true: NDArray[np.bool_]) -> float:
    """Return the lowest confidence with few enough false picks at and above it."""
    order = np.argsort(-confidence, kind="stable")
    false = np.cumsum(~true[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(false <= FALSE_SHARE)
    if not len(good):
        return 0.5
    last = int(good[-1])
    lowest = float(confidence[order[last]])
    below = float(confidence[order[last + 1]]) if last + 1 < len(order) else 0.0
    return 0.5 * (lowest + below)


def _logistic(evidence: Float, true: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and offset of a logistic regression with a rising, bounded slope."""
    from sklearn.linear_model import LogisticRegression

    if not np.any(true):
        return 0.0, -_SHARPEST
    centre, spread = float(evidence.mean()), float(max(evidence.std(), 1e-9))
    model = LogisticRegression(C=10.0).fit(((evidence - centre) / spread)[:, None], true)
    slope = float(np.clip(model.coef_[0, 0], 1e-3, _SHARPEST))
    return slope / spread, float(model.intercept_[0]) - slope * centre / spread


@dataclass(frozen=True)
class Calibration:
    """What detection found out on the run's own images before it looked at a field.

    Parameters
    ----------
    confidence : Confidence
    radius_px : float
        Of the circle that holds an object, the model's pixels.
    on_images : bool
        Whether the run's images were read; otherwise images were drawn by its model, with noise of
        its reconstruction error.
    remarks : tuple of str
        What else sets fields apart from the run's images.
    """

    confidence: Confidence
    radius_px: float
    on_images: bool
    remarks: tuple[str, ...] = ()

    def words(self) -> str:
        """Say what the threshold means."""
        c = self.confidence
        source = "the run's own images" if self.on_images else "images drawn by the run's model"
        share = f"{c.false / c.picks:.1%}" if c.picks else "none"
        found = (
            f"threshold {c.threshold:.2g}: on fields put together from {source}, {c.false} of "
            f"{c.picks} picks were false ({share}) and {c.found} of {c.objects} objects were found"
        )
        return "; ".join([found, *self.remarks])


@dataclass(frozen=True)
class FieldPicks:
    """What was found in one image of a stack of fields.

    Parameters
    ----------
    image : int
    picks : Picks
        All that was found, whatever its confidence; places in pixels of the file.
    values, drawn : (C, h, w) float32
        The field as the model sees it, its background at zero; and its objects as drawn.
    raw_shape : (H, W)
        Of the image in the file.
    radius_px : float
        Of the circle that holds an object, pixels of the file.
    """

    image: int
    picks: Picks
    values: NDArray[np.float32]
    drawn: NDArray[np.float32]
    raw_shape: tuple[int, int]
    radius_px: float

    def without_pixels(self) -> FieldPicks:
        """Return the same without its values and drawn objects, which take the memory."""
        nothing = np.zeros((len(self.values), 0, 0), np.float32)
        return replace(self, values=nothing, drawn=nothing)
