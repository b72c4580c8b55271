"""Filters in few words, as their chips say them. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tvae_core.columns import Column
from tvae_core.words import count, degrees, figure
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.made import Filter

_MOST_NAMES = 2


@dataclass(frozen=True)
class Chip:
    """A filter as its chip shows it."""

    key: str
    words: str


def chips_of(state: ExplorerState) -> list[Chip]:
    """Return the chips of the filters of a run, in the order they were set."""
    columns = {column.key: column for column in state.columns}
    return [
        Chip(key, chip_words(columns.get(key, Column(key, key, "magnitude")), kept))
        for key, kept in state.filters.items()
    ]


def chip_words(column: Column, kept: Filter) -> str:
    """Return a filter in few words: `error 0.01–0.05`, `cluster open, closed`."""
    if isinstance(kept, frozenset):
        names = [_class_name(column, number) for number in sorted(kept, key=lambda n: (n < 0, n))]
        listed = ", ".join(names[:_MOST_NAMES])
        more = len(names) - _MOST_NAMES
        return f"{column.title}: {listed or 'none'}" + (f" and {more} more" if more > 0 else "")
    low, high = kept
    if column.unit == "rad":
        return f"{column.title} {degrees(low)} to {degrees(high)}"
    return f"{column.title} {figure(low)} to {figure(high, column.unit)}"


def _class_name(column: Column, number: int) -> str:
    if number < 0:
        return column.rest
    return column.names[number] if number < len(column.names) else str(number)


def shown_words(state: ExplorerState) -> str:
    """Return how many images pass the filters: `12,301 of 300,000`."""
    if state.visible is None:
        return count(state.images, "image")
    return f"{count(int(np.count_nonzero(state.visible)))} of {count(state.images)}"


def class_sizes(state: ExplorerState, column: Column) -> list[tuple[int, str, int]]:
    """Return the classes of a column: number, name, images; last those without one, if any."""
    labels = np.asarray(state.values(column.key)).astype(np.int64)
    sizes = np.bincount(labels[labels >= 0], minlength=len(column.names))
    found = [(n, name, int(sizes[n])) for n, name in enumerate(column.names)]
    without = int(np.count_nonzero(labels < 0))
    return [*found, (-1, column.rest, without)] if without else found
