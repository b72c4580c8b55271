"""What a table says of each image that is worth colouring and filtering by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.particles.cryosparc import CryosparcTable
from tvae_core.particles.numbers import single_precision
from tvae_core.particles.optics import table_ctf
from tvae_core.particles.poses import cryosparc_matrix, euler_angles
from tvae_core.particles.table import ParticleTable

Array = NDArray[Any]

_RELION = {
    "rlnAngleRot": "angle_rot_deg",
    "rlnAngleTilt": "angle_tilt_deg",
    "rlnAnglePsi": "angle_psi_deg",
    "rlnOriginXAngst": "origin_x_angstrom",
    "rlnOriginYAngst": "origin_y_angstrom",
    "rlnOriginX": "origin_x_px",
    "rlnOriginY": "origin_y_px",
    "rlnClassNumber": "class_number",
    "rlnRandomSubset": "random_subset",
    "rlnCtfMaxResolution": "ctf_max_resolution_angstrom",
    "rlnCtfFigureOfMerit": "ctf_figure_of_merit",
    "rlnMaxValueProbDistribution": "max_probability",
    "rlnLogLikeliContribution": "log_likelihood",
    "rlnAutopickFigureOfMerit": "pick_figure_of_merit",
    "rlnCoordinateX": "coordinate_x_px",
    "rlnCoordinateY": "coordinate_y_px",
}
_CRYOSPARC = {
    "alignments2D/class": "class_number",
    "alignments3D/class": "class_3d_number",
    "alignments3D/split": "random_subset",
    "alignments3D/error": "alignment_error",
    "alignments3D/cross_cor": "cross_correlation",
    "ctf/ctf_fit_to_A": "ctf_max_resolution_angstrom",
    "pick_stats/ncc_score": "pick_score",
}
_NAMED = {
    "rlnMicrographName": "micrograph",
    "rlnOpticsGroup": "optics_group",
    "location/micrograph_path": "micrograph",
    "ctf/exp_group_id": "exposure_group",
}


@dataclass(frozen=True, eq=False)
class Categories:
    """A column of names: codes (N,) int32 that point into `names`, in order of appearance."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]


def described_columns(
    table: ParticleTable, pixel_size_angstrom: Array | None = None
) -> dict[str, Array | Categories]:
    """Return columns (N,) and categories, named with their units.

    Those are optics, pixel size, original pose, micrograph, optics group and figures of merit,
    where the table has them. Columns are float32, float64 where that cannot hold a value, and NaN
    where a value is missing. A column of one value says nothing and is left out.

    Parameters
    ----------
    table : ParticleTable
    pixel_size_angstrom : (N,), optional
        Of the images; the table's when not given.

    Raises
    ------
    TableError
        An optics group is missing, or a value is no number.
    """
    sizes = table.pixel_size_angstrom if pixel_size_angstrom is None else pixel_size_angstrom
    found = _optics(table, sizes) | _poses(table, sizes)
    names = _CRYOSPARC if isinstance(table, CryosparcTable) else _RELION
    for source, name in names.items():
        if source in table.column_names:
            found[name] = table.numbers(source)
    columns: dict[str, Array | Categories] = {
        name: single_precision(values) for name, values in found.items() if _varies(values)
    }
    for source, name in _NAMED.items():
        if source in table.column_names:
            categories = _categories(table.column(source))
            if len(categories.names) > 1:
                columns[name] = categories
    return columns


def _optics(table: ParticleTable, sizes: Array | None) -> dict[str, Array]:
    ctf = table_ctf(table)
    columns = {} if sizes is None else {"pixel_size_angstrom": sizes}
    return columns | ({} if ctf is None else {n: np.asarray(v) for n, v in vars(ctf).items()})


def _poses(table: ParticleTable, sizes: Array | None) -> dict[str, Array]:
    """Return the poses of a cryoSPARC table in RELION's terms."""
    columns: dict[str, Array] = {}
    if not isinstance(table, CryosparcTable):
        return columns
    for slot in ("alignments2D", "alignments3D"):
        columns |= _origins(table, slot, sizes)
    if table.has("alignments2D/pose"):
        columns["angle_psi_deg"] = np.rad2deg(table.numbers("alignments2D/pose"))
    if table.has("alignments3D/pose"):
        angles = euler_angles(cryosparc_matrix(table.numbers("alignments3D/pose")))
        for name, values in zip(("rot", "tilt", "psi"), angles.T, strict=True):
            columns[f"angle_{name}_deg"] = values
    return columns


def _origins(table: CryosparcTable, slot: str, sizes: Array | None) -> dict[str, Array]:
    """Return a slot's shifts in pixels of the images; in angstrom when those are not known.

    cryoSPARC counts a shift in pixels of the slot's own `psize_A`: alignments are often made on
    images that were binned for it.
    """
    if not table.has(f"{slot}/shift"):
        return {}
    shift, unit = table.numbers(f"{slot}/shift"), "px"
    if table.has(f"{slot}/psize_A"):
        own = table.numbers(f"{slot}/psize_A").reshape(-1, 1)
        unit = "px" if sizes is not None else "angstrom"
        shift = shift * (own if sizes is None else own / sizes.reshape(-1, 1))
    return {f"origin_{axis}_{unit}": shift[:, place] for place, axis in enumerate("xy")}


def _varies(values: Array) -> bool:
    there = values[~np.isnan(values)]
    return bool(there.size) and bool((there != there[0]).any())


def _categories(values: Array) -> Categories:
    places: dict[Any, int] = {}
    codes = [places.setdefault(value, len(places)) for value in values.tolist()]
    names = tuple(_text(value) for value in places)
    return Categories(np.asarray(codes, dtype=np.int32), names)


def _text(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.encode("utf-8", "replace").decode()
