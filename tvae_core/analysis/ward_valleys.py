"""Ward's clusters, joined where no valley of density lies between them.

Ward's method cuts a long group before it joins two short ones, and a map such as UMAP tears what is
long. So more pieces are cut than clusters are wanted, and joined by Ward's own cost, the growth of
the squared distances to the middles, times (1 + depth) / 2 of the valley between the two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.clustering import Labels, cluster
from tvae_core.analysis.valleys import SURE, valley

Array = NDArray[np.floating]
Pair = tuple[int, int]

_PIECES, _IN_A_PIECE = 24, 20  # cut at most; images in each, on average, at least
_COMPARED = 2_000  # images between which valleys are looked for


def ward_by_valleys(places: Array, contents: Array, count: int, seed: int = 0) -> Labels:
    """Return labels (N,) of `count` clusters, or of as many as there are different places.

    Parameters
    ----------
    places : (N, D)
        Where the images are clustered.
    contents : (N, E)
        What the places were made of: density is judged there.
    count : int
    seed : int

    Raises
    ------
    ConfigError
        Fewer than one cluster is asked for, or more than there are images.
    """
    pieces = min(_PIECES, len(places) // _IN_A_PIECE)
    if not 1 <= count < pieces:
        return cluster("ward", places, count, seed).labels
    labels = cluster("ward", places, pieces, seed).labels
    return _Pieces(labels, places, contents, seed).joined(count)


class _Pieces:
    """Pieces of the images, and what it costs to join any two of them."""

    def __init__(self, labels: Labels, places: Array, contents: Array, seed: int) -> None:
        self._labels = labels.copy()
        some = np.random.default_rng(seed).permutation(len(labels))[:_COMPARED]
        of_some = labels[some]
        self._contents, self._size, self._middle = {}, {}, {}
        for piece in range(int(labels.max()) + 1):
            mine = labels == piece
            self._contents[piece] = np.asarray(contents[some[of_some == piece]], np.float64)
            self._size[piece] = int(mine.sum())
            self._middle[piece] = places[mine].mean(0, dtype=np.float64)
        pieces = list(self._size)
        pairs = [(one, other) for n, one in enumerate(pieces) for other in pieces[n + 1 :]]
        self._cost = {pair: self._cost_of(pair) for pair in pairs}

    def joined(self, count: int) -> Labels:
        """Join the cheapest pair until `count` are left."""
        while len(self._size) > count:
            one, other = min(self._cost, key=lambda pair: self._cost[pair])
            self._join(one, other)
        return self._labels

    def _join(self, one: int, other: int) -> None:
        sizes = self._size[one], self._size.pop(other)
        middles = self._middle[one], self._middle.pop(other)
        self._size[one] = sum(sizes)
        self._middle[one] = np.average(middles, axis=0, weights=sizes)
        self._contents[one] = np.concatenate([self._contents[one], self._contents.pop(other)])
        self._labels[self._labels == other] = one
        self._cost = {
            pair: self._cost_of(pair) if one in pair else cost
            for pair, cost in self._cost.items()
            if other not in pair
        }

    def _cost_of(self, pair: Pair) -> float:
        one, other = pair
        a, b = self._size[one], self._size[other]
        ward = a * b / (a + b) * float(np.square(self._middle[one] - self._middle[other]).sum())
        depth, sure = valley(self._contents[one], self._contents[other])
        return ward * (1 + (depth if sure >= SURE else 0.0)) / 2
