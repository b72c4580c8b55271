"""From the filters of the state to their chips, and from the hand back."""

from __future__ import annotations

from PyQt6.QtCore import QPoint

from tvae_gui.context import Context
from tvae_gui.inspector.filter_chips import FilterChips, FilterPopup
from tvae_gui.state.filter_words import chips_of, class_sizes, shown_words


class FilterPresenter:
    """Shows what is filtered over the plane."""

    def __init__(self, context: Context, chips: FilterChips, popup: FilterPopup) -> None:
        self._state, self._chips, self._popup = context.state, chips, popup

    def on_store(self) -> None:
        """Show the chips of another store, none where none is open."""
        self._chips.setVisible(self._state.store is not None)
        self.show_columns()
        self.show()

    def show(self) -> None:
        """Show the filters and how many images pass."""
        if self._state.store is not None:
            self._chips.show_chips(chips_of(self._state), shown_words(self._state))

    def show_columns(self) -> None:
        """List what can be filtered by."""
        if self._state.store is not None:
            self._chips.show_columns([c for c in self._state.columns if c.kind != "density"])

    def open(self, key: str) -> None:
        """Open the range or the classes of a column, beside its chip."""
        state = self._state
        column = next((c for c in state.columns if c.key == key), None)
        if column is None:
            return
        at = self._chips.mapToGlobal(QPoint(0, 0))
        kept = state.filters.get(key)
        if column.kind == "class":
            classes = kept if isinstance(kept, frozenset) else None
            self._popup.open_classes(column, class_sizes(state, column), classes, at)
        else:
            self._popup.open_range(column, state.values(key), state.range_of(key), at)
