"""The colours of picks: by a column of their own, or by one of the images like them. No Qt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.picks import Picks
from tvae_core.colours import colour_map
from tvae_core.columns import Column
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.scatter_frame import Legend, legend_of, levels_of, table_of

Array = NDArray[Any]
_OWN = "pick/"
_MAP = "viridis"  # without the grey of cividis, which is lost on a grey image
_FIXED = (
    Column(f"{_OWN}confidence", "confidence", "magnitude"),
    Column(f"{_OWN}score", "score", "magnitude", "nats"),
    Column(f"{_OWN}attention", "attention", "magnitude", "nats"),
    Column(f"{_OWN}angle", "angle", "cyclic", "rad"),
)
_UNKNOWN = np.array((128, 128, 128), np.uint8)


class PickColours(NamedTuple):
    """The colour of each pick, (n, 3) uint8, and what the colours mean."""

    rgb: NDArray[np.uint8]
    legend: Legend


def pick_columns(state: ExplorerState) -> list[Column]:
    """Return what picks can be coloured by: their own columns, then those of the nearest image."""
    if state.store is None:
        return []
    own = [Column(f"{_OWN}z{d + 1}", f"z{d + 1}", "magnitude") for d in range(state.store.z_dim)]
    names = {column.title for column in own}
    of_images = [c for c in state.columns if c.kind != "density" and c.key not in names]
    return [*_FIXED, *own, *(replace(c, title=f"{c.title} of the nearest") for c in of_images)]


def is_own(column: Column) -> bool:
    """Whether a column is known of picks themselves."""
    return column.key.startswith(_OWN)


def pick_colours(
    state: ExplorerState, column: Column, picks: Picks, nearest: Array | None
) -> PickColours:
    """Return the colours of picks by a column; grey where its value is not known.

    Parameters
    ----------
    nearest : (n,) int, optional
        The image nearest to each pick, -1 for none; for columns of images.
    """
    values, known = _values(state, column, picks, nearest)
    table = table_of(state, column)
    if column.kind == "magnitude":
        table = colour_map(_MAP)
    rgb = table[levels_of(column, values)] if len(values) else np.zeros((0, 3), np.uint8)
    return PickColours(np.where(known[:, None], rgb, _UNKNOWN), legend_of(column, values, table))


def _values(
    state: ExplorerState, column: Column, picks: Picks, nearest: Array | None
) -> tuple[Array, NDArray[np.bool_]]:
    if is_own(column):
        name = column.key.removeprefix(_OWN)
        if name.startswith("z"):
            values = picks.z[:, int(name[1:]) - 1]
        else:
            values = picks.angle_rad if name == "angle" else getattr(picks, name)
        return values, np.isfinite(values)
    near = np.full(len(picks), -1, np.int64) if nearest is None else nearest
    found = np.asarray(state.values(column.key))[np.maximum(near, 0)]
    if column.kind == "class":
        return np.where(near >= 0, found, -1), np.ones(len(near), bool)
    return found, (near >= 0) & np.isfinite(found)
