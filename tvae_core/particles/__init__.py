"""Particle tables of RELION (.star) and cryoSPARC (.cs) that keep every column and every row.

`table_ctf` gives the microscope's settings of each image.
"""

from __future__ import annotations

from tvae_core.particles.cryosparc import CryosparcTable
from tvae_core.particles.described import Categories, described_columns
from tvae_core.particles.opening import read_table
from tvae_core.particles.optics import table_ctf
from tvae_core.particles.poses import OriginalFrame
from tvae_core.particles.record import TableRecord, find_again, record_of
from tvae_core.particles.star import StarTable
from tvae_core.particles.table import ImageReferences, ParticleTable

__all__ = [
    "Categories",
    "CryosparcTable",
    "ImageReferences",
    "OriginalFrame",
    "ParticleTable",
    "StarTable",
    "TableRecord",
    "described_columns",
    "find_again",
    "read_table",
    "record_of",
    "table_ctf",
]
