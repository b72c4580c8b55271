"""`scatter_frame(state)`: a frozen snapshot of how the points are to be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tvae_core.colours import CYCLIC_MAP, class_levels, class_table, colour_map, to_bytes
from tvae_core.columns import CLUSTER_KEY, SETS_KEY, Column, sets_colours
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.raster import ScatterFrame

Array = NDArray[np.floating]
Bytes = NDArray[np.uint8]
_BINS = 192


class LegendRow(NamedTuple):
    """A class as its legend lists it: its number, -1 for what has no class."""

    number: int
    name: str
    colour: str
    images: int


@dataclass(frozen=True)
class Legend:
    """What the colours mean: a range with its table, or classes with names, colours, counts."""

    column: Column
    low: float = 0.0
    high: float = 1.0
    table: Bytes | None = None
    classes: tuple[LegendRow, ...] = ()


def scatter_frame(state: ExplorerState, dark: bool) -> ScatterFrame:
    """Return how the points of `state` are drawn on a dark or light ground."""
    table, levels = table_of(state, state.colour), _levels(state)
    order = state.index.order
    selection = state.selection
    visible = state.visible
    return ScatterFrame(
        index=state.index,
        kind=state.colour.kind,
        levels=_in_order(state, levels),
        table=table,
        visible=None if visible is None else visible[order],
        chosen=selection.mask[order] if selection.count else None,
        faded_rgb=(110, 114, 122) if dark else (170, 174, 180),
    )


def _in_order(state: ExplorerState, levels: Bytes) -> Bytes:
    """Return the levels of all images in the cell order of the points; made once for each."""
    kept = state.drawn
    if kept is None or kept[0] is not levels or kept[1] is not state.index:
        state.drawn = kept = (levels, state.index, levels[state.index.order])
    return kept[2]


def legend(state: ExplorerState) -> Legend:
    """Return what the colours of `state` mean."""
    column = state.colour
    if column.kind == "density":
        return Legend(column, table=table_of(state, column))
    return legend_of(column, state.values(column.key), table_of(state, column))


def legend_of(column: Column, values: Array, table: Bytes) -> Legend:
    """Return what the colours of values (n,) of a column mean."""
    if column.kind == "class":
        return Legend(column, classes=_rows(column, np.asarray(values).astype(np.int64), table))
    low, high = colour_range(values, column)
    return Legend(column, low, high, table)


def _rows(column: Column, labels: NDArray[np.integer], table: Bytes) -> tuple[LegendRow, ...]:
    """Return the classes of a column, and last what has none where there is any."""
    counts = np.bincount(labels[labels >= 0], minlength=len(column.names))
    rows = list(zip(range(len(column.names)), column.names, counts, strict=False))
    without = int(np.count_nonzero(labels < 0))
    if without:
        rows.append((-1, column.rest, without))
    levels = class_levels(np.array([number for number, _, _ in rows], np.int64))
    return tuple(
        LegendRow(number, name, "#{:02x}{:02x}{:02x}".format(*table[level]), int(count))
        for (number, name, count), level in zip(rows, levels, strict=True)
    )


def colour_range(values: Array, column: Column) -> tuple[float, float]:
    """Return the values at the ends of the colour map: all but the extreme hundredths."""
    if column.kind == "cyclic":
        return -np.pi, np.pi
    some = values[:: max(1, len(values) // 200_000)]
    some = some[np.isfinite(some)]
    if not some.size:
        return 0.0, 1.0
    low, high = np.quantile(some, [0.01, 0.99])
    return float(low), float(high if high > low else low + 1.0)


def table_of(state: ExplorerState, column: Column) -> Bytes:
    """Return the colours of a column, (256, 3)."""
    if column.kind == "cyclic":
        return colour_map(CYCLIC_MAP)
    if column.key == SETS_KEY:
        return class_table(sets_colours(state.sets))
    if column.kind == "class":
        named = column.key == CLUSTER_KEY and state.clusters is not None
        return class_table(state.clusters.colours if named and state.clusters else ())
    return colour_map(state.options.colour_map)


def _levels(state: ExplorerState) -> Bytes:
    """Return the colour table index of every image, (N,) uint8."""
    column = state.colour
    if column.kind == "density":
        if state.crowding is None:
            state.crowding = _density_levels(state)
        return state.crowding
    values, kept = state.values(column.key), state.coloured
    if kept is None or kept[0] is not values or kept[1] != column.kind:
        state.coloured = kept = (values, column.kind, levels_of(column, values))
    return kept[2]


def levels_of(column: Column, values: Array) -> Bytes:
    """Return the places in the colour table of values (n,) of a column."""
    if column.kind == "class":
        return class_levels(np.asarray(values).astype(np.int64, copy=False))
    return to_bytes(values, *colour_range(values, column))


def _density_levels(state: ExplorerState) -> Bytes:
    """Return how crowded the neighbourhood of each image is, as 0..255."""
    index = state.index
    levels = np.zeros(state.images, dtype=np.uint8)
    if not len(index):
        return levels
    x0, x1, y0, y1 = state.extent
    columns = ((index.xy[0] - x0) * (_BINS / (x1 - x0))).clip(0, _BINS - 1).astype(np.int32)
    rows = ((index.xy[1] - y0) * (_BINS / (y1 - y0))).clip(0, _BINS - 1).astype(np.int32)
    if state.shown is not None and state.shown.is_line:
        rows = np.zeros_like(rows)
    flat = rows * _BINS + columns
    counts = np.bincount(flat, minlength=_BINS * _BINS).reshape(_BINS, _BINS).astype(np.float64)
    for axis in (0, 1):
        for reach in (1, 2, 3):
            ahead, behind = np.roll(counts, reach, axis), np.roll(counts, -reach, axis)
            counts = 0.5 * counts + 0.25 * (ahead + behind)
    near = counts.reshape(-1)[flat]
    top = max(float(np.quantile(near[:: max(1, len(near) // 50_000)], 0.98)), 1e-9)
    levels[index.order] = (255 * np.clip(near / top, 0, 1) ** 0.6).astype(np.uint8)
    return levels
