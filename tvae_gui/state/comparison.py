"""Two groups of images to compare: the selection, a set, a cluster, or all others. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.comparison import ColumnDifference, differences_of
from tvae_gui.state.explorer_state import ExplorerState

Array = NDArray[Any]
REST = ("rest", "")
Group = tuple[str, Any]  # ("selection" | "set" | "cluster" | "rest", name or number)
_LEFT_OUT = ("density", "cluster")


@dataclass(frozen=True)
class Compared:
    """Two groups: their averages (h, w[, 3]) in image values, None where there is no picture.

    `columns` come the most different first.
    """

    counts: tuple[int, int]
    averages: tuple[Array | None, Array | None]
    columns: list[ColumnDifference]


def groups_of(state: ExplorerState) -> list[tuple[str, Group, int]]:
    """Return what can be compared: words, group, number of images."""
    found: list[tuple[str, Group, int]] = []
    if state.present.count:
        found.append(("the selection", ("selection", ""), state.present.count))
    found += [(s.name, ("set", s.name), s.count) for s in state.sets]
    if state.clusters is not None:
        for number, name in enumerate(state.clusters.names):
            size = int(np.count_nonzero(state.clusters.labels == number))
            found.append((name, ("cluster", number), size))
    return found


def masks_of(state: ExplorerState, first: Group, second: Group) -> tuple[Array, Array]:
    """Return the images of two groups, (N,) bool each; the rest is all but those of the first."""
    one = _mask(state, first)
    return one, ~one if second == REST else _mask(state, second)


def _mask(state: ExplorerState, group: Group) -> Array:
    kind, data = group
    if kind == "cluster" and state.clusters is not None:
        return np.asarray(state.clusters.labels == data)
    if kind == "set" and (named := state.named_set(data)) is not None:
        return named.mask
    if kind == "selection":
        return state.present.mask
    return np.zeros(state.images, dtype=bool)


def columns_to_compare(state: ExplorerState) -> dict[str, Array]:
    """Return the numbers of all columns that have an order, by key."""
    return {
        column.key: state.values(column.key)
        for column in state.columns
        if column.kind == "magnitude" and column.key not in _LEFT_OUT
    }


def compare(
    columns: dict[str, Array],
    first: Array,
    second: Array,
    average: Callable[[Array], Array | None],
) -> Compared:
    """Compare two groups of images; `average(indices)` returns an average, None for none."""
    one, two = (np.flatnonzero(mask) for mask in (first, second))
    averages = average(one), average(two)
    return Compared((len(one), len(two)), averages, differences_of(columns, first, second))
