"""RELION .star tables: 3.0 (one block) and 3.1 and later (optics and particles)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvae_core.errors import TableError
from tvae_core.files import atomic_write
from tvae_core.particles.numbers import is_missing, numbers_of
from tvae_core.particles.optics_groups import NamedGroups, OpticsGroups
from tvae_core.particles.references import free_name, gather
from tvae_core.particles.star_text import (
    StarBlock,
    StarLoop,
    parse_blocks,
    plain_text,
    read_lines,
    split_row,
    with_tags,
)
from tvae_core.particles.table import ImageReferences, ParticleTable
from tvae_core.words import listed

_IMAGE = "rlnImageName"
_GROUP = "rlnOpticsGroup"
_DETECTOR, _MAGNIFICATION = "rlnDetectorPixelSize", "rlnMagnification"
_TOMOGRAM = (
    "rlnTomoName",
    "rlnTomoParticleName",
    "rlnTomoParticleId",
    "rlnTomoVisibleFrames",
    "rlnTomogramName",
    "rlnCtfImage",
    "rlnCoordinateZ",
    "rlnCenteredCoordinateZAngst",
)
_ROWS_A_WRITE = 1 << 16
_LONG = 19  # digits, that not every int64 holds


@dataclass(frozen=True)
class _Text:
    """The lines around the particles' rows: everything else that the file says."""

    before: list[bytes]
    after: list[bytes]
    optics: OpticsGroups


class StarTable(ParticleTable):
    """A RELION table; made by `read_table`.

    The particles' rows are kept as the lines of the file. All other blocks, comments and the
    column header are kept too and written back as they were.
    """

    def __init__(
        self,
        path: Path,
        column_names: list[str],
        rows: list[bytes],
        line_numbers: NDArray[np.int64],
        text: _Text,
    ) -> None:
        super().__init__(path, column_names)
        self._rows = rows
        self._line_numbers = line_numbers
        self._text = text

    def __len__(self) -> int:
        return len(self._rows)

    def column(self, name: str) -> NDArray[Any]:
        """Return a column's text without quotes, (N,) of str; see `ParticleTable.column`."""
        values = np.empty(len(self), dtype=object)
        values[:] = [plain_text(value) for value in self._values(name)]
        return values

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column, NaN where a value is missing; see `ParticleTable.numbers`.

        What the optics groups say counts before what the rows say, as in RELION.
        """
        if self._in_optics(name):
            return self._text.optics.numbers(name, len(self), self._groups)
        return self._own_numbers(name)

    def _own_numbers(self, name: str) -> NDArray[np.float64]:
        values = list(self._values(name))
        try:
            return np.asarray(values, dtype=np.bytes_).astype(np.float64)
        except ValueError:
            try:
                return numbers_of([plain_text(value) for value in values])
            except ValueError:
                self._refuse_text(name, values)

    def _in_optics(self, name: str) -> bool:
        """Return whether a column is to be taken from the optics groups."""
        optics = self._text.optics
        if name == _GROUP or name not in optics:
            return False
        named = _GROUP in self.column_names and _GROUP in optics
        return named or name not in self.column_names or len(optics) == 1

    @cached_property
    def _groups(self) -> NamedGroups | None:
        """The optics group that each row names, None when the rows name none."""
        if _GROUP not in self.column_names:
            return None
        values, index = gather(self._values(_GROUP))
        return NamedGroups([_unquoted(value) for value in values], index)

    def has(self, name: str) -> bool:
        """Return whether the particles or their optics groups have the column."""
        return name in self.column_names or name in self._text.optics

    def image_references(self) -> ImageReferences:
        """Return the parts of `N@path`, N counted from 0; a path alone is its first image."""
        return self._references[0]

    def names_whole_files(self) -> NDArray[np.bool_]:
        """Return which rows name a file and no image of it; see `ParticleTable`."""
        return self._references[1]

    @cached_property
    def _references(self) -> tuple[ImageReferences, NDArray[np.bool_]]:
        if _IMAGE not in self.column_names:
            raise self._missing(_IMAGE)
        numbers: list[int] = []  # from 1, 0 where a row names a whole file

        def paths() -> Iterator[bytes]:
            for value in self._values(_IMAGE):
                number, at, path = value.strip(b"\"'").partition(b"@")
                if not at:
                    numbers.append(0)
                    yield number
                    continue
                numbers.append(int(number) if number.isdigit() and len(number) < _LONG else 0)
                if not numbers[-1]:
                    self._refuse_number(len(numbers) - 1)
                yield path

        files, file_index = gather(paths())
        for place, file in enumerate(files):
            if is_missing(_unquoted(file)):
                row = int(np.flatnonzero(file_index == place)[0])
                raise TableError(f"{self._place(row)}: {_IMAGE} names no stack", self.path)
        index = np.asarray(numbers, dtype=np.int64)
        return ImageReferences(files, file_index, np.maximum(index - 1, 0)), index == 0

    @property
    def pixel_size_angstrom(self) -> NDArray[np.float64] | None:
        """Pixel size of each row, (N,), or None.

        `rlnImagePixelSize`, of the row or of its optics group, else
        `rlnDetectorPixelSize` (micrometres) * 1e4 / `rlnMagnification`.
        """
        if self.has("rlnImagePixelSize"):
            return self.numbers("rlnImagePixelSize")
        if not (self.has(_DETECTOR) and self.has(_MAGNIFICATION)):
            return None
        magnification = self.numbers(_MAGNIFICATION)
        sizes = np.full(len(self), np.nan)
        np.divide(self.numbers(_DETECTOR) * 1e4, magnification, out=sizes, where=magnification > 0)
        return sizes

    @property
    def image_sides_px(self) -> NDArray[np.float64] | None:
        """`rlnImageSize` of each row as height and width, (N, 2), or None."""
        if not self.has("rlnImageSize"):
            return None
        side = self.numbers("rlnImageSize")
        return np.stack([side, side], axis=1)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What rows and optics groups say differently, and a pixel size that cannot be told."""
        found = [self._disagreement(name) for name in self.column_names if self._in_optics(name)]
        if self.has(_DETECTOR) and not (self.has(_MAGNIFICATION) or self.has("rlnImagePixelSize")):
            found.append(f"{_DETECTOR} without {_MAGNIFICATION} says no pixel size")
        return tuple(remark for remark in found if remark)

    def _disagreement(self, name: str) -> str:
        try:
            rows, groups = self._own_numbers(name), self.numbers(name)
        except TableError:  # text, such as a group's name
            return ""
        wrong = np.flatnonzero(~np.isclose(rows, groups, rtol=1e-4, equal_nan=True))
        if not wrong.size:
            return ""
        row = int(wrong[0])
        return (
            f"{name} is {rows[row]:g} in row {row + 1} and {groups[row]:g} in its optics group: "
            f"the optics group is used"
        )

    @property
    def subtomogram_column(self) -> str:
        """The column that says that the rows are of tomograms, empty when none does."""
        return next((name for name in _TOMOGRAM if self.has(name)), "")

    @property
    def uid(self) -> None:
        """RELION numbers no rows: None."""
        return None

    def subset(self, rows: ArrayLike) -> StarTable:
        """Return the table of the given rows; see `ParticleTable.subset`."""
        chosen = self._row_numbers(rows)
        lines = [self._rows[row] for row in chosen.tolist()]
        numbers = self._line_numbers[chosen]
        return StarTable(self.path, self.column_names, lines, numbers, self._text)

    @property
    def has_optics(self) -> bool:
        """Whether there are optics groups, as RELION 3.1 and later write them."""
        return len(self._text.optics) > 0

    def with_columns(self, columns: Mapping[str, Sequence[str]]) -> StarTable:
        """Return the table with columns set, N words each; other values keep their text.

        A column that is there already is replaced; its old values are kept in a new column of the
        same name with `Original`. Values stand one space apart, comments behind rows are dropped.
        """
        names = self.column_names
        old = [name for name in columns if name in names]
        places = [names.index(name) for name in old]
        kept = [free_name(name + "Original", names) for name in old]
        new = [name for name in columns if name not in names]
        replaced = zip(*(columns[name] for name in old), strict=True) if old else repeat(())
        added = zip(*(columns[name] for name in new), strict=True) if new else repeat(())
        rows = []
        for line, values, more in zip(self._rows, replaced, added, strict=False):
            words = split_row(line)
            originals = [words[place] for place in places]
            for place, value in zip(places, values, strict=True):
                words[place] = value.encode()
            words += originals + [value.encode() for value in more]
            rows.append(b" ".join(words) + (b"\r" if line.endswith(b"\r") else b""))
        fresh = kept + new
        text = replace(self._text, before=with_tags(self._text.before, len(names), fresh))
        return StarTable(self.path, names + fresh, rows, self._line_numbers, text)

    def difference_from(self, other: ParticleTable) -> str:
        """Return the first difference in words; see `ParticleTable.difference_from`."""
        if not isinstance(other, StarTable) or other.column_names != self.column_names:
            return "the columns differ"
        if len(other) != len(self):
            return f"{len(other)} rows instead of {len(self)}"
        if other._rows != self._rows:
            pairs = enumerate(zip(self._rows, other._rows, strict=True))
            row = next(row for row, (mine, its) in pairs if mine != its)
            return f"row {row + 1} differs"
        mine, its = self._text, other._text
        same = (mine.before, mine.after) == (its.before, its.after)
        if not len(self):  # where the text before ends cannot be told without a row
            same = mine.before + mine.after == its.before + its.after
        return "" if same else "the text around the rows differs"

    def write(self, path: Path | str) -> None:
        """Write every kept line as it was read; see `ParticleTable.write`."""
        target = self._check_target(path)
        with atomic_write(target) as part, open(part, "wb") as stream:
            for lines in self._chunks():
                stream.write(b"\n".join(lines) + b"\n")

    def _chunks(self) -> Iterator[list[bytes]]:
        yield self._text.before
        for start in range(0, len(self), _ROWS_A_WRITE):
            yield self._rows[start : start + _ROWS_A_WRITE]
        if self._text.after:
            yield self._text.after

    def _values(self, name: str) -> Iterator[bytes]:
        if name not in self.column_names:
            raise self._missing(name)
        place = self.column_names.index(name)
        if self._holds_quotes:
            return (split_row(row)[place] for row in self._rows)
        return (row.split(None, place + 1)[place] for row in self._rows)

    @cached_property
    def _holds_quotes(self) -> bool:
        """Whether a value of any row may be quoted, so that a space need not end it."""
        starts = range(0, len(self), _ROWS_A_WRITE)
        parts = (b"".join(self._rows[start : start + _ROWS_A_WRITE]) for start in starts)
        return any(b'"' in part or b"'" in part for part in parts)

    def _refuse_number(self, row: int) -> NoReturn:
        what = f"{self._place(row)}: {_IMAGE} must read N@file with N from 1"
        raise TableError(what, self.path)

    def _refuse_text(self, name: str, values: list[bytes]) -> NoReturn:
        for row, value in enumerate(values):
            try:
                numbers_of([plain_text(value)])
            except ValueError:
                what = f"{self._place(row)}: {name} is {plain_text(value)!r}, not a number"
                raise TableError(what, self.path) from None
        raise TableError(f"column {name} holds no numbers", self.path)

    def _place(self, row: int) -> str:
        return f"line {self._line_numbers[row] + 1}"


def _unquoted(text: str) -> str:
    return plain_text(text.encode("utf-8", "surrogateescape"))


def read_star(path: Path) -> StarTable:
    """Read a .star table; see `read_table` for the errors."""
    lines = read_lines(path)
    blocks = parse_blocks(lines, path)
    loop = _particles_loop(blocks, path)
    numbers = np.asarray(loop.rows, dtype=np.int64)
    end = int(numbers[-1]) + 1 if len(numbers) else loop.first_line
    kept = lines[:-1] if lines[-1:] == [b""] else lines  # behind the last line end stands nothing
    before = kept[: int(numbers[0]) if len(numbers) else loop.first_line]
    after = kept[end:]
    text = _Text(before, after, OpticsGroups(_optics(blocks, lines), path))
    return StarTable(path, loop.columns, [lines[number] for number in loop.rows], numbers, text)


def _particles_loop(blocks: list[StarBlock], path: Path) -> StarLoop:
    """Return the loop of the particles: of data_particles, else the only one with images."""
    named = [loop for block in blocks if block.name == "particles" for loop in block.loops]
    if len(named) == 1:
        return named[0]
    every = [(block.name, loop) for block in blocks for loop in block.loops]
    found = [(name, loop) for name, loop in every if _IMAGE in loop.columns]
    if len(found) == 1:
        return found[0][1]
    if found:
        names = listed(f"data_{name}" for name, _ in found)
        raise TableError(f"several tables of images: {names}", path, "keep one of them")
    loops = [loop for name, loop in every if name != "optics"]
    if len(loops) == 1:
        return loops[0]
    raise TableError(f"no table of particles, no loop has {_IMAGE}", path)


def _optics(blocks: list[StarBlock], lines: list[bytes]) -> dict[str, list[str]]:
    """Return the columns of data_optics, which RELION writes as a loop or as pairs."""
    for block in blocks:
        if block.name != "optics":
            continue
        columns = {name: [value] for name, value in block.pairs.items()}
        for loop in block.loops:
            rows = [[plain_text(v) for v in split_row(lines[number])] for number in loop.rows]
            columns.update({name: [row[i] for row in rows] for i, name in enumerate(loop.columns)})
        return columns
    return {}
