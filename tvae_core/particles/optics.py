"""The microscope's settings that a particle table gives each image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tvae_core.ctf import Ctf
from tvae_core.particles.cryosparc import CryosparcTable
from tvae_core.particles.table import ParticleTable

# field of Ctf -> (RELION's column, cryoSPARC's column, factor from cryoSPARC's unit to the field's)
_COLUMNS: dict[str, tuple[str, str, float]] = {
    "defocus_u_angstrom": ("rlnDefocusU", "ctf/df1_A", 1.0),
    "defocus_v_angstrom": ("rlnDefocusV", "ctf/df2_A", 1.0),
    "astigmatism_angle_deg": ("rlnDefocusAngle", "ctf/df_angle_rad", 180.0 / np.pi),
    "voltage_kv": ("rlnVoltage", "ctf/accel_kv", 1.0),
    "cs_mm": ("rlnSphericalAberration", "ctf/cs_mm", 1.0),
    "amplitude_contrast": ("rlnAmplitudeContrast", "ctf/amp_contrast", 1.0),
    "phase_shift_deg": ("rlnPhaseShift", "ctf/phase_shift_rad", 180.0 / np.pi),
    "b_factor_angstrom2": ("rlnCtfBfactor", "ctf/bfactor", 1.0),
}
_NEEDED = ("defocus_u_angstrom", "voltage_kv", "cs_mm", "amplitude_contrast")


def table_ctf(table: ParticleTable) -> Ctf | None:
    """Return the CTF of each row's image, or None when the table does not say it.

    Defocus, voltage, spherical aberration and amplitude contrast must be there, in the rows or
    in the optics groups. Absent, the second defocus is the first, and astigmatism angle, phase
    shift and B factor are zero, as in RELION.

    Returns
    -------
    Ctf or None
        Every field is an (N,) array, N rows; see `Ctf` for units and signs.

    Raises
    ------
    TableError
        A value is no number.
    """
    found = {name: values for name in _COLUMNS if (values := _values(table, name)) is not None}
    if any(name not in found for name in _NEEDED):
        return None
    zeros = np.zeros(len(table))
    found.setdefault("defocus_v_angstrom", found["defocus_u_angstrom"])
    return Ctf(**{name: found.get(name, zeros) for name in _COLUMNS})


def _values(table: ParticleTable, field: str) -> NDArray[np.float64] | None:
    relion, cryosparc, factor = _COLUMNS[field]
    if isinstance(table, CryosparcTable):
        return table.numbers(cryosparc) * factor if table.has(cryosparc) else None
    return table.numbers(relion) if table.has(relion) else None
