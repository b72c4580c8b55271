"""How many clusters: ways to propose the number, on sets whose number is known.

    python benchmarks/cluster_count.py STORE=NUMBER [STORE=NUMBER ...]

STORE is a run or a store, or an .npz of z (N, D), active dimensions only, and u (N, 10), their UMAP
made to part groups; NUMBER is that of the groups in it, 1 where it has none. Prints a row of each:
the number proposed by each way with three seeds, 2,000 of the images each (1,000 where it is slow).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import csgraph, csr_matrix, identity
from scipy.sparse.linalg import eigsh
from scipy.spatial import KDTree
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, pairwise_distances, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import kneighbors_graph

from tvae_core.analysis.cluster_count import proposed
from tvae_core.analysis.cluster_space import active_dimensions, parted
from tvae_core.store import EmbeddingStore

Array = NDArray[Any]
Way = Callable[[Array, Array, int], int]
_MOST = 24
_SEEDS = 3
_IMAGES, _FEWER = 2_000, 1_000


def valleys(z: Array, u: Array, seed: int) -> int:
    """Return what `tvae cluster` proposes."""
    return proposed(u, z, seed).count


def stable_and_apart(z: Array, u: Array, seed: int) -> int:
    """Return what it proposed before: agreement of halves times silhouette, from 2 on."""
    rng, counts = np.random.default_rng(seed), np.arange(2, _MOST + 1)
    agreed = np.maximum(np.mean([_agreement(z, counts, rng) for _ in range(6)], axis=0), 0)
    apart, tree = pairwise_distances(u), linkage(u, "ward")
    np.fill_diagonal(apart, 0.0)
    cuts = [fcluster(tree, n, "maxclust") for n in counts]
    score = agreed * [silhouette_score(apart, cut, metric="precomputed") for cut in cuts]
    return int(counts[np.argmax(np.where(agreed >= 0.9 * agreed.max(), score, -1))])


def _halves(values: Array, counts: Array, rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """Return what Ward makes of half the images, and what the other half's nearest have."""
    one, other = np.array_split(values[rng.permutation(len(values))], 2)
    first, second = linkage(one, "ward"), linkage(other, "ward")
    nearest = KDTree(one).query(other)[1]
    return [
        (fcluster(first, n, "maxclust")[nearest], fcluster(second, n, "maxclust")) for n in counts
    ]


def _agreement(values: Array, counts: Array, rng: np.random.Generator) -> Array:
    return np.array([adjusted_rand_score(a, b) for a, b in _halves(values, counts, rng)])


def prediction_strength(z: Array, u: Array, seed: int) -> int:
    """Return the most clusters of the UMAP of strength .8 (Tibshirani and Walther 2005)."""
    rng, counts = np.random.default_rng(seed), np.arange(1, _MOST + 1)
    pairs = (_halves(u, counts, rng) for _ in range(4))
    strength = np.mean([[_strength(a, b) for a, b in halves] for halves in pairs], axis=0)
    return int(counts[strength >= 0.8][-1])


def _strength(told: Array, own: Array) -> float:
    sizes = [np.bincount(told[own == c]) for c in np.unique(own)]
    return min(float((n * (n - 1)).sum() / max(1, n.sum() * (n.sum() - 1))) for n in sizes)


def bic(z: Array, u: Array, seed: int, kind: str = "full") -> int:
    """Return the parts of the Gaussian mixture of z of lowest BIC."""
    white = PCA().fit_transform(z)
    white /= white[:, 0].std()
    found = [
        GaussianMixture(k, covariance_type=kind, random_state=seed, reg_covar=1e-4, max_iter=60)
        .fit(white)
        .bic(white)
        for k in range(1, _MOST + 1)
    ]
    return int(np.argmin(found)) + 1


def bic_diagonal(z: Array, u: Array, seed: int) -> int:
    """Return the same with diagonal covariances."""
    return bic(z, u, seed, "diag")


def gap(z: Array, u: Array, seed: int) -> int:
    """Return the number of the gap statistic of k-means (Tibshirani 2001), five references."""
    values, rng = PCA().fit_transform(z), np.random.default_rng(seed)
    ends = values.min(0), values.max(0)
    logs = np.stack([_dispersion(rng.uniform(*ends, values.shape)) for _ in range(5)])
    found = logs.mean(0) - _dispersion(values)
    spread = logs.std(0) * np.sqrt(1 + 1 / len(logs))
    good = np.flatnonzero(found[:-1] >= found[1:] - spread[1:])
    return int(good[0]) + 1 if len(good) else _MOST


def _dispersion(values: Array) -> Array:
    fits = [KMeans(k, n_init=1, random_state=0).fit(values) for k in range(1, _MOST + 1)]
    return np.log([fit.inertia_ for fit in fits])


def _graph(z: Array) -> csr_matrix:
    near = kneighbors_graph(z, 15)
    return near.maximum(near.T)


def eigengap(z: Array, u: Array, seed: int) -> int:
    """Return where the eigenvalues of the neighbour graph's Laplacian jump most."""
    laplacian = csgraph.laplacian(_graph(z), normed=True)
    flipped = 2 * identity(len(z)) - laplacian
    values = np.sort(2 - eigsh(flipped, k=_MOST + 1, which="LA", return_eigenvectors=False))
    return int(np.argmax(np.diff(values))) + 1


def modularity(z: Array, u: Array, seed: int) -> int:
    """Return the communities of the neighbour graph (Louvain)."""
    import networkx as nx

    graph = nx.from_scipy_sparse_array(_graph(z))
    return len(nx.community.louvain_communities(graph, seed=seed))


def peaks(z: Array, u: Array, seed: int) -> int:
    """Return the peaks of density on the UMAP that stand .5 above their saddle in its logarithm."""
    apart, near = KDTree(u).query(u, 16)
    density = -u.shape[1] * np.log(apart[:, 1:].mean(1) + 1e-12)
    root, count = np.full(len(u), -1), 0
    for point in np.argsort(-density):
        above = {_top(root, q) for q in near[point, 1:] if root[q] >= 0}
        ranked = sorted(above, key=lambda r: -density[r])
        root[point] = ranked[0] if ranked else point
        for lower in ranked[1:]:
            count += density[lower] - density[point] >= 0.5 * u.shape[1]
            root[lower] = ranked[0]
    return int(count) + len({_top(root, q) for q in range(len(u))})


def _top(root: Array, point: int) -> int:
    while root[point] != point:
        point = root[point]
    return int(point)


WAYS: dict[str, tuple[Way, int]] = {
    "valleys": (valleys, _IMAGES),
    "stable and apart": (stable_and_apart, _IMAGES),
    "prediction strength": (prediction_strength, _IMAGES),
    "BIC, full": (bic, _FEWER),
    "BIC, diagonal": (bic_diagonal, _FEWER),
    "gap": (gap, _FEWER),
    "eigengap": (eigengap, _FEWER),
    "modularity": (modularity, _FEWER),
    "density peaks": (peaks, _IMAGES),
}


def contents(path: Path) -> tuple[Array, Array]:
    """Return the active dimensions of z, (N, D), and their UMAP, (N, 10)."""
    if path.suffix == ".npz":
        with np.load(path) as kept:
            return kept["z"], kept["u"].astype(np.float64)
    with EmbeddingStore(path) as store:
        z = store.z_mean[:, active_dimensions(store.column("content/std"))]
    return z, parted(z).astype(np.float64)


def main(paths: list[str]) -> None:
    """Print the rows, and the factor by which each way is wrong: in the mean and at worst."""
    warnings.filterwarnings("ignore")
    print("| set | truth | " + " | ".join(WAYS) + " |", flush=True)
    print("|---" * (len(WAYS) + 2) + "|")
    wrong: dict[str, list[float]] = {name: [] for name in WAYS}
    for word in paths:
        path, _, number = word.rpartition("=")
        (z, u), truth = contents(Path(path)), int(number)
        cells = []
        for name, (way, images) in WAYS.items():
            some = [np.random.default_rng(s).permutation(len(z))[:images] for s in range(_SEEDS)]
            found = [way(z[rows], u[rows], seed) for seed, rows in enumerate(some)]
            wrong[name] += [abs(np.log(count / truth)) for count in found]
            cells.append(" ".join(map(str, found)))
        print(f"| {Path(path).stem} | {truth} | " + " | ".join(cells) + " |", flush=True)
    for words, of in (("mean factor", np.mean), ("worst factor", np.max)):
        print(f"| {words} | | " + " | ".join(f"{np.exp(of(v)):.1f}" for v in wrong.values()) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
