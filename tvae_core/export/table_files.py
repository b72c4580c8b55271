"""The files that a table is written to: how each is written, and how its rows are counted again."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import DeviceError

Array = NDArray[Any]
Columns = Mapping[str, Array]
Rows = NDArray[np.int64]
_ROWS = 50_000


@dataclass(frozen=True)
class TableForm:
    """A kind of file that holds a table.

    Parameters
    ----------
    write : callable
        Writes the rows asked for, (n,) int, of columns (N,) to a path; it tells how many are done,
        and is stopped by what it tells raising `Cancelled`.
    count : callable
        Reads the file again and returns how many rows it has.
    """

    write: Callable[[Path, Columns, Rows, Callable[[int], None]], None]
    count: Callable[[Path], int]


def _write_csv(part: Path, columns: Columns, rows: Rows, tell: Callable[[int], None]) -> None:
    with open(part, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        for start in range(0, len(rows), _ROWS):
            tell(start)
            writer.writerows(_text_rows(columns, rows[start : start + _ROWS]))


def _text_rows(columns: Columns, rows: Rows) -> Iterable[tuple[str, ...]]:
    texts = (np.asarray(values)[rows].astype(str).tolist() for values in columns.values())
    return zip(*texts, strict=True)


def _count_csv(part: Path) -> int:
    with open(part, encoding="utf-8", newline="") as stream:
        return sum(1 for _ in csv.reader(stream)) - 1


def _write_parquet(part: Path, columns: Columns, rows: Rows, tell: Callable[[int], None]) -> None:
    try:
        from pyarrow import parquet, table
    except ImportError:
        raise DeviceError(
            "Parquet needs pyarrow", "", "pip install pyarrow, or export .csv"
        ) from None
    tell(0)
    parquet.write_table(table({n: np.asarray(v)[rows] for n, v in columns.items()}), part)


def _count_parquet(part: Path) -> int:
    from pyarrow import parquet

    return int(parquet.read_metadata(part).num_rows)


CSV = TableForm(_write_csv, _count_csv)
PARQUET = TableForm(_write_parquet, _count_parquet)
