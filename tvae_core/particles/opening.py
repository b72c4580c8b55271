"""Opening a particle table by the kind its name says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tvae_core.errors import TableError
from tvae_core.files import file_error
from tvae_core.particles.cryosparc import read_cryosparc, read_group
from tvae_core.particles.group import parts_of_table, slots_of_group
from tvae_core.particles.star import read_star
from tvae_core.particles.table import ParticleTable

_READERS: dict[str, Callable[[Path], ParticleTable]] = {".star": read_star, ".cs": read_cryosparc}


def read_table(path: Path | str) -> ParticleTable:
    """Read a RELION .star or cryoSPARC .cs table, or the .cs tables of a .csg group.

    Raises
    ------
    FileError
        The machine would not read it.
    TableError
        One line: missing, another kind of file, or damaged, with the line of a .star table.
    """
    path = Path(path)
    if not path.is_file():
        raise TableError("no such table", path)
    try:
        return _read(path)
    except OSError as error:
        raise file_error(error, path, "cannot be read") from error


def _read(path: Path) -> ParticleTable:
    state = read_state(path)
    table = _read_kind(path)
    table.read_state = state if table.path == path else read_state(table.path)
    return table


def _read_kind(path: Path) -> ParticleTable:
    kind = path.suffix.lower()
    if kind == ".csg":
        files = slots_of_group(path)
        return read_cryosparc(next(iter(files))) if len(files) == 1 else read_group(path, files)
    if kind in _READERS:
        return _READERS[kind](path)
    raise TableError("unknown kind of table", path, "known are .star, .cs and .csg")


def read_state(path: Path) -> tuple[int, int]:
    """Return size and newest time of change, in ns, of all files a table is read from."""
    states = [part.stat() for part in parts_of_table(path)]
    return sum(s.st_size for s in states), max(s.st_mtime_ns for s in states)
