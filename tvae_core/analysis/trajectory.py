"""Paths through the latent: along anchors, drawn by hand, or along where the images are dense."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ConfigError

Array = NDArray[np.floating]
GRAPH_POINTS = 50_000


def polyline(anchors: Array, count: int) -> NDArray[np.float64]:
    """Return `count` points evenly spaced by length along the line through anchors.

    Parameters
    ----------
    anchors : (A, d)
        At least one; places of a plane or latents.
    count : int

    Returns
    -------
    (count, d) float64
        The first and the last are the first and last anchors.
    """
    corners = np.asarray(anchors, dtype=np.float64)
    steps = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0.0, length[-1], count)
    return np.stack([np.interp(wanted, length, axis) for axis in corners.T], axis=1)


def smoothed(path: Array, count: int, strength: float = 0.05) -> NDArray[np.float64]:
    """Return a hand-drawn path smoothed and evenly spaced, (count, d), its ends kept.

    `strength` is the width of the Gaussian as a share of the length of the path.
    """
    from scipy.ndimage import gaussian_filter1d

    fine = polyline(path, max(4 * count, 256))
    # odd reflection about both ends keeps them where they are
    before, after = 2 * fine[0] - fine[:0:-1], 2 * fine[-1] - fine[-2::-1]
    reflected = np.concatenate([before, fine, after])
    soft = gaussian_filter1d(reflected, max(strength, 0.0) * len(fine) + 1e-9, axis=0)
    return polyline(soft[len(before) : len(before) + len(fine)], count)


def density_path(
    values: Array, start: int, end: int, k: int = 10, seed: int = 0
) -> NDArray[np.int64]:
    """Return indices (m,) of images that lead from `start` to `end` through dense places.

    The shortest path in the graph of k nearest neighbours, a step costing its length squared, so
    that many short steps are cheaper than one long jump. Of more than 50,000 images a random
    50,000 are used; k is doubled until both ends hang together.

    Parameters
    ----------
    values : (N, d)
        Latents or plane coordinates.
    start, end : int
        Indices of images.

    Raises
    ------
    ConfigError
        An end is not among the images.
    """
    if not (0 <= start < len(values) and 0 <= end < len(values)):
        raise ConfigError("the path's ends are not among the images")
    chosen = _some(len(values), (start, end), seed)
    points = np.asarray(values[chosen], dtype=np.float64)
    first, last = np.searchsorted(chosen, (start, end))
    neighbours = min(k, len(points) - 1)
    path = _shortest(points, int(first), int(last), neighbours)
    while not len(path):
        neighbours = min(2 * neighbours, len(points) - 1)
        path = _shortest(points, int(first), int(last), neighbours)
    return chosen[path]


def _shortest(points: Array, first: int, last: int, k: int) -> NDArray[np.int64]:
    """Return the indices along the shortest path, empty when there is none."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra
    from scipy.spatial import KDTree

    if first == last:
        return np.array([first])
    tree: Any = KDTree(points)
    distance, neighbour = tree.query(points, np.arange(1, k + 2))
    rows = np.repeat(np.arange(len(points)), k + 1)
    cost = np.maximum(distance.ravel() ** 2, 1e-12 * max(float(distance.max()) ** 2, 1e-300))
    graph = csr_array((cost, (rows, neighbour.ravel())), shape=(len(points), len(points)))
    before: Any
    _, before = dijkstra(graph, directed=False, indices=np.array(first), return_predecessors=True)
    path = [last]
    while path[-1] != first and path[-1] >= 0:
        path.append(int(before[path[-1]]))
    return np.array(path[::-1] if path[-1] == first else [], dtype=np.int64)


def _some(total: int, needed: tuple[int, int], seed: int) -> NDArray[np.int64]:
    if total <= GRAPH_POINTS:
        return np.arange(total)
    chosen = np.random.default_rng(seed).choice(total, GRAPH_POINTS, replace=False)
    return np.union1d(chosen, needed).astype(np.int64)
