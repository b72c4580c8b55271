"""Compares two groups of images in the background and shows how they differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.store import EmbeddingStore
from tvae_gui.cards.compare.compare_drawer import CompareDrawer
from tvae_gui.context import Context
from tvae_gui.state.comparison import (
    REST,
    Compared,
    Group,
    columns_to_compare,
    compare,
    groups_of,
    masks_of,
)

Array = NDArray[Any]
MOST_AVERAGED = 20_000
_PART = 2_048
_EMPTY = "One of the groups is empty: there is nothing to compare."
_NONE = "Save a set, select images or find clusters first: there is nothing to compare yet."


class ComparePresenter:
    """Fills the card that compares."""

    def __init__(self, context: Context, drawer: CompareDrawer) -> None:
        self._state, self._tones, self._drawer = context.state, context.tones, drawer
        self._job = context.card_job(drawer)
        self._chosen: tuple[Group, Group] = (("selection", ""), REST)

    def open(self) -> None:
        """Show the card, with the groups chosen last where they are still there."""
        self._drawer.open_drawer()
        self._drawer.show_running(False)
        groups = groups_of(self._state)
        known = [group for _, group, _ in groups]
        first = self._chosen[0] if self._chosen[0] in known else (known[0] if known else REST)
        second = self._chosen[1] if self._chosen[1] in known else REST
        self._drawer.show_groups(groups, first, second)
        if known:
            self.choose(first, second)
        else:
            self._drawer.show_running(False, _NONE)

    def on_store(self) -> None:
        """Begin with another store."""
        self._drawer.close_drawer()
        self._drawer.show_columns([])
        self._drawer.show_pictures([None, None, None])

    def choose(self, first: Group, second: Group) -> None:
        """Compare two groups."""
        state = self._state
        store = state.store
        if store is None:
            return
        self._chosen = first, second
        masks = masks_of(state, first, second)
        columns, average = columns_to_compare(state), _averager(Path(store.path))
        self._job.drop()
        self._job.run("compare", lambda *_: compare(columns, *masks, average), self._on_done)

    def _titles(self) -> tuple[dict[str, str], set[str]]:
        """Return the titles of columns by key, and the keys of dimensions that say nothing."""
        nearness, store = self._state.nearness, self._state.store
        dimensions = range(store.z_dim) if nearness is not None and store is not None else ()
        unused = {f"z{d + 1}" for d in dimensions if nearness is not None and nearness.is_unused(d)}
        columns = self._state.columns
        idle = {column.key for column in columns if column.title in unused}
        titles = {c.key: f"{c.title} (unused)" if c.key in idle else c.title for c in columns}
        return titles, idle

    def _on_done(self, found: Compared) -> None:
        drawer = self._drawer
        drawer.show_counts(*found.counts)
        if not all(found.counts):
            drawer.show_columns([])
            drawer.show_pictures([None, None, None])
            drawer.show_running(False, _EMPTY)
            return
        titles, idle = self._titles()
        said = sorted(found.columns, key=lambda column: column.key in idle)
        drawer.show_columns(
            [(c.key, titles.get(c.key, c.key), c.effect, c.first, c.second) for c in said]
        )
        first, second = found.averages
        if first is None or second is None:
            drawer.show_pictures([None, None, None])
            return
        difference = first - second
        reach = float(np.percentile(np.abs(difference), 99.5)) or 1.0
        drawer.show_pictures(
            [self._tones.decoded(first), self._tones.decoded(second),
             self._tones.signed(difference, reach)], reach
        )  # fmt: skip
        drawer.show_running(False)


def _averager(path: Path) -> Callable[[Array], Array | None]:
    """Return what averages upright thumbnails of a store, in image values, on a thread of its own.

    Of more than 20,000 images, 20,000 evenly spread are averaged.
    """

    def average(indices: Array) -> Array | None:
        with EmbeddingStore(path) as store:
            if not store.has_thumbnails or not len(indices):
                return None
            places = np.linspace(0, len(indices) - 1, min(len(indices), MOST_AVERAGED))
            some = indices[places.astype(np.int64)]
            parts = [some[start : start + _PART] for start in range(0, len(some), _PART)]
            total = sum(store.thumbnails("upright", p).sum(axis=0, dtype=np.float64) for p in parts)
            low, high = store.thumbnail_range
            return np.asarray(total / len(some) / 255 * (high - low) + low, np.float32)

    return average
