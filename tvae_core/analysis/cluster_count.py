"""How many clusters: the number that halves of the images agree on, and that lie apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Figures = NDArray[np.float64]

FEWEST = 40  # images: halves of twenty
MOST_CLUSTERS = 24
_COMPARED = 2_000
_HALVINGS = 6
_NEARLY = 0.9  # of the highest stability: what is less is not proposed however far it lies apart


@dataclass(frozen=True)
class Proposal:
    """Numbers of clusters that were tried, and what speaks for each.

    Parameters
    ----------
    counts : (k,) int
        Rising.
    stability : (k,)
        Mean adjusted Rand index of the clusters that two halves of the images give; 1: the same
        clusters, 0: as much alike as by chance.
    apartness : (k,)
        Mean silhouette of the clusters, at least 0: near 1, each image is much nearer to its own
        cluster than to the next.
    """

    counts: NDArray[np.int64]
    stability: Figures
    apartness: Figures

    @property
    def score(self) -> Figures:
        """Stability times apartness, (k,)."""
        return self.stability * self.apartness

    @property
    def count(self) -> int:
        """The number proposed: of highest score among those nearly as stable as the stablest."""
        stable = self.stability >= _NEARLY * self.stability.max()
        return int(self.counts[int(np.argmax(np.where(stable, self.score, -1.0)))])


def proposed(
    places: Array, contents: Array | None = None, seed: int = 0, most: int = MOST_CLUSTERS
) -> Proposal:
    """Try 2 to `most` clusters of images and say what speaks for each number.

    Apartness is judged at the `places` (N, D) that are clustered. Stability is judged in the
    `contents` (N, E) they were made of, the places themselves where there are none: UMAP tears what
    is continuous into stable pieces. The images, at most 2,000, are halved at random, Ward's method
    clusters each half, the second takes the clusters of its nearest images in the first, and the
    adjusted Rand index tells whether both agree (Ben-Hur 2002, Lange 2004); a mean of six halvings.

    Raises
    ------
    ValueError
        There are fewer than `FEWEST` images.
    """
    if len(places) < FEWEST:
        raise ValueError(f"{len(places)} images")
    rng = np.random.default_rng(seed)
    some = rng.permutation(len(places))[:_COMPARED]
    counts = np.arange(2, min(most, len(some) // 10) + 1)
    judged = np.asarray((places if contents is None else contents)[some], np.float64)
    agreed = [_agreement_of_halves(judged, counts, rng) for _ in range(_HALVINGS)]
    apart = _apartness(np.asarray(places[some], np.float64), counts)
    return Proposal(counts, np.maximum(np.mean(agreed, axis=0), 0.0), apart)


def _agreement_of_halves(
    values: Array, counts: NDArray[np.int64], rng: np.random.Generator
) -> Figures:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial import KDTree
    from sklearn.metrics import adjusted_rand_score

    one, other = np.array_split(values[rng.permutation(len(values))], 2)
    first, second = linkage(one, "ward"), linkage(other, "ward")
    nearest = KDTree(one).query(other)[1]
    cuts = ((fcluster(tree, n, "maxclust") for tree in (first, second)) for n in counts)
    return np.array([adjusted_rand_score(theirs[nearest], own) for theirs, own in cuts])


def _apartness(places: Array, counts: NDArray[np.int64]) -> Figures:
    from scipy.cluster.hierarchy import fcluster, linkage
    from sklearn.metrics import pairwise_distances, silhouette_score

    tree, apart = linkage(places, "ward"), pairwise_distances(places)
    np.fill_diagonal(apart, 0.0)
    cuts = [fcluster(tree, n, "maxclust") for n in counts]
    # equal images leave fewer clusters than asked for
    found = [
        silhouette_score(apart, cut, metric="precomputed") if cut.max() > 1 else 0.0 for cut in cuts
    ]
    shown: Figures = np.maximum(np.array(found), 0.0)
    return shown
