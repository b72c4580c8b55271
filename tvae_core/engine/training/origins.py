"""The origin of the objects' frame, and of each content, from inferred poses alone.

A shift is t = x - R(theta) o(z): the place x of the object's origin less the origin in the model's
frame. Two things tell o without a label.

- Places do not depend on angle and content: then the mean of |t + R(theta) c(z) - m|^2 is the
  spread of x plus the mean of |c(z) - o(z)|^2, and the c of a family that makes it least is the
  nearest to o.
- An image moved by a known d shows its object at x + d, so that
  t' + R(theta') o(z') = t + R(theta) o(z) + d. That says nothing where angle and content stay as
  they were. But an object that looks the same turned gets now this angle, now that, the one that
  takes its shift nearer to the middle; and where images are noisy and a content moves what is
  drawn, the prior on shifts leaves part of the place to it. There places do belong together with
  angles and contents, and only this tells the origin.

Shapes: n images, K features of their contents, the constant 1 among them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tvae_core.engine.model.origin import OriginKind
from tvae_core.geometry import rotation_matrix, wrap_angle

Values = NDArray[np.float64]

RIDGES = (1e-3, 1e-2, 3e-2, 0.1, 0.3)
_FOLDS = 5
_TURNED_AWAY_RAD = np.pi / 6  # by more, a moved image has another angle and not a noisy one
_AGREE_PX, _LEAST_AGREE_PX = 2.0, 0.5  # along an axis
_MEDIAN_OF_TWO = 1.386  # of the squares of two normal numbers
_ROUNDS = 6
_SURE_SIGMA = 3.0


@dataclass(frozen=True)
class Poses:
    """Inferred poses: `angle_rad` (n,) and `shift_px` (n, 2)."""

    angle_rad: Values
    shift_px: Values

    def of(self, chosen: NDArray[np.bool_]) -> Poses:
        """Return those of some images."""
        return Poses(self.angle_rad[chosen], self.shift_px[chosen])

    def places(self, origin_px: Values) -> Values:
        """Return where origins (2,) or (n, 2) of the frame lie in the images, (n, 2) px."""
        turned = np.einsum("nij,nj->ni", rotation_matrix(self.angle_rad), _all(origin_px, self))
        return np.asarray(self.shift_px + turned)


def _all(origin_px: Values, poses: Poses) -> Values:
    return np.broadcast_to(origin_px, (len(poses.angle_rad), 2))


@dataclass(frozen=True)
class Looks:
    """The same objects seen twice: as they are, and moved by `by_px` (n, 2).

    `spread_px` is how far they lie from their mean along an axis; `agree_px` how far one look at an
    object lies from the other where its angle stays, and where it does not.
    """

    first: Poses
    moved: Poses
    by_px: Values
    spread_px: float
    agree_px: tuple[float, float] = (_AGREE_PX, _AGREE_PX)

    @classmethod
    def at(cls, first: Poses, moved: Poses, by_px: Values) -> Looks:
        """Return the looks at objects that lie as far apart as `first` tells."""
        return cls(first, moved, by_px, max(float(first.shift_px.var(0).mean()) ** 0.5, 1e-3))

    @property
    def turned_away(self) -> NDArray[np.bool_]:
        """Which images have another angle when they are moved, (n,)."""
        turn = wrap_angle(self.moved.angle_rad - self.first.angle_rad)
        return np.asarray(np.abs(turn) > _TURNED_AWAY_RAD)

    @property
    def deviation_px(self) -> Values:
        """How far one look lies from the other, (n,)."""
        return np.where(self.turned_away, self.agree_px[1], self.agree_px[0])

    def of(self, chosen: NDArray[np.bool_]) -> Looks:
        """Return those of some images."""
        return replace(self, first=self.first.of(chosen), moved=self.moved.of(chosen),
                       by_px=self.by_px[chosen])  # fmt: skip


@dataclass(frozen=True)
class Features:
    """What origins are linear in, of the first and of the moved image: (n, K) each."""

    first: Values
    moved: Values

    def of(self, chosen: NDArray[np.bool_]) -> Features:
        """Return those of some images."""
        return Features(self.first[chosen], self.moved[chosen])

    @classmethod
    def nothing(cls, count: int) -> Features:
        """Return those of one origin for all."""
        return cls(np.ones((count, 1)), np.ones((count, 1)))


def fitted(looks: Looks, features: Features, ridge: float) -> tuple[Values, Values]:
    """Return the mean place m (2,) and the weights (2, K) of c(z) = weights features.

    The least squares of t = m - R(theta) c(z) over places as spread as they are, and of what the
    moved images tell, as far apart as they are; with `ridge` on all but the constants.
    """
    once = _equations(looks.first, features.first) / looks.spread_px
    change, wanted = _of_moved(looks, features)
    sure = np.tile(1 / looks.deviation_px, 2)
    change, wanted = change * sure[:, None], wanted * sure
    count = features.first.shape[1]
    free = np.array([0.0, 0.0, *([0.0] + [1.0] * (count - 1)) * 2])
    free *= ridge * len(features.first) / looks.spread_px**2
    squares = once.T @ once + change.T @ change + np.diag(free)
    to = once.T @ (looks.first.shift_px.T.ravel() / looks.spread_px) + change.T @ wanted
    found = np.linalg.lstsq(squares, to, rcond=None)[0]
    return np.asarray(found[:2]), np.asarray(found[2:].reshape(2, count))


def _of_moved(looks: Looks, features: Features) -> tuple[Values, Values]:
    """Return what the moved images tell: a matrix (2 n, 2 + 2 K) and its result (2 n,)."""
    moved = _equations(looks.moved, features.moved)
    step = looks.moved.shift_px - looks.first.shift_px - looks.by_px
    return moved - _equations(looks.first, features.first), step.T.ravel()


def agreed(looks: Looks, families: Iterable[Features]) -> Looks:
    """Return the looks with the deviations that the family of most agreement leaves there."""
    found = [_agree_px(looks, features) for features in families]
    return replace(looks, agree_px=min(found, key=lambda pair: pair[1]))


def _agree_px(looks: Looks, features: Features) -> tuple[float, float]:
    change, wanted = _of_moved(looks, features)
    away = looks.turned_away
    for _ in range(_ROUNDS):
        mean, weights = fitted(looks, features, RIDGES[0])
        apart = wanted - change @ np.concatenate([mean, weights.ravel()])
        squares = (apart.reshape(2, -1) ** 2).sum(0)
        stays, turns = (_deviation_px(squares[of]) for of in (~away, away))
        looks = replace(looks, agree_px=(stays, turns))
    return looks.agree_px


def _deviation_px(squares: Values) -> float:
    """Return the deviation along an axis of differences whose squared lengths are (n,)."""
    if not len(squares):
        return _AGREE_PX
    deviation = np.sqrt(np.median(squares) / _MEDIAN_OF_TWO)
    return float(np.clip(deviation, _LEAST_AGREE_PX, _AGREE_PX))


def _equations(poses: Poses, features: Values) -> Values:
    """Return the matrix (2 n, 2 + 2 K) of m - R(theta) c: x of all images, then y."""
    turn = rotation_matrix(poses.angle_rad)
    ones, zeros = np.ones((len(features), 1)), np.zeros((len(features), 1))
    along_x, along_y = (
        np.concatenate([*mean, *(-turn[:, axis, i, None] * features for i in (0, 1))], 1)
        for axis, mean in enumerate(([ones, zeros], [zeros, ones]))
    )
    return np.concatenate([along_x, along_y])


def misfit(looks: Looks, features: Features, mean: Values, weights: Values) -> Values:
    """Return what each image adds to the squares that are made least, (n,)."""
    here = looks.first.places(features.first @ weights.T)
    there = looks.moved.places(features.moved @ weights.T)
    apart = ((there - here - looks.by_px) ** 2).sum(1) / looks.deviation_px**2
    alone = ((here - mean) ** 2).sum(1) / looks.spread_px**2
    return np.asarray(alone + apart)


def held_out(looks: Looks, features: Features, ridge: float) -> Values:
    """Return the misfit of each image, (n,), by what the others tell."""
    fold = np.arange(len(looks.by_px)) % _FOLDS
    found = np.empty(len(fold))
    for at in range(_FOLDS):
        rest = fold == at
        mean, weights = fitted(looks.of(~rest), features.of(~rest), ridge)
        found[rest] = misfit(looks.of(rest), features.of(rest), mean, weights)
    return found


@dataclass(frozen=True)
class Family:
    """What a family of origins came to: its ridge and the held-out misfit of each image (n,)."""

    ridge: float
    misfit: Values

    def sigmas_below(self, other: Family) -> float:
        """Return by how many standard errors it fits better than another."""
        gain = other.misfit - self.misfit
        return float(gain.mean() / max(gain.std() / np.sqrt(len(gain)), 1e-12))


def tried(looks: Looks, features: Features) -> Family:
    """Return a family with the ridge of the least held-out misfit."""
    ridges = RIDGES if features.first.shape[1] > 1 else RIDGES[:1]
    found = [Family(ridge, held_out(looks, features, ridge)) for ridge in ridges]
    return min(found, key=lambda one: float(one.misfit.mean()))


def best(families: dict[OriginKind, Family], one_point: Family) -> OriginKind | None:
    """Return the family of the least held-out misfit, None where one point is not surely worse."""
    surely = [(float(f.misfit.mean()), kind) for kind, f in families.items()
              if f.sigmas_below(one_point) > _SURE_SIGMA]  # fmt: skip
    return min(surely)[1] if surely else None
