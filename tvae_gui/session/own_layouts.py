"""Arrangements of the panels that a person kept under a name."""

from __future__ import annotations

import json

from tvae_core.files import parsed_json
from tvae_gui.session.desk import Desk

_NAME = "layouts"


class OwnLayouts:
    """Arrangements by name, as `ExplorerPage.kept` returns them, kept with the desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def names(self) -> list[str]:
        """The names, in the order in which they were kept."""
        return list(self._read())

    def get(self, name: str) -> str:
        """Return an arrangement; empty where there is none of that name."""
        return self._read().get(name, "")

    def keep(self, name: str, kept: str) -> None:
        """Keep an arrangement; one of that name is replaced."""
        self._write({**self._read(), name: kept})

    def forget(self, name: str) -> None:
        """Forget an arrangement."""
        self._write({k: v for k, v in self._read().items() if k != name})

    def _read(self) -> dict[str, str]:
        try:
            known = parsed_json(self._desk.get(_NAME) or "{}")
        except ValueError:
            return {}
        if not isinstance(known, dict):
            return {}
        return {str(k): v for k, v in known.items() if isinstance(v, str)}

    def _write(self, layouts: dict[str, str]) -> None:
        self._desk.keep(_NAME, json.dumps(layouts))
