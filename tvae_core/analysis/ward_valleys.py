"""Ward's clusters, joined where no valley of density lies between them.

Ward's method cuts a long group before it joins two short ones, and a map such as UMAP tears what is
long. So more pieces are cut than clusters are wanted, and joined by Ward's own cost, the growth of
the squared distances to the middles, times (1 + depth) / 2 of the valley between the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.clustering import Labels, cluster
from tvae_core.analysis.joins import joins
from tvae_core.analysis.valleys import COMPARED, IN_A_PIECE, PIECES, SURE, valley

Array = NDArray[np.floating]
Figures = NDArray[np.float64]


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
    cut = min(PIECES, len(places) // IN_A_PIECE)
    if not 1 <= count < cut:
        return cluster("ward", places, count, seed).labels
    labels = cluster("ward", places, cut, seed).labels.copy()
    some = np.random.default_rng(seed).permutation(len(labels))[:COMPARED]
    pieces = {
        number: _Piece(
            np.asarray(contents[some[labels[some] == number]], np.float64),
            int((labels == number).sum()),
            places[labels == number].mean(0, dtype=np.float64),
        )
        for number in range(int(labels.max()) + 1)
    }
    for one, other, _ in islice(joins(pieces, _cost, _together, float), len(pieces) - count):
        labels[labels == other] = one
    return labels


@dataclass(frozen=True)
class _Piece:
    """Contents (m, E) of those that are compared, images, and the middle (D,) of their places."""

    contents: Figures
    images: int
    middle: Figures


def _cost(one: _Piece, other: _Piece) -> float:
    a, b = one.images, other.images
    ward = a * b / (a + b) * float(np.square(one.middle - other.middle).sum())
    depth, sure = valley(one.contents, other.contents)
    return ward * (1 + (depth if sure >= SURE else 0.0)) / 2


def _together(one: _Piece, other: _Piece) -> _Piece:
    images = one.images, other.images
    middle = np.average([one.middle, other.middle], axis=0, weights=images)
    return _Piece(np.concatenate([one.contents, other.contents]), sum(images), middle)
