"""What is near a place of the latent space: how many images, which, and how well they support it.

Measured in the full z whitened by the data, whatever plane is shown.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.nearness import DEAD_NATS, Whitening
from tvae_core.analysis.verdict import content_note
from tvae_core.planes import ShownPlane
from tvae_core.store import EmbeddingStore
from tvae_gui.state.point_index import PointIndex

Array = NDArray[Any]
_SHARE = 0.01  # of all images: how many a typical image has near it
_FEWEST = 24
_ENOUGH = 0.12  # of the crowd around a typical image: full support
_SOME = 20_000
_PROBES = 256
_SAMPLE_STEP = 64
_AT_ONCE = 20_000
_IN_CACHE = 1_000
_QUICK = 4_000_000  # numbers read in a millisecond or two


class Nearness:
    """Neighbours in the whitened z of all images of a store.

    Attributes
    ----------
    radius : float
        Within it an image is near; a typical image has `typical` images that near, itself one.
    """

    def __init__(self, store: EmbeddingStore) -> None:
        z = store.z_mean
        self.whiten = Whitening(z, store.column("content/std"))
        self._points = self.whiten(z)
        self._norms = (self._points * self._points).sum(axis=1)
        finite = np.isfinite(self._points).all(axis=1)
        self._index = PointIndex(_flat(self._points)) if self._points.shape[1] <= 2 else None
        chosen = np.flatnonzero(finite)
        self._sampled = chosen[:: max(1, len(chosen) // _SOME)]
        self._some = self._points[self._sampled]
        self._some_by_dimension = np.ascontiguousarray(self._some.T)
        self._images = int(finite.sum())
        self.typical = min(max(_FEWEST, round(_SHARE * self._images)), max(self._images, 1))
        self.radius = self._typical_radius()

    def _typical_radius(self) -> float:
        some = self._some
        if len(some) < 2:
            return 1.0
        rank = min(max(1, round(self.typical * len(some) / self._images)), len(some)) - 1
        probes = some[:: max(1, len(some) // _PROBES)]
        squared = np.partition(_between(probes, some), max(rank, 1), axis=1)[:, max(rank, 1)]
        return max(float(np.sqrt(np.median(squared))), 1e-6)

    @property
    def note(self) -> str:
        """What is to be said of every plane of this z, or nothing."""
        return content_note(float(self.whiten.nats.sum()))

    def is_unused(self, dimension: int) -> bool:
        """Return whether the encoder left a dimension of z (from 0) at its prior."""
        return bool(dimension >= 0 and self.whiten.nats[dimension] < DEAD_NATS)

    def distance(self, z: Array) -> NDArray[np.float32]:
        """Return the distance of all images (N,) to z (D,), in standard deviations of the data."""
        return np.asarray(np.sqrt(self._squared(self.whiten(z))))

    @property
    def takes_long(self) -> bool:
        """Whether `around` takes longer than a frame of a drag leaves for it."""
        return self._index is None and self._points.size > _QUICK

    def sketch(self, z: Array, how_many: int) -> tuple[int, NDArray[np.int64], Array]:
        """Return what `around` does, of a sample of the images: the number near is an estimate."""
        squared = _squared_away(self._some_by_dimension, self.whiten(z))
        near = int(np.count_nonzero(squared <= self.radius**2))
        chosen = _smallest(squared, how_many)
        scaled = round(near * self._images / max(1, len(self._some)))
        return scaled, self._sampled[chosen], np.sqrt(squared[chosen])

    def around(self, z: Array, how_many: int) -> tuple[int, NDArray[np.int64], Array]:
        """Return how many images are near z (D,), the nearest ones in order, and their distance."""
        place = self.whiten(z)
        if self._index is not None:
            x, y = (float(v) for v in _flat(place[None])[0])
            near = len(self._index.within(x, y, self.radius, self.radius)[0])
            nearest = self._index.nearest(x, y, how_many)
            away = self._points[nearest] - place
            return near, nearest, np.sqrt((away * away).sum(axis=1))
        squared = self._squared(place)
        nearest = _smallest(squared, how_many)
        near = int(np.count_nonzero(squared <= self.radius**2))
        return near, nearest, np.sqrt(squared[nearest])

    def nearest_each(self, z: Array) -> NDArray[np.int64]:
        """Return the image nearest to each of many places z (n, D), (n,); -1 where z is unknown."""
        places = self.whiten(z)
        found = np.full(len(places), -1, np.int64)
        best = np.full(len(places), np.inf)
        known = np.isfinite(places).all(axis=1)
        for start in range(0, len(self._points), _AT_ONCE):
            some = self._points[start : start + _AT_ONCE]
            squared = _between(places[known], some)
            squared[:, ~np.isfinite(some).all(axis=1)] = np.inf
            nearest = squared.argmin(axis=1) if len(some) else np.empty(0, np.int64)
            least = squared[np.arange(len(squared)), nearest]
            better = np.zeros(len(places), bool)
            better[known] = least < best[known]
            found[better] = start + nearest[better[known]]
            best[better] = least[better[known]]
        return found

    def support(self, near: int) -> float:
        """Return 0..1: how well `near` images support a place; 0 where there are none."""
        return float(np.clip(near / (_ENOUGH * self.typical), 0, 1) ** 0.6)

    def supports(self, z: Array) -> Array:
        """Return how well images support many places z (n, D), (n,) 0..1."""
        if not len(self._some):
            return np.zeros(len(z))
        near = _within(self.whiten(z), self._some, self.radius)
        scaled = near * (self._images / len(self._some))
        return np.asarray(np.clip(scaled / (_ENOUGH * self.typical), 0, 1) ** 0.6)

    def outline(self, shown: ShownPlane) -> Array | None:
        """Return where a plane cuts the neighbourhood of the probe, (V, 2) around the origin.

        None on a line, and on planes that have no exact way to z.
        """
        into_z = _into_z(shown, self.whiten.matrix.shape[0])
        if into_z is None:
            return None
        across = np.einsum("dp,dk->pk", into_z, self.whiten.matrix.astype(np.float64))
        variance, axes = np.linalg.eigh(np.einsum("pk,qk->pq", across, across))
        if variance[0] <= 1e-12:
            return None
        turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        circle = np.stack([np.cos(turn), np.sin(turn)])
        return np.asarray((axes / np.sqrt(variance)) @ circle * self.radius).T

    def _squared(self, place: Array) -> NDArray[np.float32]:
        with np.errstate(all="ignore"):  # BLAS warns without cause
            squared = self._norms - 2 * (self._points @ place) + place @ place
        squared[np.isnan(squared)] = np.inf
        return np.asarray(np.maximum(squared, 0, out=squared))


def medoid(xy: Array, distance: Array) -> Array:
    """Return that of the points (k, 2) which is in the middle of them, weighted by nearness.

    Always one of the points: the mean of neighbours on two islands would lie on neither.
    """
    known = np.isfinite(xy).all(axis=1)
    if not known.any():
        return np.full(2, np.nan)
    xy, distance = np.asarray(xy[known], dtype=np.float64), np.asarray(distance[known], np.float64)
    weights = 1.0 / np.maximum(distance**2, 1e-9 * max(float(np.median(distance)) ** 2, 1e-12))
    away = np.sqrt(((xy[:, None] - xy[None]) ** 2).sum(axis=2))
    return np.asarray(xy[int(np.argmin((away * weights[None]).sum(axis=1)))])


def _into_z(shown: ShownPlane, dims: int) -> Array | None:
    """Return how a step on the plane moves z, (D, 2)."""
    if shown.is_line:
        return None
    if shown.choice.kind == "z":
        return np.asarray(np.eye(dims)[:, [shown.choice.first, shown.choice.second]])
    if shown.linear is None or shown.linear.components is None:
        return None
    return np.asarray(shown.linear.components, dtype=np.float64).T


def _flat(points: Array) -> Array:
    """Return points (n, 1 or 2) as places of a plane (n, 2)."""
    if points.shape[1] == 2:
        return np.asarray(points)
    wide = np.zeros((len(points), 2), dtype=np.float32)
    wide[:, : points.shape[1]] = points
    wide[:, 1][np.isnan(wide[:, 0])] = np.nan
    return wide


def _between(a: Array, b: Array) -> Array:
    """Return squared distances (n, m); never below 0."""
    with np.errstate(all="ignore"):  # BLAS warns without cause
        across = a @ b.T
    squared: Array = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - 2 * across
    return np.asarray(np.maximum(squared, 0))


def _squared_away(by_dimension: Array, place: Array) -> NDArray[np.float32]:
    """Return squared distances (n,) of points (D, n) to a place (D,).

    One dimension after the other and no product by BLAS, whose threads would be waited for while
    another thread of the program has them: up to 50 ms of a drag.
    """
    squared = np.zeros(by_dimension.shape[1], np.float32)
    for values, at in zip(by_dimension, place, strict=True):
        away = values - at
        squared += np.multiply(away, away, out=away)
    return squared


def _within(a: Array, b: Array, radius: float) -> NDArray[np.int64]:
    """Return how many of b (m, D) lie within a radius of each of a (n, D), (n,).

    |a - b|² is one product of (-2 a, 1, |a|²) and (b, |b|², 1), in parts that stay in the cache.
    """
    one_a, one_b = np.ones((len(a), 1), np.float32), np.ones((len(b), 1), np.float32)
    left = np.concatenate([-2 * a, one_a, (a * a).sum(axis=1)[:, None]], axis=1)
    right = np.concatenate([b, (b * b).sum(axis=1)[:, None], one_b], axis=1)
    near = np.zeros(len(a), np.int64)
    for start in range(0, len(b), _IN_CACHE):
        with np.errstate(all="ignore"):  # BLAS warns without cause
            squared = left @ right[start : start + _IN_CACHE].T
        near += np.count_nonzero(squared <= radius**2, axis=1)
    return near


def _smallest(values: Array, how_many: int) -> NDArray[np.int64]:
    """Return the indices of the smallest values, smallest first; a sample bounds the search."""
    finite = int(np.isfinite(values).sum())
    how_many = min(how_many, finite)
    if how_many <= 0:
        return np.empty(0, dtype=np.int64)
    some = values[::_SAMPLE_STEP]
    candidates = np.arange(len(values))
    if len(some) > 4 * how_many:
        bound = np.partition(some, how_many - 1)[how_many - 1]
        candidates = np.flatnonzero(values <= bound)
    ranks = np.argsort(values[candidates], kind="stable")[:how_many]
    return np.asarray(candidates[ranks], dtype=np.int64)
