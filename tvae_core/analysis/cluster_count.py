"""How many clusters: as many as valleys of density part; one where there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.joins import joins
from tvae_core.analysis.valleys import (
    COMPARED,
    IN_A_PIECE,
    LEAST_DEPTH,
    PIECES,
    SURE,
    Valley,
    valley,
    valley_nearby,
)

Array = NDArray[np.floating]
Figures = NDArray[np.float64]

FEWEST = 2 * IN_A_PIECE
MOST_CLUSTERS = PIECES


@dataclass(frozen=True)
class Proposal:
    """Numbers of clusters that were tried, and how well each parts the images.

    Parameters
    ----------
    counts : (k,) int
        Rising, from 2.
    depth : (k,)
        Of the shallowest valley between any two of so many groups, 0 to 1: 1, no image lies between
        them; 0, none is sure to be there.
    """

    counts: NDArray[np.int64]
    depth: Figures

    @property
    def count(self) -> int:
        """The number proposed: the most groups that all have valleys between them; 1 for none."""
        parted = np.flatnonzero(self.depth >= LEAST_DEPTH)
        return int(self.counts[parted[-1]]) if len(parted) else 1


def proposed(
    places: Array, contents: Array | None = None, seed: int = 0, most: int = MOST_CLUSTERS
) -> Proposal:
    """Say how many groups of images have valleys of density between them.

    The images, at most 2,000, are cut into `most` pieces by Ward's method on the `places` (N, D)
    that are clustered. Two pieces are parted by a valley where the density along the direction that
    parts them best (Fisher's, each half judged by the other's) falls between their middles and
    rises again. Pieces between which none is sure are joined, the least sure first, then those with
    the shallowest valley (Hennig 2010 joins parts of a mixture so). Where no valley is left when
    each is asked for between the images next to the other group too, there is none: a curved band
    seen from the side has two ends and a hollow. Density is judged in the `contents` (N, E) that
    the places were made of, the places themselves where there are none: UMAP tears what is
    continuous.

    Raises
    ------
    ValueError
        There are fewer than `FEWEST` images.
    """
    if len(places) < FEWEST:
        raise ValueError(f"{len(places)} images")
    from scipy.cluster.hierarchy import fcluster, linkage

    some = np.random.default_rng(seed).permutation(len(places))[:COMPARED]
    where = np.asarray(places[some], np.float64)
    values = where if contents is None else np.asarray(contents[some], np.float64)
    pieces = fcluster(
        linkage(where, "ward"), max(2, min(most, len(some) // IN_A_PIECE)), "maxclust"
    )
    groups = {int(piece): values[pieces == piece] for piece in np.unique(pieces)}
    depth = dict.fromkeys(range(2, most + 1), 0.0)
    if max(_joined(groups, valley_nearby).values(), default=0.0) >= LEAST_DEPTH:
        depth |= _joined(groups, valley)
    return Proposal(np.array(list(depth)), np.array(list(depth.values())))


def _joined(groups: dict[int, Array], between: Valley) -> dict[int, float]:
    """Return the depth of the shallowest valley by the number of groups, joining one by one."""
    found = joins(groups, between, lambda *both: np.concatenate(both), _order)
    valleys = [valley for _, _, valley in found]
    counts = range(len(groups), 1, -1)
    return {
        n: depth if sure >= SURE else 0.0 for n, (depth, sure) in zip(counts, valleys, strict=True)
    }


def _order(found: tuple[float, float]) -> tuple[int, float]:
    """Return what sorts the valleys that part nothing first, the least sure of them first."""
    depth, sure = found
    parted = sure >= SURE and depth >= LEAST_DEPTH
    return (1, depth) if parted else (0, sure)
