"""What a store remembers of the table its images came from, and finding that table again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tvae_core.errors import TableError
from tvae_core.files import file_error, parsed_json, sha256_of_bytes, sha256_of_file
from tvae_core.particles.group import parts_of_table
from tvae_core.particles.opening import read_state, read_table
from tvae_core.particles.table import ParticleTable


@dataclass(frozen=True)
class TableRecord:
    """A particle table as it was when its images were embedded.

    Parameters
    ----------
    path : str
        Absolute.
    size_bytes : int
    sha256 : str
        Of all its bytes, of a group also of the tables behind it; 1 GB takes 1-3 s
        (benchmarks/tables.py).
    rows : int
    """

    path: str
    size_bytes: int
    sha256: str
    rows: int

    def to_json(self) -> str:
        """Return it as one JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TableRecord:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError, TypeError
            It is something else.
        """
        return cls(**parsed_json(text))


def record_of(table: ParticleTable) -> TableRecord:
    """Return what is to be remembered of a table that was just read.

    Raises
    ------
    TableError
        The file has changed since it was read.
    """
    path = table.path.absolute()
    try:
        state = read_state(path)
        digest = _sha256(path)
    except OSError as error:
        raise file_error(error, path, "cannot be read") from error
    if state != table.read_state:
        raise TableError("was changed while it was in use", path, "start again")
    return TableRecord(str(path), state[0], digest, len(table))


def find_again(
    record: TableRecord,
    instead: str = "",
    difference: Callable[[ParticleTable], str] = lambda table: "",
) -> ParticleTable:
    """Return the table of a record, unchanged, from where it was or from `instead`.

    Parameters
    ----------
    record : TableRecord
    instead : str
        Where the table is now.
    difference : callable
        Says in words which row of another table is not the one it was; empty when it cannot.

    Raises
    ------
    TableError
        It has moved or changed, or `instead` is another table: one line with the first fact that
        differs.
    """
    path = Path(instead or record.path)
    if not path.is_file():
        what = "no such table" if instead else "the particle table is no longer there"
        raise TableError(what, path, "name where it is now by --images-at PATH")
    if path.suffix.lower() != Path(record.path).suffix.lower():
        raise TableError(f"not of the kind of {Path(record.path).name}", path)
    size = read_state(path)[0]
    if size == record.size_bytes and _sha256(path) == record.sha256:
        return read_table(path)
    since = "the run was embedded"
    what = f"not the table {since} with" if instead else f"the table has changed since {since}"
    same = "the same images, but other values or text"
    fact = _rows(path, record, difference) or f"{same} ({size:,} bytes, were {record.size_bytes:,})"
    todo = "name an unchanged copy by --images-at PATH, or embed the run again"
    raise TableError(f"{what}: {fact}", path, todo)


def _sha256(path: Path) -> str:
    first, *behind = [sha256_of_file(part) for part in parts_of_table(path)]
    return sha256_of_bytes("".join([first, *behind]).encode()) if behind else first


def _rows(path: Path, record: TableRecord, difference: Callable[[ParticleTable], str]) -> str:
    try:
        table = read_table(path)
        if len(table) != record.rows:
            return f"{len(table):,} rows, were {record.rows:,}"
        return difference(table)
    except TableError as error:
        return error.what
