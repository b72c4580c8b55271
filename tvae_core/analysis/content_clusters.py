"""Clusters of contents: the method people get unless they ask for another, and how many there are.

`umap-ward` clusters a UMAP of the active dimensions of z, made to part groups, by Ward's method,
with more pieces than are wanted, joined where no valley lies between them (`ward_valleys`): of what
was compared it comes nearest to the classes people mean (docs/results/clusterers.md).
`auto` is `umap-ward` where it can be computed, otherwise Ward on the active dimensions.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.cluster_count import FEWEST, Proposal, proposed
from tvae_core.analysis.cluster_space import active_dimensions, parted
from tvae_core.analysis.clustering import METHODS, NOISE, Clustering, cluster, relabel_by_size
from tvae_core.analysis.ward_valleys import ward_by_valleys
from tvae_core.errors import Cancelled, ConfigError
from tvae_core.progress import Cancel, Share

Array = NDArray[np.floating]

AUTO, UMAP_WARD = "auto", "umap-ward"
CONTENT_METHODS = (AUTO, UMAP_WARD, *METHODS)
FITTED = 10_000  # UMAP and Ward of 10-d: a minute
FEWEST_PARTED = 100
_CONTINUOUS = "the images form one continuous cloud; to divide it all the same, give a number"
_VOTERS = 15
_BLOCK = 20_000


def cluster_contents(
    method: str,
    mean: Array,
    std: Array,
    count: int | None = None,
    seed: int = 0,
    progress: Share | None = None,
    cancelled: Cancel | None = None,
) -> Clustering:
    """Cluster images by their content.

    Parameters
    ----------
    method : str
        One of `CONTENT_METHODS`.
    mean, std : (N, D)
        Of q(z) of each image.
    count : int, optional
        Clusters wanted; without it the number is proposed (`cluster_count.proposed`). HDBSCAN finds
        its own.
    seed : int
        The same seed gives the same clusters.
    progress, cancelled : callable, optional
        Told the share done, 0 to 1; asked whether to stop.

    Raises
    ------
    ConfigError
        The method is unknown, or more clusters are asked for than there are images.
    DeviceError
        `umap-ward` is asked for, and umap-learn is not installed.
    Cancelled
        `cancelled` said so.
    """
    if method not in CONTENT_METHODS:
        raise ConfigError(f"no method {method!r}", todo="methods: " + ", ".join(CONTENT_METHODS))
    values = mean[:, active_dimensions(std)]
    instead = _why_not_parted(values, count) if method in (AUTO, UMAP_WARD) else ""
    if method == AUTO and instead:
        return _noted(cluster_places("ward", values, count, seed), instead)
    if method not in (AUTO, UMAP_WARD):
        return cluster_places(method, values, count, seed)
    some = _sample(len(values), seed)
    places = parted(values[some], _part_of(progress, 0.8), cancelled, seed)
    found = cluster_places("ward", places, count, seed, contents=values[some])
    _stop(cancelled)
    if len(some) < len(values):
        labels = _spread(found.labels, values, some, progress, cancelled)
        note = f"fitted on {len(some):,} of {len(values):,} images, the rest take their neighbours'"
        found = replace(_noted(found, f"{note} labels"), labels=labels)
    return replace(found, method=UMAP_WARD)


def cluster_places(
    method: str,
    values: Array,
    count: int | None = None,
    seed: int = 0,
    contents: Array | None = None,
) -> Clustering:
    """Cluster places (N, D) by one of `METHODS`, or `auto`, which is Ward; see `cluster_contents`.

    `contents` (N, E): what the places were made of, where Ward is helped by the valleys between
    them (`ward_valleys`, `cluster_count.proposed`).

    Raises
    ------
    ConfigError
        As `cluster`; `umap-ward` is for contents only.
    """
    if method == UMAP_WARD:
        what = "umap-ward makes a space of its own"
        raise ConfigError(what, todo="leave out the plane, or use ward on it")
    method = "ward" if method == AUTO else method
    if count is not None or method == "hdbscan":
        return _cut(method, values, count or 1, seed, contents)
    if len(values) < FEWEST:
        what = f"the number of clusters cannot be proposed for {len(values)} images"
        raise ConfigError(what, todo="give it with --count")
    proposal = proposed(values, contents, seed)
    found = replace(_cut(method, values, proposal.count, seed, contents), proposal=proposal)
    return found if proposal.count > 1 else _noted(found, _CONTINUOUS)


def _cut(method: str, values: Array, count: int, seed: int, contents: Array | None) -> Clustering:
    """Return so many clusters, joined by the valleys between the contents where there are any."""
    if contents is None:
        return cluster(method, values, count, seed)
    return Clustering(relabel_by_size(ward_by_valleys(values, contents, count, seed)), method)


def _why_not_parted(values: Array, count: int | None) -> str:
    """Return in words why UMAP cannot part these contents; empty where it can."""
    if find_spec("umap") is None:
        return "Ward on the active dimensions of z: UMAP is not installed (pip install umap-learn)"
    if values.shape[1] == 1:
        return "Ward on the only active dimension of z, which UMAP would tear into pieces"
    if len(values) < FEWEST_PARTED:
        return f"Ward on the active dimensions of z: UMAP takes {FEWEST_PARTED} images or more"
    if len(np.unique(values, axis=0)) < FEWEST_PARTED:
        return "Ward on the active dimensions of z: too few different contents for UMAP"
    return ""


def _sample(images: int, seed: int) -> NDArray[np.int64]:
    chosen = np.random.default_rng(seed).permutation(images)[:FITTED]
    return np.sort(chosen).astype(np.int64)


def _spread(
    labels: NDArray[np.int32],
    values: Array,
    some: NDArray[np.int64],
    progress: Share | None,
    cancelled: Cancel | None,
) -> NDArray[np.int32]:
    """Return labels (N,) where only `some` have one: the others take that of most neighbours."""
    from sklearn.neighbors import KNeighborsClassifier

    vote = KNeighborsClassifier(_VOTERS).fit(values[some], labels)
    result = np.full(len(values), NOISE, dtype=np.int32)
    result[some] = labels
    rest = np.setdiff1d(np.arange(len(values)), some, assume_unique=True)
    for start in range(0, len(rest), _BLOCK):
        _stop(cancelled)
        part = rest[start : start + _BLOCK]
        result[part] = vote.predict(values[part])
        if progress is not None:
            progress(0.8 + 0.2 * (start + len(part)) / len(rest))
    return relabel_by_size(result)


def _part_of(progress: Share | None, share: float) -> Share | None:
    return None if progress is None else lambda done: progress(share * done)


def _stop(cancelled: Cancel | None) -> None:
    if cancelled is not None and cancelled():
        raise Cancelled("stopped")


def _noted(found: Clustering, note: str) -> Clustering:
    return replace(found, note="; ".join(n for n in (note, found.note) if n))


__all__ = ["AUTO", "CONTENT_METHODS", "UMAP_WARD", "Proposal", "cluster_contents", "cluster_places"]
