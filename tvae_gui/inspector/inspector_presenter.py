"""The inspector: what is coloured, filtered and shown, and what follows when that changes."""

from __future__ import annotations

import numpy as np

from tvae_gui.cards.clusters.cluster_drawer import METHODS
from tvae_gui.gallery.selection_presenter import SelectionPresenter
from tvae_gui.inspector.inspector import Inspector
from tvae_gui.plane.plane_presenter import PlanePresenter
from tvae_gui.plane.plane_tools import PlaneTools
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.scatter_frame import legend
from tvae_gui.theme import theme

FIRST_FILTER = "error"


class InspectorPresenter:
    """Shows the state on the inspector and the tools of the plane."""

    def __init__(
        self,
        state: ExplorerState,
        inspector: Inspector,
        tools: PlaneTools,
        plane: PlanePresenter,
        selection: SelectionPresenter,
    ) -> None:
        self._state, self._inspector, self._tools = state, inspector, tools
        self._plane, self._selection = plane, selection
        self.filter_key = FIRST_FILTER

    def show_store(self) -> None:
        """Begin with another store."""
        self.filter_key = FIRST_FILTER

    def show_plane(self) -> None:
        """Show another plane."""
        self._plane.show_plane()
        self._plane.show_probe()
        self.show_atlas_switch()
        self._show_plane_names()

    def show_columns(self) -> None:
        """List the columns there are now."""
        state = self._state
        if state.store is None:
            return
        if self.filter_key not in [column.key for column in state.columns]:
            self.filter_key = FIRST_FILTER
        self._inspector.show_columns(state.columns, state.colour.key, self.filter_key)
        self.choose_filter(self.filter_key)
        self._show_plane_names()
        self.show_colour()

    def _show_plane_names(self) -> None:
        state, shown = self._state, self._state.shown
        if state.store is None or shown is None:
            return
        names = state.plane_names
        self._inspector.show_planes(
            state.store.z_dim, names, shown.choice, shown.how, "umap" in names
        )

    def show_colour(self) -> None:
        """Show the legend, and the points in their colours."""
        if self._state.store is None:
            return
        meaning = legend(self._state, theme().dark)
        self._inspector.show_legend(meaning)
        self._colour_histogram()
        self._plane.show_points()

    def _colour_histogram(self) -> None:
        """Paint the filter's histogram in the plane's colours when it is of the same column."""
        meaning = legend(self._state, theme().dark)
        same = meaning.column.key == self.filter_key and meaning.table is not None
        table = meaning.table if same else None
        self._inspector.histogram.set_colours(table, meaning.low, meaning.high)

    def colour_by(self, key: str) -> None:
        """Colour by a column, and offer its range as the filter."""
        self._state.colour_by(key)
        if self._state.colour.kind in ("magnitude", "cyclic"):
            self.filter_key = self._state.colour.key
            self.show_columns()

    def choose_filter(self, key: str) -> None:
        """Show the histogram of another column."""
        self.filter_key = key
        state = self._state
        if state.store is None:
            return
        column = next((c for c in state.columns if c.key == key), None)
        self._inspector.histogram.set_values(state.values(key), column.unit if column else "")
        self._inspector.histogram.set_range(state.filters.get(key))
        self._colour_histogram()

    def filter_to(self, low: float, high: float) -> None:
        """Show only a range of the column."""
        self._state.set_filter(self.filter_key, (low, high))

    def clear_filters(self) -> None:
        """Show all images again."""
        for key in list(self._state.filters):
            self._state.set_filter(key, None)
        self._inspector.histogram.set_range(None)

    def show_filter(self) -> None:
        """Draw what passes the filters, and say how many do."""
        self.say_shown()
        self._inspector.histogram.set_range(self._state.filters.get(self.filter_key))
        self._plane.show_points()
        if not self._state.selection.count:
            self._selection.on_selection_changed(True)

    def show_selection(self, live: bool) -> None:
        """Draw the selection, count it, and show what it looks like."""
        self._plane.show_points()
        self._selection.on_selection_changed(live)
        if not live:
            self._plane.show_selection_shape()
        self.say_shown()

    def say_shown(self) -> None:
        """Say how many images pass the filters."""
        state = self._state
        shown = state.images if state.visible is None else int(np.count_nonzero(state.visible))
        self._inspector.show_filter(shown, state.images, bool(state.filters))

    def show_atlas_switch(self) -> None:
        """Show whether the background is on, or why it cannot be."""
        reason = self._plane.why_no_tiles()
        self._tools.show_atlas(self._state.options.atlas and not reason, reason)

    def show_clusters(self) -> None:
        """Say which clustering there is."""
        clusters = self._state.clusters
        if clusters is None:
            self._inspector.show_clusters("none yet")
            return
        method = {key: words for words, key in METHODS}.get(clusters.method, clusters.method)
        self._inspector.show_clusters(f"{len(clusters.names)} by {method}")
