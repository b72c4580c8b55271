"""The inspector: what is coloured, filtered and shown."""

from __future__ import annotations

import numpy as np

from tvae_gui.context import Context
from tvae_gui.inspector.inspector import Inspector
from tvae_gui.state.scatter_frame import legend
from tvae_gui.words import CLUSTER_METHODS, NO_RUN

FIRST_FILTER = "error"


class InspectorPresenter:
    """Shows the state on the inspector."""

    def __init__(self, context: Context, inspector: Inspector) -> None:
        self._state, self._inspector = context.state, inspector
        self.filter_key = FIRST_FILTER

    def show_store(self) -> None:
        """Begin with another store."""
        self.filter_key = FIRST_FILTER

    def show_columns(self) -> None:
        """List the columns there are now."""
        state = self._state
        if state.store is None:
            return
        if self.filter_key not in [column.key for column in state.columns]:
            self.filter_key = FIRST_FILTER
        self._inspector.show_columns(state.columns, state.colour.key, self.filter_key)
        self.choose_filter(self.filter_key)
        self.show_plane_names()
        self.show_colour()

    def show_plane_names(self) -> None:
        """List the planes, with the one on show."""
        state, shown = self._state, self._state.shown
        if state.store is None or shown is None:
            return
        numbers = [c for c in state.columns if c.kind in ("magnitude", "cyclic")]
        self._inspector.show_planes(
            state.store.z_dim, state.plane_names, shown.choice, shown.how, numbers
        )

    def show_colour(self) -> None:
        """Show the legend, and the histogram in its colours."""
        if self._state.store is None:
            return
        meaning = legend(self._state)
        self._inspector.show_legend(meaning)
        self._colour_histogram()

    def _colour_histogram(self) -> None:
        """Paint the filter's histogram in the plane's colours when it is of the same column."""
        meaning = legend(self._state)
        same = meaning.column.key == self.filter_key and meaning.table is not None
        table = meaning.table if same else None
        self._inspector.histogram.set_colours(table, meaning.low, meaning.high)

    def colour_by(self, key: str) -> None:
        """Colour by a column, and offer its range as the filter."""
        self._state.colour_by(key)
        if self._state.colour.kind in ("magnitude", "cyclic"):
            self.filter_key = self._state.colour.key
            self.show_columns()

    def colour_by_number(self, number: int) -> None:
        """Colour by the n-th entry of the list."""
        columns = self._state.columns
        if number <= len(columns):
            self._state.colour_by(columns[number - 1].key)

    def colour_words(self, number: int) -> str:
        """Return what colouring by the n-th entry of the list is called."""
        columns = self._state.columns
        known = self._state.store is not None and number <= len(columns)
        return f"Colour by {columns[number - 1].title if known else f'column {number}'}"

    def why_no_colour(self, number: int) -> str:
        """Return why there is no n-th entry of the list; empty where there is one."""
        if self._state.store is None:
            return NO_RUN
        columns = len(self._state.columns)
        return "" if number <= columns else f"This run has {columns} columns"

    def on_class_picked(self, number: int, adds: bool) -> None:
        """Select the images of a class of the legend."""
        rule = {"kind": "values", "column": self._state.colour.key, "values": [number]}
        self._state.select(rule, "union" if adds else "replace")

    def choose_filter(self, key: str) -> None:
        """Show the histogram of another column."""
        self.filter_key = key
        state = self._state
        if state.store is None:
            return
        column = next((c for c in state.columns if c.key == key), None)
        self._inspector.histogram.set_values(state.values(key), column.unit if column else "")
        self._inspector.histogram.set_range(state.range_of(key))
        self._colour_histogram()

    def filter_to(self, low: float, high: float) -> None:
        """Show only a range of the column."""
        self._state.set_filter(self.filter_key, (low, high))

    def clear_filters(self) -> None:
        """Show all images again."""
        self._state.clear_filters()
        self._inspector.histogram.set_range(None)

    def show_filter(self) -> None:
        """Say how many images pass the filters, and mark the range."""
        self.say_shown()
        self._inspector.histogram.set_range(self._state.range_of(self.filter_key))

    def say_shown(self) -> None:
        """Say how many images pass the filters."""
        state = self._state
        shown = state.images if state.visible is None else int(np.count_nonzero(state.visible))
        self._inspector.show_filter(shown, state.images, bool(state.filters))

    def show_clusters(self) -> None:
        """Say which clustering there is."""
        clusters = self._state.clusters
        if clusters is None:
            self._inspector.show_clusters("none yet")
            return
        names = {key: words for words, key in CLUSTER_METHODS}
        method = names.get(clusters.method, clusters.method)
        self._inspector.show_clusters(f"{len(clusters.names)} by {method}")
