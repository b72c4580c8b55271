"""Opening a particle table by the kind its name says."""

from __future__ import annotations

from pathlib import Path

from tvae_core.errors import TableError
from tvae_core.particles.cryosparc import read_cryosparc
from tvae_core.particles.star import read_star
from tvae_core.particles.table import ParticleTable


def read_table(path: Path | str) -> ParticleTable:
    """Read a RELION .star or cryoSPARC .cs table.

    Raises
    ------
    TableError
        One line: missing, another kind of file, or damaged, with the line of a .star table.
    """
    path = Path(path)
    if not path.is_file():
        raise TableError("no such table", path)
    try:
        return _read(path)
    except OSError as error:
        raise TableError(f"cannot be read: {error.strerror}", path) from error


def _read(path: Path) -> ParticleTable:
    kind = path.suffix.lower()
    if kind == ".star":
        return read_star(path)
    if kind == ".cs":
        return read_cryosparc(path)
    raise TableError("unknown kind of table", path, "known are .star and .cs")
