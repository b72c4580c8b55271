"""Clusters of images: four methods behind one entry, and the edits a user makes to their labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.cluster_count import Proposal
from tvae_core.errors import ConfigError

Array = NDArray[np.floating]
Labels = NDArray[np.int32]
Method = Literal["k-means", "gaussian-mixture", "ward", "hdbscan"]

NOISE = -1
_SAME = 1e-5  # of the largest value: float32 networks repeat no better over batches
MIXTURE_FITTED = 100_000
WARD_DIRECT = 20_000  # quadratic: 20,000 points take 33 s and 3.2 GB
WARD_CENTROIDS = 2_000
HDBSCAN_FITTED = 50_000  # 35 s


@dataclass(frozen=True)
class Clustering:
    """Labels (N,) int32 counting from 0 by falling size, -1 for noise; how they were made.

    `proposal`: what speaks for other numbers of clusters, where the number was not given.
    """

    labels: Labels
    method: str
    note: str = ""
    proposal: Proposal | None = None

    @property
    def count(self) -> int:
        """Number of clusters, noise left out."""
        return int(self.labels.max(initial=NOISE)) + 1


def cluster(
    method: Method | str, values: Array, count: int = 10, seed: int = 0, smallest: int | None = None
) -> Clustering:
    """Cluster images by their latent or by plane coordinates.

    Parameters
    ----------
    method : str
        `k-means`, `gaussian-mixture`, `ward` or `hdbscan`.
    values : (N, D)
    count : int
        Clusters wanted; HDBSCAN finds its own number.
    seed : int
    smallest : int, optional
        Fewest images HDBSCAN calls a cluster; 1 % of the images, at least 5, when not given.

    Raises
    ------
    ConfigError
        The method is unknown, or more clusters are asked for than there are images.
    """
    if method not in METHODS:
        raise ConfigError(f"no method {method!r}", todo="methods: " + ", ".join(METHODS))
    if method != "hdbscan" and not 1 <= count <= len(values):
        raise ConfigError(f"{count} clusters of {len(values)} images", todo="ask for fewer")
    size = max(5, len(values) // 100) if smallest is None else smallest
    if method == "hdbscan" and len(values) < max(2, size):
        what = f"HDBSCAN needs {max(2, size)} images or more, there are {len(values)}"
        raise ConfigError(what, todo="use k-means or ward, and give the number of clusters")
    values = _float32(values)
    alike = None if method == "hdbscan" else _few_different(values, count)
    if alike is not None:
        return Clustering(relabel_by_size(alike), method, _said_of(alike, count))
    labels, note = METHODS[method](values, size if method == "hdbscan" else count, seed)
    return Clustering(relabel_by_size(labels), method, note)


def merge(labels: Labels, parts: Sequence[int]) -> Labels:
    """Return the labels with clusters `parts` joined under the lowest of their numbers."""
    return np.where(np.isin(labels, parts), min(parts), labels).astype(np.int32)


def split(
    labels: Labels,
    part: int,
    values: Array,
    count: int = 2,
    method: Method | str = "gaussian-mixture",
    seed: int = 0,
) -> Labels:
    """Return the labels with cluster `part` cut into `count`.

    Its largest piece keeps the number; the others get new ones after the last.
    """
    chosen = np.flatnonzero(labels == part)
    pieces = cluster(method, values[chosen], count, seed).labels
    numbers = np.concatenate([[part], labels.max() + np.arange(1, max(pieces.max(), 0) + 1)])
    result = labels.astype(np.int32, copy=True)
    result[chosen] = np.where(pieces == NOISE, NOISE, numbers[pieces])
    return result


def relabel_by_size(labels: NDArray[np.integer]) -> Labels:
    """Return the labels renumbered 0, 1, ... by falling cluster size; what is below 0 is noise."""
    result = np.full(len(labels), NOISE, dtype=np.int32)
    valid = labels >= 0
    _, inverse, sizes = np.unique(labels[valid], return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), dtype=np.int32)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    result[valid] = rank[inverse]
    return result


def _few_different(values: Array, count: int) -> NDArray[np.integer] | None:
    """Return which of the different values each image has, when there are at most `count`.

    Values that differ by rounding alone are the same.
    """
    scale = float(np.abs(values).max(initial=0)) or 1.0
    steps = np.round(values / (_SAME * scale)).astype(np.int64)
    step = max(1, len(steps) // 10_000)
    if len(np.unique(steps[::step], axis=0)) > count:
        return None
    different, which = np.unique(steps, axis=0, return_inverse=True)
    return which.reshape(-1) if len(different) <= count else None


def _said_of(alike: NDArray[np.integer], count: int) -> str:
    different = int(alike.max(initial=0)) + 1
    if different == count:
        return ""
    are = "all images have the same" if different == 1 else f"there are only {different} different"
    return f"{are} content: {different} cluster{'s' * (different > 1)}, not {count}"


def _k_means(values: Array, count: int, seed: int) -> tuple[NDArray[np.integer], str]:
    from sklearn.cluster import KMeans, MiniBatchKMeans

    large = len(values) * count > 20_000_000
    kind = MiniBatchKMeans if large else KMeans
    model = kind(count, random_state=seed, n_init=1 if len(values) > 200_000 else 4)
    with _quiet_convergence():
        return model.fit_predict(values), "in small batches" if large else ""


def _gaussian_mixture(values: Array, count: int, seed: int) -> tuple[NDArray[np.integer], str]:
    from sklearn.mixture import GaussianMixture

    some, note = _some(values, MIXTURE_FITTED, seed)
    model = GaussianMixture(count, random_state=seed, reg_covar=1e-5, max_iter=200)
    with _quiet_convergence():
        model.fit(some.astype(np.float64))
    return model.predict(values.astype(np.float64)), note


def _ward(values: Array, count: int, seed: int) -> tuple[NDArray[np.integer], str]:
    from sklearn.cluster import AgglomerativeClustering, KMeans

    if len(values) <= WARD_DIRECT:
        return _one_or(AgglomerativeClustering(count, linkage="ward"), values, count), ""
    some, _ = _some(values, 50 * WARD_CENTROIDS, seed)
    means = KMeans(max(WARD_CENTROIDS, count), random_state=seed, n_init=1, max_iter=20).fit(some)
    tree = AgglomerativeClustering(count, linkage="ward").fit_predict(means.cluster_centers_)
    note = f"Ward on {len(tree):,} k-means centres, because {len(values):,} images are too many"
    return tree[means.predict(values)], note


def _hdbscan(values: Array, smallest: int, seed: int) -> tuple[NDArray[np.integer], str]:
    from scipy.spatial import KDTree
    from sklearn.cluster import HDBSCAN

    some, note = _some(values, HDBSCAN_FITTED, seed)
    size = max(2, round(smallest * len(some) / len(values)))
    labels = HDBSCAN(min_cluster_size=size, copy=True).fit_predict(some)
    if len(some) == len(values):
        return labels, note
    return labels[KDTree(some).query(values)[1]], note + ", the rest take their neighbour's label"


METHODS: dict[str, Callable[[Array, int, int], tuple[NDArray[np.integer], str]]] = {
    "k-means": _k_means,
    "gaussian-mixture": _gaussian_mixture,
    "ward": _ward,
    "hdbscan": _hdbscan,
}


def _one_or(model: Any, values: Array, count: int) -> NDArray[np.integer]:
    return np.zeros(len(values), int) if count == 1 else model.fit_predict(values)


def _some(values: Array, most: int, seed: int) -> tuple[Array, str]:
    if len(values) <= most:
        return values, ""
    chosen = np.random.default_rng(seed).choice(len(values), most, replace=False)
    return values[np.sort(chosen)], f"fitted on {most:,} of {len(values):,} images"


def _quiet_convergence() -> Any:
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    return warnings.catch_warnings(action="ignore", category=ConvergenceWarning)


def _float32(values: Array) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)
