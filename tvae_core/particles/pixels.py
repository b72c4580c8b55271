"""Pixel sizes of a table for images of another size than the table was written for."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvae_core.errors import TableError
from tvae_core.particles.table import ParticleTable

_ODD = 0.05  # by how much height and width may be binned differently: 65 px to 32, 49 to 24


def shrunk(table: ParticleTable, shape_px: ArrayLike) -> NDArray[np.float64]:
    """Return the pixel of each row's image over the table's, (N,): 2 where it was binned by 2.

    Parameters
    ----------
    table : ParticleTable
    shape_px : (2,) or (N, 2)
        Height and width that the images have.

    Raises
    ------
    TableError
        Height and width were not shrunk alike.
    """
    sides = table.image_sides_px
    if sides is None:
        return np.ones(len(table))
    ratio = np.ones_like(sides)
    known = np.isfinite(sides) & (sides > 0)
    np.divide(sides, np.broadcast_to(shape_px, sides.shape), out=ratio, where=known)
    uneven = np.flatnonzero(np.abs(ratio[:, 0] / ratio[:, 1] - 1) > _ODD)
    if uneven.size:
        row = int(uneven[0])
        said, found = sides[row], np.broadcast_to(shape_px, sides.shape)[row]
        raise TableError(
            f"row {row + 1}: the table says {said[0]:g} x {said[1]:g} px, "
            f"its stack has {found[0]:g} x {found[1]:g} px",
            table.path,
            "use the table of these images",
        )
    return np.asarray(np.sqrt(ratio.prod(axis=1)), np.float64)
