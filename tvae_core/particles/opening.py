"""Opening a particle table by the kind its name says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tvae_core.errors import TableError
from tvae_core.particles.cryosparc import read_cryosparc
from tvae_core.particles.group import file_of_group
from tvae_core.particles.star import read_star
from tvae_core.particles.table import ParticleTable

_READERS: dict[str, Callable[[Path], ParticleTable]] = {".star": read_star, ".cs": read_cryosparc}


def read_table(path: Path | str) -> ParticleTable:
    """Read a RELION .star or cryoSPARC .cs table, or the .cs table a .csg group points at.

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
    if path.suffix.lower() == ".csg":
        path = file_of_group(path)
    kind = path.suffix.lower()
    state = path.stat()
    if kind in _READERS:
        table = _READERS[kind](path)
        table.read_state = (state.st_size, state.st_mtime_ns)
        return table
    raise TableError("unknown kind of table", path, "known are .star, .cs and .csg")
