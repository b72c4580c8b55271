"""Writing inferred poses into a table of particles, in the terms of the program that reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import TableError
from tvae_core.particles.cryosparc import CryosparcTable
from tvae_core.particles.pixels import shrunk
from tvae_core.particles.poses import InPlanePoses, to_cryosparc
from tvae_core.particles.star import StarTable
from tvae_core.particles.table import ParticleTable

_IN_ANGSTROM = ("rlnOriginXAngst", "rlnOriginYAngst")
_IN_PIXELS = ("rlnOriginX", "rlnOriginY")


@dataclass(frozen=True)
class InferredPoses:
    """What a run found out about the images of a table's N rows.

    Parameters
    ----------
    poses : InPlanePoses
    confidence : (N,)
        Largest q(t, r given y).
    cluster : (N,) int, optional
        From 0, -1 for none.
    shape_px : (height, width), optional
        Of the images whose pixels the poses' origins count; as the table says when not given.
    """

    poses: InPlanePoses
    confidence: NDArray[Any]
    cluster: NDArray[np.integer[Any]] | None = None
    shape_px: tuple[int, int] | None = None

    def take(self, rows: NDArray[np.int64]) -> InferredPoses:
        """Return what is known of the rows `rows`."""
        poses = InPlanePoses(self.poses.psi_deg[rows], self.poses.origin_px[rows])
        cluster = None if self.cluster is None else np.asarray(self.cluster)[rows]
        return InferredPoses(poses, np.asarray(self.confidence)[rows], cluster, self.shape_px)


def with_poses(table: ParticleTable, inferred: InferredPoses) -> ParticleTable:
    """Return the table with the inferred poses; values they replace are kept under another name.

    RELION: rlnAnglePsi; rlnOriginXAngst and YAngst, or in a 3.0 table rlnOriginX and Y in pixels,
    and both where the table has both: neither contradicts the other;
    rlnClassNumber from 1, 0 for none; rlnTvaeConfidence. rlnAngleRot and Tilt become 0: a psi in
    the plane belongs to no other view. cryoSPARC: alignments2D/pose, shift, psize_A, class,
    class_posterior (1: an image is in one class), and tvae/confidence.

    Raises
    ------
    TableError
        The pixel size is needed and the table does not say it.
    """
    if isinstance(table, StarTable):
        return table.with_columns(_relion_columns(table, inferred))
    assert isinstance(table, CryosparcTable)
    return table.with_fields(_cryosparc_fields(table, inferred))


def _relion_columns(table: StarTable, inferred: InferredPoses) -> dict[str, list[str]]:
    poses = inferred.poses
    columns = {name: ["0.000000"] * len(table) for name in _views(table)}
    columns["rlnAnglePsi"] = _texts(poses.psi_deg)
    columns |= _relion_origins(table, inferred)
    if inferred.cluster is not None:
        columns["rlnClassNumber"] = [str(number + 1) for number in inferred.cluster.tolist()]
    columns["rlnTvaeConfidence"] = _texts(inferred.confidence)
    return columns


def _relion_origins(table: StarTable, inferred: InferredPoses) -> dict[str, list[str]]:
    """Return the origins in angstrom, in pixels, or in both: in every unit the table has them."""
    present = [name for name in (*_IN_ANGSTROM, *_IN_PIXELS) if name in table.column_names]
    in_angstrom = table.has_optics or any(name in present for name in _IN_ANGSTROM)
    in_pixels = not in_angstrom or any(name in present for name in _IN_PIXELS)
    found: dict[str, NDArray[Any]] = {}
    if in_angstrom:
        sizes = _pixel_size(table, inferred, "rlnImagePixelSize")
        found |= dict(zip(_IN_ANGSTROM, inferred.poses.origin_angstrom(sizes).T, strict=True))
    if in_pixels:
        origin = inferred.poses.origin_px * _image_pixel(table, inferred)[:, None]
        found |= dict(zip(_IN_PIXELS, origin.T, strict=True))
    return {name: _texts(values) for name, values in found.items()}


def _views(table: StarTable) -> list[str]:
    return [name for name in ("rlnAngleRot", "rlnAngleTilt") if name in table.column_names]


def _cryosparc_fields(table: CryosparcTable, inferred: InferredPoses) -> dict[str, NDArray[Any]]:
    pose, shift = to_cryosparc(inferred.poses)
    fields: dict[str, NDArray[Any]] = {
        "alignments2D/pose": pose.astype(np.float32),
        "alignments2D/shift": shift.astype(np.float32),
        "alignments2D/psize_A": _pixel_size(table, inferred, "blob/psize_A").astype(np.float32),
    }
    if inferred.cluster is not None:
        fields["alignments2D/class"] = np.maximum(inferred.cluster, 0).astype(np.uint32)
        in_one = (np.asarray(inferred.cluster) >= 0).astype(np.float32)
        fields["alignments2D/class_posterior"] = in_one
    fields["tvae/confidence"] = np.asarray(inferred.confidence, dtype=np.float32)
    return fields


def _pixel_size(table: ParticleTable, inferred: InferredPoses, column: str) -> NDArray[np.float64]:
    """Return the size of the pixels that the origins count, (N,)."""
    sizes = table.pixel_size_angstrom
    sizes = None if sizes is None else sizes * _image_pixel(table, inferred)
    if sizes is None or not np.all(np.isfinite(sizes) & (sizes > 0)):
        raise TableError(
            f"its pixel size is unknown, {column} is absent or not positive",
            table.path,
            "export without poses",
        )
    return sizes


def _image_pixel(table: ParticleTable, inferred: InferredPoses) -> NDArray[np.float64]:
    """Return the pixel that origins count over the table's own, (N,): 1 but in binned images."""
    shape = inferred.shape_px
    return np.ones(len(table)) if shape is None else shrunk(table, shape)


def _texts(values: NDArray[Any]) -> list[str]:
    return [f"{value:.6f}" for value in np.asarray(values, dtype=np.float64).tolist()]
