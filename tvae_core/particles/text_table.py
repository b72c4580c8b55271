"""Tables of text that people bring: CSV as any program and any country writes it, and TSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import TableError
from tvae_core.particles.numbers import is_missing, numbers_of
from tvae_core.particles.references import free_name

Array = NDArray[Any]
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
_DELIMITERS = "\t;,"
_COMMA = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+")


@dataclass(frozen=True)
class TextTable:
    """The columns of a table as text, (N,) each, by name, and what is to be said of it."""

    columns: dict[str, list[str]]
    remarks: tuple[str, ...] = ()


def read_text_table(path: Path) -> TextTable:
    """Read a table whose first line holds the names of its columns.

    UTF-8, UTF-16 with its mark, or Latin-1; columns apart by tabs, semicolons, commas or, when
    there are none of them, blanks. Rows without any value are left out. A name that occurs twice
    gets a number, a column without one is called by its place.

    Raises
    ------
    TableError
        It is no text, rows are of different lengths, there are no rows, or the first line holds
        numbers.
    """
    text, remarks = _decoded(path)
    lines = _rows(text)
    if not lines:
        raise TableError("holds no rows", path)
    (_, heads), *rows = lines
    if not rows:
        raise TableError("holds no rows below its first line", path)
    of_pandas = [head for head in heads if head] == [str(n) for n in range(len(heads) - 1)]
    if all(_is_number(head) for head in heads) and not (of_pandas and not heads[0]):
        raise TableError(
            "its first line holds numbers, not the names of columns",
            path,
            "give a first line of names",
        )
    names, renamed = _names(heads)
    cells = [_fitted(row, number, len(names), path) for number, row in rows]
    columns = {name: [row[place] for row in cells] for place, name in enumerate(names)}
    return TextTable(columns, (*remarks, *renamed))


def typed(texts: Sequence[str]) -> Array:
    """Return texts as numbers, NaN where one is missing, with decimal commas if all have them.

    Texts that are no numbers stay text, (N,) of str.
    """
    for candidate in (texts, _with_points(texts)):
        try:
            return numbers_of(candidate)
        except ValueError:
            continue
    return np.array(texts, dtype=str)


def _with_points(texts: Sequence[str]) -> Sequence[str]:
    """Return numbers with decimal commas as numbers with points; others as they are.

    `1,234` alone may be a thousand and is left as text.
    """
    there = [text.strip() for text in texts if "," in text]
    if not there or not all(_COMMA.fullmatch(text) for text in there):
        return texts
    if all(_THOUSANDS.fullmatch(text) for text in there):
        return texts
    return [text.replace(",", ".") for text in texts]


def _decoded(path: Path) -> tuple[str, list[str]]:
    content = path.read_bytes()
    if not content.strip():
        raise TableError("empty file", path)
    coding = next((c for mark, c in _MARKS.items() if content.startswith(mark)), "utf-8")
    if coding != "utf-16" and b"\0" in content[:4096]:
        raise TableError("not a table of text", path, "save it as CSV")
    try:
        return content.decode(coding), []
    except UnicodeDecodeError:
        if coding == "utf-16":
            raise TableError(
                "not text, though it begins as UTF-16", path, "save it as CSV"
            ) from None
        return content.decode("latin-1"), ["read as Latin-1, for it is not UTF-8"]


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Return the rows that hold a value, each with the number of its line."""
    first = text.lstrip("\r\n").partition("\n")[0]
    counts = {mark: _unquoted(first).count(mark) for mark in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda mark: counts[mark])
    if not counts[delimiter]:
        split = [(n, line.split()) for n, line in enumerate(text.splitlines(), 1)]
        blanks = len(first.split()) > 1 and all(
            len(row) in (0, len(first.split())) for _, row in split
        )
        if blanks:
            return [(number, row) for number, row in split if row]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    return [(number, row) for number, row in rows if any(row)]


def _unquoted(line: str) -> str:
    return re.sub(r'"[^"]*"', "", line)


def _fitted(row: list[str], number: int, width: int, path: Path) -> list[str]:
    """Return a row of `width` cells; empty ones behind the last name are dropped."""
    while len(row) > width and not row[-1]:
        row = row[:-1]
    if len(row) != width:
        raise TableError(
            f"line {number}: {len(row)} values for {width} columns", path, "save it as CSV"
        )
    return row


def _names(heads: list[str]) -> tuple[list[str], list[str]]:
    names: list[str] = []
    remarks = []
    for place, head in enumerate(heads, 1):
        name = free_name(head or f"column {place}", names)
        if head in names:
            remarks.append(f"the second column {head} is called {name}")
        names.append(name)
    return names, remarks


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return is_missing(text)
    return True
