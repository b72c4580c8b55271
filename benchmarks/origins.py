"""An origin of the object for each content, found from inferred poses alone: a trial.

If a shift is t = x - R(theta) o(z) with places x that do not depend on angle and content, then the
mean of |t + R(theta) c(z) - m|^2 is the spread of x plus the mean of |c(z) - o(z)|^2, so the c of a
family that makes it least is the nearest to the true origins o. `docs/decisions/0008-centre.md`
tells what came of it.

Shapes: n images, D dimensions of z, K features of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

Values = NDArray[np.float64]
Features = Callable[[Values], Values]
RIDGES = (1e-3, 1e-2, 3e-2, 0.1, 0.3)
_FOLDS = 5


@dataclass(frozen=True)
class Poses:
    """Inferred poses and contents: `angle_rad` (n,), `shift_px` (n, 2), `z` (n, D)."""

    angle_rad: Values
    shift_px: Values
    z: Values

    def of(self, chosen: NDArray[np.bool_]) -> Poses:
        """Return those of some images."""
        return Poses(self.angle_rad[chosen], self.shift_px[chosen], self.z[chosen])


def families(z: Values) -> dict[str, Features]:
    """Return features of contents by name; centres and scales are those of `z` (n, D)."""
    mean, std = z.mean(0), z.std(0)
    used = std > 0.3  # the others say nothing of the image

    def scaled(some: Values) -> Values:
        return np.asarray((some - mean)[:, used] / std[used])

    found: dict[str, Features] = {"one point": lambda some: np.zeros((len(some), 0))}
    found["linear"] = scaled
    if used.sum() <= 6:
        i, j = np.triu_indices(int(used.sum()))
        found["quadratic"] = lambda some: np.concatenate(
            [scaled(some), scaled(some)[:, i] * scaled(some)[:, j]], 1
        )
    for count in (10, 20, 40):
        found[f"{count} centres"] = _near_centres(scaled, scaled(z), count)
    return found


def _near_centres(scaled: Callable[[Values], Values], known: Values, count: int) -> Features:
    centres = KMeans(count, n_init=3, random_state=0).fit(known).cluster_centers_
    width = _squared(known, centres).min(1).mean()

    def weights(some: Values) -> Values:
        near = _squared(scaled(some), centres) / (2 * width)
        weight = np.exp(near.min(1, keepdims=True) - near)
        return np.asarray(weight / weight.sum(1, keepdims=True))

    return weights


def _squared(points: Values, centres: Values) -> Values:
    return np.asarray(((points[:, None] - centres) ** 2).sum(-1))


def origins(poses: Poses, features: Features, ridge: float) -> tuple[Values, Features]:
    """Return the mean place m (2,) and c: contents (n, D) to origins (n, 2) in the object's frame.

    The least squares of t = m - R(theta) c(z), c(z) = c0 + C features(z), with `ridge` on C.
    """
    given = _with_one(features(poses.z))
    cos, sin = (f(poses.angle_rad)[:, None] for f in (np.cos, np.sin))
    one, zero = np.ones_like(cos), np.zeros_like(cos)
    along_x = np.concatenate([one, zero, -cos * given, sin * given], 1)
    along_y = np.concatenate([zero, one, -sin * given, -cos * given], 1)
    equations = np.concatenate([along_x, along_y])
    free = np.concatenate([[0, 0], *[[0.0] + [1.0] * (given.shape[1] - 1)] * 2])
    squares = equations.T @ equations + np.diag(ridge * len(given) * free)
    found = np.linalg.solve(squares, equations.T @ poses.shift_px.T.ravel())
    by_feature = found[2:].reshape(2, -1).T
    return found[:2], lambda z: np.asarray(_with_one(features(z)) @ by_feature)


def _with_one(features: Values) -> Values:
    return np.concatenate([np.ones((len(features), 1)), features], 1)


def places(poses: Poses, origin: Values) -> Values:
    """Return where the origins (n, 2) of the object lie in the images, (n, 2) px."""
    cos, sin = np.cos(poses.angle_rad), np.sin(poses.angle_rad)
    x, y = origin.T
    return poses.shift_px + np.stack([cos * x - sin * y, sin * x + cos * y], 1)


def held_out(poses: Poses, features: Features, ridge: float) -> Values:
    """Return |t + R(theta) c(z) - m|^2 of each image, (n,), with c and m found without its fold."""
    fold = np.arange(len(poses.z)) % _FOLDS
    spread = np.empty(len(fold))
    for at in range(_FOLDS):
        mean, c = origins(poses.of(fold != at), features, ridge)
        rest = poses.of(fold == at)
        spread[fold == at] = ((places(rest, c(rest.z)) - mean) ** 2).sum(1)
    return spread


def best_ridge(poses: Poses, features: Features) -> tuple[float, Values]:
    """Return the ridge with the least held-out spread, and that spread of each image (n,)."""
    tried = [(ridge, held_out(poses, features, ridge)) for ridge in RIDGES]
    return min(tried, key=lambda one: float(one[1].mean()))
