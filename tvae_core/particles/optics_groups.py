"""RELION's optics groups: what data_optics says of each group, and the rows that name it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import TableError
from tvae_core.particles.numbers import numbers_of

_GROUP = "rlnOpticsGroup"
_NAME = "rlnOpticsGroupName"


class NamedGroups(NamedTuple):
    """The optics group that each row names.

    Parameters
    ----------
    names : list of str
        The groups named, each once.
    of_row : (N,) int32
        Which of `names`.
    """

    names: list[str]
    of_row: NDArray[np.int32]


class OpticsGroups:
    """The columns of data_optics.

    Parameters
    ----------
    columns : dict of str to list of str
        Text of each column, a value a group; empty when there is no data_optics.
    path : Path
        Of the table, for errors.

    Raises
    ------
    TableError
        Columns are of different lengths, as where two tables ran into one.
    """

    def __init__(self, columns: dict[str, list[str]], path: Path) -> None:
        if len({len(values) for values in columns.values()}) > 1:
            raise TableError("the columns of data_optics are of different lengths", path)
        self._columns = columns
        self._path = path

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(next(iter(self._columns.values()), []))

    def numbers(
        self, name: str, rows: int, groups: NamedGroups | None = None
    ) -> NDArray[np.float64]:
        """Return a column row by row, (N,).

        Groups are numbers (`1`, `01` and `1.000000` are one) or names of groups. A single group
        serves rows that name none, and a header that gives it no number.

        Parameters
        ----------
        name : str
        rows : int
            N.
        groups : NamedGroups, optional
            What each row names.

        Raises
        ------
        TableError
            A value is no number, a group is not there, or occurs twice with different values.
        """
        try:
            values = numbers_of(self._columns[name])
        except ValueError:
            what = f"optics column {name} holds a value that is not a number"
            raise TableError(what, self._path) from None
        if len(values) == 1 and (groups is None or _GROUP not in self._columns):
            return np.full(rows, values[0])
        if groups is None or _GROUP not in self._columns:
            raise TableError(f"column {name} needs {_GROUP} in both blocks", self._path)
        known = self._by_group(name, values)
        missing = next((text for text in groups.names if _key(text) not in known), None)
        if missing is not None:
            raise TableError(f"optics group {missing!r} is not in data_optics", self._path)
        return np.array([known[_key(text)] for text in groups.names], np.float64)[groups.of_row]

    def _by_group(self, name: str, values: NDArray[np.float64]) -> dict[float | str, float]:
        names = self._columns.get(_NAME, [])
        known: dict[float | str, float] = {
            _key(text): value for text, value in zip(names, values.tolist(), strict=False)
        }
        numbered: dict[float | str, float] = {}
        for text, value in zip(self._columns[_GROUP], values.tolist(), strict=True):
            first = numbered.setdefault(_key(text), value)
            if not np.array_equal(first, value, equal_nan=True):
                what = f"optics group {text} occurs twice, with two values of {name}"
                raise TableError(what, self._path)
        return known | numbered


def _key(text: str) -> float | str:
    """Return a group's number, or its text when it is none."""
    try:
        return float(text)
    except ValueError:
        return text
