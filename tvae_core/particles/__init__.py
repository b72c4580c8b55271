"""Particle tables of RELION (.star) and cryoSPARC (.cs) that keep every column and every row.

`table_ctf` gives the microscope's settings of each image.
"""

from __future__ import annotations

from tvae_core.particles.cryosparc import CryosparcTable
from tvae_core.particles.opening import read_table
from tvae_core.particles.optics import table_ctf
from tvae_core.particles.star import StarTable
from tvae_core.particles.table import ImageReferences, ParticleTable

__all__ = [
    "CryosparcTable",
    "ImageReferences",
    "ParticleTable",
    "StarTable",
    "read_table",
    "table_ctf",
]
