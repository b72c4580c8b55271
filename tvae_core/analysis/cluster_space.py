"""Where images are clustered: the dimensions of z that say something, and spaces made of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.projection import UmapShape, umap_coordinates
from tvae_core.progress import Cancel, Share

Array = NDArray[np.floating]

PRIOR_STD = 0.95  # of q(z): a dimension this wide is the prior, and says nothing of its image
APART = UmapShape(dimensions=10, neighbours=15, least_distance=0.0, fitted=20_000)


def active_dimensions(std: Array) -> NDArray[np.bool_]:
    """Return which dimensions (D,) of the content are used, told by the spreads (N, D) of q(z).

    A dimension that the model leaves alone keeps the spread of the prior, 1. All are taken where
    none is used.
    """
    used: NDArray[np.bool_] = np.asarray(std).mean(0) < PRIOR_STD
    return used if used.any() else np.ones_like(used)


def parted(
    values: Array,
    progress: Share | None = None,
    cancelled: Cancel | None = None,
    seed: int = 0,
    neighbours: int = APART.neighbours,
) -> NDArray[np.float32]:
    """Return places (N, 10) in which groups of alike images lie apart: UMAP without a least gap.

    Raises as `umap_coordinates`.
    """
    shape = UmapShape(APART.dimensions, neighbours, APART.least_distance, APART.fitted)
    return umap_coordinates(values, shape, progress, cancelled, seed)
