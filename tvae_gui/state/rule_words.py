"""The rule behind a selection as a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tvae_core.columns import Column
from tvae_core.selection import Rule
from tvae_core.words import count, figure

_MOST = 400  # letters of a sentence


def rule_sentence(name: str, rule: Rule, columns: Sequence[Column]) -> str:
    """Return how a set was made, such as “open” holds the images with error from 0 to 0.05.

    Parameters
    ----------
    columns : sequence of Column
        What columns and their classes are called.
    """
    words = f"“{name}” holds the images {_phrase(rule, {c.key: c for c in columns})}."
    return words if len(words) <= _MOST else f"{words[:_MOST]}…"


_Columns = dict[str, Column]


def _phrase(rule: Rule, columns: _Columns) -> str:
    return PHRASES[rule["kind"]](rule, columns)


def _pair(x: float, y: float) -> str:
    return f"({figure(x)}, {figure(y)})"


def _rectangle(rule: Rule, _: _Columns) -> str:
    (x0, x1), (y0, y1) = rule["x"], rule["y"]
    return f"inside a rectangle from {_pair(x0, y0)} to {_pair(x1, y1)} on {rule['plane']}"


def _range(rule: Rule, columns: _Columns) -> str:
    low, high = rule["low"], rule["high"]
    title, unit = _title(rule["column"], columns), _unit(rule["column"], columns)
    if low is None and high is None:
        return f"with any {title}"
    if low is None:
        return f"with {title} of at most {figure(high, unit)}"
    if high is None:
        return f"with {title} of at least {figure(low, unit)}"
    return f"with {title} from {figure(low)} to {figure(high, unit)}"


def _values(rule: Rule, columns: _Columns) -> str:
    key = rule["column"]
    names = [_class(value, columns.get(key)) for value in rule["values"]]
    return f"with {_title(key, columns)} {' or '.join(names)}"


def _class(value: Any, column: Column | None) -> str:
    number = int(value) if isinstance(value, int | float) and value == int(value) else None
    if column is None or number is None:
        return str(value)
    if number < 0:
        return column.rest
    return f"“{column.names[number]}”" if number < len(column.names) else str(number)


def _title(key: str, columns: _Columns) -> str:
    return columns[key].title if key in columns else key.removeprefix("joined/")


def _unit(key: str, columns: _Columns) -> str:
    return columns[key].unit if key in columns else ""


def _joined(word: str) -> Callable[[Rule, _Columns], str]:
    return lambda rule, columns: word.join(_part(of, columns) for of in rule["of"])


def _z(values: list[float]) -> str:
    more = ", …" if len(values) > 4 else ""
    return f"z = ({', '.join(figure(v) for v in values[:4])}{more})"


def _part(rule: Rule, columns: _Columns) -> str:
    """Return a part of a rule, in brackets where it has parts of its own."""
    words = _phrase(rule, columns)
    return f"({words})" if len(rule.get("of", ())) > 1 else words


PHRASES: dict[str, Callable[[Rule, _Columns], str]] = {
    "polygon": lambda r, _: (
        f"inside a lasso with {count(len(r['vertices']), 'corner')} on {r['plane']}"
    ),
    "rectangle": _rectangle,
    "circle": lambda r, _: f"within {figure(r['radius'])} of {_pair(*r['centre'])} on {r['plane']}",
    "nearest": lambda r, _: (
        f"among the {count(r['count'])} nearest to "
        + (_z(r["z"]) if "z" in r else f"{_pair(*r['centre'])} on {r['plane']}")
    ),
    "near": lambda r, _: f"within {figure(r['radius'])} deviations of {_z(r['z'])}",
    "range": _range,
    "values": _values,
    "indices": lambda r, _: f"chosen one by one ({count(len(r['indices']))})",
    "hand": lambda *_: "picked by hand",
    "all": lambda *_: "of the whole run",
    "none": lambda *_: "of an empty selection",
    "union": _joined(" or "),
    "intersect": _joined(" and "),
    "subtract": _joined(" but not "),
    "invert": lambda r, columns: f"not {_part(r['of'][0], columns)}",
}
