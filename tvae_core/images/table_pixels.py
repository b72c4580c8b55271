"""Which pixel size the images of a table have, from what the table and its stacks say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import TableError
from tvae_core.images.mrc import MrcHeader
from tvae_core.particles import ParticleTable
from tvae_core.particles.pixels import shrunk

Sizes = NDArray[np.float64]
_SAME = 0.02  # headers are rounded, and magnifications refined after the stack was written
_MIXED = 1e-3
_DEFAULT = 1.0  # what many programs write into a header when they know no pixel size


class PixelSizes(NamedTuple):
    """Pixel size of each image, (N,) angstrom, None when unknown; what is to be said of it."""

    angstrom: Sizes | None
    remarks: tuple[str, ...]

    @property
    def common(self) -> float | None:
        """The one pixel size of all images, None when it is unknown or mixed."""
        sizes = self.angstrom
        if sizes is None or np.ptp(sizes) > _MIXED * sizes[0]:
            return None
        return float(sizes[0])


def pixel_sizes(
    table: ParticleTable, file_index: NDArray[np.int32], headers: Sequence[MrcHeader]
) -> PixelSizes:
    """Return the pixel size of each row's image.

    The table counts before its stacks. A table of images of another size than the stacks' is
    that of images that were binned since: its pixel size grows as they shrank.

    Raises
    ------
    TableError
        A value is no number, or whether the images were binned or cut out cannot be told.
    """
    of_stacks = np.array([h.pixel_size_angstrom or np.nan for h in headers])[file_index]
    said = table.pixel_size_angstrom
    if said is None:
        return _finished(of_stacks, [])
    good = np.isfinite(said) & (said > 0)
    remarks = []
    if not good.all():
        remarks.append(f"{_rows((~good).sum())} no pixel size: that of the stacks is used there")
    shapes = np.array([(h.form.height, h.form.width) for h in headers])[file_index]
    ratio = shrunk(table, shapes)
    _refuse_cut_out(table, said, ratio, of_stacks)
    sizes = np.where(good, said * ratio, of_stacks)
    binned = np.flatnonzero(good & (np.abs(ratio - 1) > _MIXED))
    if binned.size:
        remarks.append(_binned(table, said, sizes, shapes, int(binned[0])))
    differs = np.flatnonzero(good & (np.abs(of_stacks / sizes - 1) > _SAME))
    if differs.size:
        row = differs[0]
        remarks.append(
            f"the stacks say {of_stacks[row]:.4g} angstrom per pixel, the table {sizes[row]:.4g}: "
            "the table is used"
        )
    return _finished(sizes, remarks)


def _finished(sizes: Sizes, remarks: list[str]) -> PixelSizes:
    if not np.all(np.isfinite(sizes) & (sizes > 0)):
        return PixelSizes(None, tuple(remarks))
    if np.ptp(sizes) > _MIXED * sizes[0]:
        low, high = sizes.min(), sizes.max()
        remarks.append(f"pixel sizes from {low:.4g} to {high:.4g} angstrom are mixed")
    return PixelSizes(sizes, tuple(remarks))


def _binned(table: ParticleTable, said: Sizes, sizes: Sizes, shapes: Sizes, row: int) -> str:
    sides = table.image_sides_px
    assert sides is not None
    return (
        f"the table is of images of {sides[row, 1]:g} px at {said[row]:.4g} angstrom, "
        f"the stacks have {shapes[row, 1]} px: {sizes[row]:.4g} angstrom a pixel"
    )


def _refuse_cut_out(table: ParticleTable, said: Sizes, ratio: Sizes, of_stacks: Sizes) -> None:
    """Refuse stacks of another size whose headers say the table's own pixel size."""
    same = np.abs(of_stacks / said - 1) < _SAME
    told = np.abs(of_stacks - _DEFAULT) > 1e-6
    row = np.flatnonzero((np.abs(ratio - 1) > _SAME) & same & told)
    if row.size:
        raise TableError(
            "the stacks have another size than the table says, at the same pixel size "
            f"({of_stacks[row[0]]:.4g} angstrom): binned or cut out cannot be told",
            table.path,
            "use the table of these images, or correct the header of the stack",
        )


def _rows(count: int) -> str:
    return "1 row gives" if count == 1 else f"{count:,} rows give"
