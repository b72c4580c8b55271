"""From the content latent to a plane: PCA, UMAP, t-SNE."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import Cancelled, ConfigError, DeviceError
from tvae_core.progress import Cancel, Share

Array = NDArray[np.floating]

UMAP_FITTED = 50_000
_UMAP_BLOCK = 20_000
_UMAP_FEWEST = 3
_PCA_BEFORE_UMAP = 50
_FIT_SHARE = 0.7  # of the progress bar, when there is a rest to transform


@dataclass(frozen=True)
class LinearPlane:
    """A plane cut through the latent: coordinates = (z - mean) @ components.T.

    coordinates (N, 2), components (2, D) orthonormal rows, mean (D,), variance_share (2,), all
    float32. With D = 1 the second row, coordinate and share are 0.
    """

    coordinates: Array
    components: Array
    mean: Array
    variance_share: Array

    def project(self, z: Array) -> Array:
        """Return plane coordinates (n, 2) float32 of latents (n, D)."""
        return _float32((np.asarray(z, dtype=np.float64) - self.mean) @ self.components.T)


def pca(z: Array) -> LinearPlane:
    """Return the plane of the two directions in which latents (N, D) vary most.

    The sign is fixed by making the largest entry of each component positive, so the same data
    always give the same picture.
    """
    mean, variances, vectors = _principal(z)
    rows = np.zeros((2, z.shape[1]))
    share = np.zeros(2)
    kept = min(2, z.shape[1])
    rows[:kept] = vectors[:kept]
    share[:kept] = variances[:kept] / max(variances.sum(), np.finfo(float).tiny)
    plane = LinearPlane(np.empty((0, 2)), _float32(rows), _float32(mean), _float32(share))
    coordinates = np.concatenate([plane.project(part) for part in _blocks(z)])
    return LinearPlane(coordinates, plane.components, plane.mean, plane.variance_share)


def umap_plane(
    z: Array,
    progress: Share | None = None,
    cancelled: Cancel | None = None,
    seed: int = 0,
    neighbours: int = 15,
) -> NDArray[np.float32]:
    """Return UMAP coordinates (N, 2) float32 of latents (N, D): `umap_coordinates` to look at."""
    shape = UmapShape(neighbours=neighbours, fitted=UMAP_FITTED)
    return umap_coordinates(z, shape, progress, cancelled, seed)


@dataclass(frozen=True)
class UmapShape:
    """What UMAP is asked for.

    Parameters
    ----------
    dimensions : int
    neighbours : int
        Images that count as near.
    least_distance : float
        How near alike images may come: small to part groups, larger to see single images.
    fitted : int
        Most images that are fitted.
    """

    dimensions: int = 2
    neighbours: int = 15
    least_distance: float = 0.1
    fitted: int = UMAP_FITTED


def umap_coordinates(
    z: Array,
    shape: UmapShape,
    progress: Share | None = None,
    cancelled: Cancel | None = None,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Return UMAP coordinates (N, dimensions) float32 of latents (N, D).

    PCA to 50 dimensions comes first when D is larger. At most `shape.fitted` images are fitted, the
    rest placed among them in blocks. `progress` gets 0..1; `cancelled` is asked as often.

    Raises
    ------
    ConfigError
        There are fewer than three images.
    DeviceError
        The package umap-learn is not installed.
    Cancelled
        `cancelled` said so.
    """
    if len(z) < _UMAP_FEWEST:
        what = f"UMAP needs {_UMAP_FEWEST} images or more, there are {len(z)}"
        raise ConfigError(what, todo="look at the plane of PCA")
    watch = _Watch(progress, cancelled)
    reducer_class = _umap_class()
    values = _float32(_reduced(z))
    rng = np.random.default_rng(seed)
    some = np.sort(rng.permutation(len(values))[: shape.fitted])
    rest = np.setdiff1d(np.arange(len(values)), some, assume_unique=True)
    watch.share = _FIT_SHARE if len(rest) else 1.0
    watch.report(0.0)
    bar = {"disable": False, "file": watch, "mininterval": 0.2, "bar_format": "{n}/{total}"}
    reducer = reducer_class(
        n_components=shape.dimensions,
        n_neighbors=min(shape.neighbours, len(some) - 1),
        min_dist=shape.least_distance,
        init="pca" if values.shape[1] >= shape.dimensions else "random",
        random_state=seed,
        n_jobs=1,
        tqdm_kwds=bar,
    )
    places = np.empty((len(values), shape.dimensions), dtype=np.float32)
    places[some] = reducer.fit_transform(values[some])
    watch.file_is_silent = True
    for start in range(0, len(rest), _UMAP_BLOCK):
        watch.report(_FIT_SHARE + (1 - _FIT_SHARE) * start / len(rest))
        part = rest[start : start + _UMAP_BLOCK]
        places[part] = reducer.transform(values[part])
    watch.report(1.0)
    return places


class _Watch:
    """Stands in for the file that UMAP's progress bar writes to: the only way into its loop."""

    def __init__(self, progress: Share | None, cancelled: Cancel | None) -> None:
        self._progress = progress
        self._cancelled = cancelled
        self.share = 1.0
        self.file_is_silent = False

    def report(self, done: float) -> None:
        if self._cancelled is not None and self._cancelled():
            raise Cancelled("UMAP was stopped")
        if self._progress is not None:
            self._progress(done)

    def write(self, text: str) -> int:
        done, _, total = text.strip().partition("/")
        if done.isdigit() and total.isdigit() and int(total) and not self.file_is_silent:
            self.report(self.share * int(done) / int(total))
        return len(text)

    def flush(self) -> None:
        """Nothing waits to be written."""


def _umap_class() -> Any:
    try:
        with warnings.catch_warnings(action="ignore", category=ImportWarning):
            from umap import UMAP  # warns that TensorFlow is absent, which it needs for another
    except ImportError:
        raise DeviceError("UMAP is not installed", todo="pip install umap-learn") from None
    return UMAP


def _reduced(z: Array) -> Array:
    if z.shape[1] <= _PCA_BEFORE_UMAP:
        return z
    mean, _, vectors = _principal(z)
    return (z - mean) @ vectors[:_PCA_BEFORE_UMAP].T


def neighbour_plane(z: Array, seed: int = 0) -> tuple[NDArray[np.float32], str]:
    """Return a plane (N, 2) of a few thousand latents that keeps neighbours, and its method.

    UMAP where umap-learn is installed, otherwise scikit-learn's t-SNE (paper figure 3).
    """
    try:
        return umap_plane(z, seed=seed), "UMAP"
    except DeviceError:
        from sklearn.manifold import TSNE

        perplexity = min(30.0, max(1.0, (len(z) - 1) / 3))
        plane = TSNE(perplexity=perplexity, init="pca", random_state=seed)
        return _float32(plane.fit_transform(_float32(_reduced(z)))), "t-SNE"


def _principal(z: Array) -> tuple[Array, Array, Array]:
    """Mean (D,), variances (D,) falling and components (D, D) as rows, from the covariance."""
    mean = z.mean(0, dtype=np.float64)
    covariance = np.zeros((z.shape[1], z.shape[1]))
    for part in _blocks(z):
        centred = part - mean
        covariance += centred.T @ centred
    variances, vectors = np.linalg.eigh(covariance / max(len(z), 1))
    rows = vectors.T[::-1]
    largest = np.take_along_axis(rows, np.abs(rows).argmax(1, keepdims=True), 1)
    return mean, np.maximum(variances[::-1], 0.0), rows * np.where(largest < 0, -1.0, 1.0)


def _blocks(z: Array, rows: int = 1 << 16) -> list[Array]:
    return [z[start : start + rows] for start in range(0, max(len(z), 1), rows)]


def _float32(values: Array) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)
