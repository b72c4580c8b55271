"""The one door of the window: whatever is dropped, opened or named leads to where one goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tvae_core import words
from tvae_core.runs.recognise import Kind, Recognised, what_are

if TYPE_CHECKING:
    from tvae_gui.main_window.rooms import Rooms

_JOINED = (".csv", ".tsv", ".star", ".cs")
NO_RUN_FOR_TABLE = "Open the run that this table belongs to, then drop the table again."


class Door:
    """Leads what `tvae_core.runs.recognise` tells apart to the rooms of a window."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def drop(self, paths: Sequence[Path]) -> None:
        """Take what was dropped: a table is joined to the run that is open."""
        rooms = self._rooms
        if len(paths) == 1 and paths[0].suffix.lower() in _JOINED and rooms.state.store is not None:
            rooms.data.join(paths[0])
        elif paths:
            self.take(paths)

    def take(self, paths: Sequence[Path]) -> bool:
        """Go to where one goes on with these paths; False where that is nowhere."""
        found = what_are(paths)
        if found.kind is Kind.UNKNOWN or (found.error is not None and found.kind is Kind.RUN):
            self._rooms.start_page.show_recent(self._rooms.recent.paths())
            if found.error is not None:
                self._rooms.messages.error(found.error)
            return False
        done = self._go(found)
        if found.others and found.kind not in (Kind.RUNS, Kind.RUN):
            left = words.count(len(found.others), "other")
            self._rooms.messages.notice(f"Opened {found.path.name}; one at a time, {left} wait.")
        return done

    def _go(self, found: Recognised) -> bool:
        rooms = self._rooms
        match found.kind:
            case Kind.STORE:
                return rooms.open_store(found.path)
            case Kind.RUN if found.store is not None and not found.others:
                return rooms.open_store(found.path)
            case Kind.RUN if not found.others:
                rooms.training.open_monitor(found.path)
            case Kind.RUN | Kind.RUNS:
                rooms.training.open_runs((found.path, *found.others))
            case Kind.IMAGES:
                rooms.training.open_dialog(found.path)
            case Kind.FIELD:
                return self._field(found)
            case Kind.TABLE:
                return self._table(found)
        return True

    def _field(self, found: Recognised) -> bool:
        if self._rooms.state.store is None:  # no run knows its objects yet: they are found first
            self._rooms.training.open_dialog(found.path)
            return True
        self._rooms.fields.open()
        self._rooms.fields.search(found.path)
        return True

    def _table(self, found: Recognised) -> bool:
        if self._rooms.state.store is None:
            self._rooms.messages.notice(NO_RUN_FOR_TABLE)
            return False
        self._rooms.data.join(found.path)
        return True
