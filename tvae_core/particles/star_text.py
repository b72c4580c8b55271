"""The grammar of a RELION .star file, line by line.

RELION writes and reads one row a line, so the lines themselves are kept: a chosen row is written
as the bytes it was read from, and a wrong row is named by its line. Tokenising a million rows of
26 columns into strings would take over a gigabyte; the lines take what the file takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from tvae_core.errors import TableError

_TOKEN = re.compile(rb"""#.*|"(?:.*?)"(?=\s|$)|'(?:.*?)'(?=\s|$)|\S+""")
_SPECIAL_STARTS = frozenset(b"_#;\"'lLdD")
# What no honest table has; beyond them a file is refused before work on it grows.
_LONGEST_LINE = 1 << 16
_MOST_COLUMNS = 1024
_MOST_BLOCKS = 1024


@dataclass
class StarLoop:
    """A `loop_` of a block: its column names and the places of its rows among the lines."""

    columns: list[str]
    first_line: int
    rows: list[int] = field(default_factory=list)


@dataclass
class StarBlock:
    """A `data_` block: its `_tag value` pairs and its loops."""

    name: str
    pairs: dict[str, str] = field(default_factory=dict)
    loops: list[StarLoop] = field(default_factory=list)


def split_row(line: bytes) -> list[bytes]:
    """Return the values of a line, quotes kept, comments dropped."""
    if b'"' not in line and b"'" not in line and b"#" not in line:
        return line.split()
    return [token for token in _TOKEN.findall(line) if not token.startswith(b"#")]


def plain_text(value: bytes) -> str:
    """Return a value as text, without its quotes."""
    if len(value) > 1 and value[:1] in b"\"'" and value[-1:] == value[:1]:
        value = value[1:-1]
    return value.decode("utf-8", "surrogateescape")


def with_tags(lines: list[bytes], count: int, names: list[str]) -> list[bytes]:
    """Return the lines before a loop's rows with tags added behind the last of its `count`."""
    last = max(number for number, line in enumerate(lines) if line.lstrip().startswith(b"_"))
    numbered, ending = b"#" in lines[last], b"\r" if lines[last].endswith(b"\r") else b""
    tags = [
        f"_{name} #{count + place}" if numbered else f"_{name}"
        for place, name in enumerate(names, 1)
    ]
    return [*lines[: last + 1], *(tag.encode() + ending for tag in tags), *lines[last + 1 :]]


def read_lines(path: Path) -> list[bytes]:
    """Return the lines of a text file without their newlines, and without a byte order mark.

    Raises
    ------
    TableError
        The file is empty or not text.
    """
    with open(path, "rb") as stream:
        lines = list(stream)  # not read as one: the file would be in memory twice
    if not any(line.strip() for line in lines):
        raise TableError("empty file", path)
    longest = max(map(len, lines))
    if longest > _LONGEST_LINE:
        what = f"a line of {longest:,} bytes, at most {_LONGEST_LINE:,} are read"
        raise TableError(what, path, "is it a STAR table?")
    if any(b"\0" in line for line in lines):
        raise TableError("not a STAR table: binary content", path, "save it as UTF-8 text")
    ended = lines[-1].endswith(b"\n")
    for number, line in enumerate(lines):
        lines[number] = line.removesuffix(b"\n")
    lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
    return [*lines, b""] if ended else lines


def parse_blocks(lines: list[bytes], path: Path) -> list[StarBlock]:
    """Return the blocks of a .star file.

    Raises
    ------
    TableError
        Naming the line that cannot be understood: a row with too few or too many values, an
        unclosed quote, text where a block, a loop or a tag is expected.
    """
    return _Parser(lines, path).run()


class _Parser:
    def __init__(self, lines: list[bytes], path: Path) -> None:
        self.lines = lines
        self.path = path
        self.blocks: list[StarBlock] = []

    def run(self) -> list[StarBlock]:
        number = 0
        while number < len(self.lines):
            values = split_row(self.lines[number])
            number = self._statement(number, values) if values else number + 1
        if not self.blocks:
            raise TableError("not a STAR table: no data_ block", self.path)
        return self.blocks

    def _statement(self, number: int, values: list[bytes]) -> int:
        """Read the block, loop or pair that begins at a line; return the line after it."""
        word = values[0].lower()
        if word.startswith(b"data_") and len(values) == 1:
            if len(self.blocks) == _MOST_BLOCKS:
                raise self._error(number, f"more than {_MOST_BLOCKS:,} blocks")
            self.blocks.append(StarBlock(values[0][5:].decode("utf-8", "surrogateescape")))
            return number + 1
        if not self.blocks:
            raise self._error(number, "not a STAR table: text before the first data_ block")
        if word == b"loop_" and len(values) == 1:
            return self._loop(number + 1)
        if word.startswith(b"_") and len(values) == 2:
            self._check_quotes(number, values)
            self.blocks[-1].pairs[_column_name(values[0])] = plain_text(values[1])
            return number + 1
        raise self._error(number, "expected data_, loop_ or a tag with one value")

    def _loop(self, number: int) -> int:
        columns: list[str] = []
        while number < len(self.lines):
            values = split_row(self.lines[number])
            if values and not (values[0].startswith(b"_") and len(values) == 1):
                break
            columns.extend(_column_name(value) for value in values)
            number += 1
            if len(columns) > _MOST_COLUMNS:
                raise self._error(number - 1, f"more than {_MOST_COLUMNS:,} columns")
        if not columns:
            raise self._error(number - 1, "loop_ without column names")
        repeated = {name for name in columns if columns.count(name) > 1}
        if repeated:
            raise self._error(number - 1, f"column {repeated.pop()} is named twice")
        loop = StarLoop(columns, number)
        self.blocks[-1].loops.append(loop)
        return self._rows(number, loop)

    def _rows(self, start: int, loop: StarLoop) -> int:
        """Collect the rows of a loop; return the line after the last."""
        width, keep = len(loop.columns), loop.rows.append
        for number in range(start, len(self.lines)):
            line = self.lines[number]
            values = line.split()
            plain = len(values) == width and values[0][0] not in _SPECIAL_STARTS
            if plain and b'"' not in line and b"'" not in line and b"#" not in line:
                keep(number)
                continue
            values = split_row(line)
            if not values:
                continue
            if _ends_loop(values):
                return number
            self._check_row(number, values, width)
            keep(number)
        return len(self.lines)

    def _check_row(self, number: int, values: list[bytes], width: int) -> None:
        if self.lines[number].startswith(b";"):
            raise self._error(number, "text values over several lines are not supported")
        self._check_quotes(number, values)
        if len(values) != width:
            raise self._error(number, f"the row has {len(values)} values for {width} columns")

    def _check_quotes(self, number: int, values: list[bytes]) -> None:
        for value in values:
            if value[:1] in (b'"', b"'") and (len(value) < 2 or value[-1:] != value[:1]):
                raise self._error(number, "a quote is not closed")

    def _error(self, number: int, what: str) -> TableError:
        return TableError(f"line {number + 1}: {what}", self.path)


def _ends_loop(values: list[bytes]) -> bool:
    word = values[0].lower()
    alone = len(values) == 1
    return word.startswith(b"_") or (alone and (word == b"loop_" or word.startswith(b"data_")))


def _column_name(tag: bytes) -> str:
    return tag[1:].decode("utf-8", "surrogateescape")
