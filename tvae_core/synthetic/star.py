"""A RELION 3.1 particle table for a synthetic stack, without the true poses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tvae_core.ctf import Ctf

_PARTICLES_PER_MICROGRAPH = 100

_OPTICS = (
    "rlnOpticsGroup",
    "rlnOpticsGroupName",
    "rlnImagePixelSize",
    "rlnImageSize",
    "rlnImageDimensionality",
)
_OPTICS_CTF = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast")
_PARTICLES = ("rlnImageName", "rlnMicrographName", "rlnOpticsGroup")
_PARTICLES_CTF = (
    "rlnDefocusU",
    "rlnDefocusV",
    "rlnDefocusAngle",
    "rlnPhaseShift",
    "rlnCtfBfactor",
)


def star_text(
    stack_name: str, count: int, side: int, pixel_size_angstrom: float, ctf: Ctf | None
) -> str:
    """Return the table of a stack: an optics block and one row a particle.

    Poses are what is to be found out, so no angle or origin is written. Without a CTF its columns
    are left out. Particles share micrographs by the hundred. Voltage, Cs and amplitude contrast
    are those of the first image.

    Parameters
    ----------
    stack_name : str
        Path of the stack as RELION shall find it.
    count, side : int
    pixel_size_angstrom : float
    ctf : Ctf, optional
        Of the `count` images.
    """
    ctf_rows = None if ctf is None else ctf.rows()
    optics = f"1 opticsGroup1 {pixel_size_angstrom:.6f} {side} 2"
    if ctf_rows is not None:
        voltage, cs_mm, contrast = ctf_rows[0, 3:6]
        optics += f" {voltage:.6f} {cs_mm:.6f} {contrast:.6f}"
    with_ctf = ctf_rows is not None
    optics_names = _OPTICS + (_OPTICS_CTF if with_ctf else ())
    particle_names = _PARTICLES + (_PARTICLES_CTF if with_ctf else ())
    rows = _particle_rows(stack_name, count, ctf_rows)
    return _block("optics", optics_names, [optics]) + _block("particles", particle_names, rows)


def _particle_rows(stack_name: str, count: int, ctf_rows: np.ndarray | None) -> Iterator[str]:
    for index in range(count):
        micrograph = index // _PARTICLES_PER_MICROGRAPH + 1
        row = f"{index + 1:06d}@{stack_name} micrographs/synthetic_{micrograph:05d}.mrc 1"
        if ctf_rows is not None:
            # defocus U and V, angle, phase shift, B factor: the order of the fields of `Ctf`
            values = ctf_rows[index, [0, 1, 2, 6, 7]].tolist()
            row += "".join(f" {value:.6f}" for value in values)
        yield row


def _block(name: str, columns: tuple[str, ...], rows: list[str] | Iterator[str]) -> str:
    heads = "\n".join(f"_{column} #{number}" for number, column in enumerate(columns, 1))
    body = "\n".join(rows)
    return f"\n# version 30001\n\ndata_{name}\n\nloop_\n{heads}\n{body}\n\n"
