"""Writing inferred poses into a table of particles, in the terms of the program that reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import TableError
from tvae_core.particles.cryosparc import CryosparcTable
from tvae_core.particles.poses import InPlanePoses, to_cryosparc
from tvae_core.particles.star import StarTable
from tvae_core.particles.table import ParticleTable


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
    """

    poses: InPlanePoses
    confidence: NDArray[Any]
    cluster: NDArray[np.integer[Any]] | None = None

    def take(self, rows: NDArray[np.int64]) -> InferredPoses:
        """Return what is known of the rows `rows`."""
        poses = InPlanePoses(self.poses.psi_deg[rows], self.poses.origin_px[rows])
        cluster = None if self.cluster is None else np.asarray(self.cluster)[rows]
        return InferredPoses(poses, np.asarray(self.confidence)[rows], cluster)


def with_poses(table: ParticleTable, inferred: InferredPoses) -> ParticleTable:
    """Return the table with the inferred poses; values they replace are kept under another name.

    RELION: rlnAnglePsi; rlnOriginXAngst and YAngst, or in a 3.0 table rlnOriginX and Y in pixels;
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
    if table.has_optics or "rlnOriginXAngst" in table.column_names:
        origins = poses.origin_angstrom(_pixel_size(table, "rlnImagePixelSize"))
        names = ("rlnOriginXAngst", "rlnOriginYAngst")
    else:
        origins, names = poses.origin_px, ("rlnOriginX", "rlnOriginY")
    columns |= {name: _texts(values) for name, values in zip(names, origins.T, strict=True)}
    if inferred.cluster is not None:
        columns["rlnClassNumber"] = [str(number + 1) for number in inferred.cluster.tolist()]
    columns["rlnTvaeConfidence"] = _texts(inferred.confidence)
    return columns


def _views(table: StarTable) -> list[str]:
    return [name for name in ("rlnAngleRot", "rlnAngleTilt") if name in table.column_names]


def _cryosparc_fields(table: CryosparcTable, inferred: InferredPoses) -> dict[str, NDArray[Any]]:
    pose, shift = to_cryosparc(inferred.poses)
    fields: dict[str, NDArray[Any]] = {
        "alignments2D/pose": pose.astype(np.float32),
        "alignments2D/shift": shift.astype(np.float32),
        "alignments2D/psize_A": _pixel_size(table, "blob/psize_A").astype(np.float32),
    }
    if inferred.cluster is not None:
        fields["alignments2D/class"] = np.maximum(inferred.cluster, 0).astype(np.uint32)
        in_one = (np.asarray(inferred.cluster) >= 0).astype(np.float32)
        fields["alignments2D/class_posterior"] = in_one
    fields["tvae/confidence"] = np.asarray(inferred.confidence, dtype=np.float32)
    return fields


def _pixel_size(table: ParticleTable, column: str) -> NDArray[np.float64]:
    sizes = table.pixel_size_angstrom
    if sizes is None or not np.all(np.isfinite(sizes) & (sizes > 0)):
        raise TableError(
            f"its pixel size is unknown, {column} is absent or not positive",
            table.path,
            "export without poses",
        )
    return sizes


def _texts(values: NDArray[Any]) -> list[str]:
    return [f"{value:.6f}" for value in np.asarray(values, dtype=np.float64).tolist()]
