"""cryoSPARC .cs tables: a NumPy structured array, one record a particle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvae_core.errors import TableError
from tvae_core.files import atomic_write
from tvae_core.npy_header import read_npy_header
from tvae_core.particles.references import free_name, gather
from tvae_core.particles.table import ImageReferences, ParticleTable


class CryosparcTable(ParticleTable):
    """A cryoSPARC table.

    Parameters
    ----------
    path : Path
    records : (N,) structured array
        The file's records, byte for byte.
    """

    def __init__(self, path: Path, records: NDArray[Any]) -> None:
        super().__init__(path, list(records.dtype.names or ()))
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    def column(self, name: str) -> NDArray[Any]:
        """Return the field `name`, (N, ...); see `ParticleTable.column`."""
        if name not in self.column_names:
            raise self._missing(name)
        return self.records[name]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return the field `name` as float64, (N, ...); see `ParticleTable.numbers`."""
        values = self.column(name)
        if values.dtype.kind not in "buif":
            raise TableError(f"column {name} holds no numbers", self.path)
        return values.astype(np.float64)

    def has(self, name: str) -> bool:
        """Return whether there is a field `name`."""
        return name in self.column_names

    def image_references(self) -> ImageReferences:
        """Return `blob/path` without its leading `>` and `blob/idx`, which counts from 0."""
        if not (self.has("blob/path") and self.has("blob/idx")):
            raise TableError(
                "no images, blob/path and blob/idx are absent",
                self.path,
                "give the particles' table, or the .csg group of both",
            )
        paths = [path.lstrip(b">").strip() for path in self._paths()]
        if b"" in paths:
            raise TableError(f"row {paths.index(b'') + 1} names no stack", self.path)
        return ImageReferences(*gather(paths), self._indices())

    def _indices(self) -> NDArray[np.int64]:
        """Return `blob/idx`, (N,), also from a column of width 1."""
        found = self.records["blob/idx"]
        if found.dtype.kind not in "iuf" or found.size != len(self):
            what = f"blob/idx holds {found.dtype} of shape {found.shape}, not a number a row"
            raise TableError(what, self.path)
        index = found.reshape(len(self))
        wrong = np.flatnonzero((index < 0) | (index != np.floor(index)))
        if wrong.size:
            raise TableError(f"blob/idx of row {wrong[0] + 1} is {index[wrong[0]]}", self.path)
        return index.astype(np.int64)

    def _paths(self) -> list[bytes]:
        paths = self.records["blob/path"]
        if paths.dtype.kind == "U":
            paths = np.char.encode(paths, "utf-8")
        return [bytes(path) for path in paths.tolist()]

    @property
    def pixel_size_angstrom(self) -> NDArray[np.float64] | None:
        """`blob/psize_A` of each row, (N,), or None."""
        return self.numbers("blob/psize_A").reshape(len(self)) if self.has("blob/psize_A") else None

    @property
    def image_sides_px(self) -> NDArray[np.float64] | None:
        """`blob/shape` of each row, (N, 2), or None."""
        if not self.has("blob/shape"):
            return None
        sides = self.numbers("blob/shape").reshape(len(self), -1)
        return sides if sides.shape[1] == 2 else None

    @property
    def signs(self) -> NDArray[np.float32] | None:
        """`blob/sign` of each row, (N,), or None; see `ParticleTable.signs`."""
        if not self.has("blob/sign"):
            return None
        signs = self.numbers("blob/sign").reshape(len(self))
        wrong = np.flatnonzero(~np.isin(signs, (-1, 1)))
        if wrong.size:
            what = f"blob/sign of row {wrong[0] + 1} is {signs[wrong[0]]:g}, neither 1 nor -1"
            raise TableError(what, self.path)
        return signs.astype(np.float32)

    @property
    def uid(self) -> NDArray[np.uint64] | None:
        """`uid` of each row, (N,), or None."""
        return self.records["uid"].astype(np.uint64) if self.has("uid") else None

    def subset(self, rows: ArrayLike) -> CryosparcTable:
        """Return the table of the given rows; see `ParticleTable.subset`."""
        return CryosparcTable(self.path, self.records[self._row_numbers(rows)])

    def with_fields(self, fields: Mapping[str, NDArray[Any]]) -> CryosparcTable:
        """Return the table with fields set, (N, ...) each.

        A field that is there already is replaced; its old values are kept in the slot of the same
        name with `_original`, such as `alignments2D_original/pose`.
        """
        old: Mapping[str, Any] = self.records.dtype.fields or {}
        kept = {name: free_name(_original(name), old) for name in fields if name in old}
        forms: list[Any] = [
            (name, *_form(fields[name])) if name in fields else (name, old[name][0]) for name in old
        ]
        forms += [(kept[name], old[name][0]) for name in kept]
        forms += [(name, *_form(values)) for name, values in fields.items() if name not in old]
        records = np.zeros(len(self), dtype=forms)
        for name in old:
            records[kept.get(name, name)] = self.records[name]
        for name, values in fields.items():
            records[name] = values
        return CryosparcTable(self.path, records)

    def difference_from(self, other: ParticleTable) -> str:
        """Return the first difference in words; see `ParticleTable.difference_from`."""
        if not isinstance(other, CryosparcTable) or other.records.dtype != self.records.dtype:
            return "the fields differ"
        if len(other) != len(self):
            return f"{len(other)} rows instead of {len(self)}"
        width = self.records.dtype.itemsize
        mine, its = (_bytes_of(table.records, width) for table in (self, other))
        wrong = np.flatnonzero((mine != its).any(axis=1))
        return f"row {wrong[0] + 1} differs" if len(wrong) else ""

    def write(self, path: Path | str) -> None:
        """Write the records unchanged; see `ParticleTable.write`."""
        target = self._check_target(path)
        with atomic_write(target) as part, open(part, "wb") as stream:
            np.lib.format.write_array(stream, self.records, allow_pickle=False)


def _original(name: str) -> str:
    slot, _, field = name.partition("/")
    return f"{slot}_original/{field}"


def _form(values: NDArray[Any]) -> tuple[Any, ...]:
    return (values.dtype, values.shape[1:]) if values.ndim > 1 else (values.dtype,)


def _bytes_of(records: NDArray[Any], width: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(records).view(np.uint8).reshape(-1, width)


def read_group(path: Path, files: Mapping[Path, list[str]]) -> CryosparcTable:
    """Return the table of a group whose slots lie in several files, rows joined by uid.

    Parameters
    ----------
    path : Path
        Of the group.
    files : mapping
        The .cs files with the slots to take from each; the rows are those of the first.

    Raises
    ------
    TableError
        A file has no uid, a uid twice, or none for some particles.
    """
    first, *others = files
    base = read_cryosparc(first)
    fields: dict[str, NDArray[Any]] = {}
    for file in others:
        other = read_cryosparc(file)
        rows = _rows_by_uid(base, other)
        names = [name for name in other.column_names if name.partition("/")[0] in files[file]]
        fields |= {name: other.records[name][rows] for name in names}
    own = [name for name in base.column_names if name not in fields]
    joined = CryosparcTable(path, base.records[own]) if len(own) < len(base.column_names) else base
    joined = joined.with_fields(fields)
    return CryosparcTable(path, joined.records)


def _rows_by_uid(base: CryosparcTable, other: CryosparcTable) -> NDArray[np.int64]:
    """Return the row of `other` for each row of `base`."""
    wanted, there = base.uid, other.uid
    if wanted is None or there is None:
        raise TableError("has no uid to join it by", base.path if wanted is None else other.path)
    order = np.argsort(there, kind="stable")
    ordered = there[order]
    if len(ordered) and (ordered[1:] == ordered[:-1]).any():
        twice = ordered[1:][ordered[1:] == ordered[:-1]][0]
        raise TableError(f"uid {twice} occurs twice", other.path)
    places = np.searchsorted(ordered, wanted)
    found = places < len(ordered)
    found[found] = ordered[places[found]] == wanted[found]
    if not found.all():
        what = f"has no row for {(~found).sum():,} of {len(wanted):,} particles (by uid)"
        raise TableError(what, other.path, f"give the passthrough table of {base.path.name}")
    return order[places]


def read_cryosparc(path: Path) -> CryosparcTable:
    """Read a .cs table; see `read_table` for the errors."""
    try:
        with open(path, "rb") as stream:
            header = read_npy_header(stream)
    except ValueError as error:
        raise TableError(f"not a cryoSPARC table: {error}", path) from error
    if header.dtype.names is None or len(header.shape) != 1:
        raise TableError("not a cryoSPARC table: an array without named columns", path)
    found = path.stat().st_size - header.offset
    if found < header.nbytes:
        raise TableError(
            f"truncated: {header.shape[0]} rows take {header.nbytes} bytes, {found} are there", path
        )
    records = np.fromfile(path, header.dtype, count=header.shape[0], offset=header.offset)
    return CryosparcTable(path, records)
