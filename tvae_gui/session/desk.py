"""How the user arranged the window, in a small file that may be lost or broken without harm."""

from __future__ import annotations

import json
from pathlib import Path

from tvae_core.files import parsed_json, write_text


class Desk:
    """Words by name, such as the arrangement of the panels and the theme.

    Parameters
    ----------
    folder : Path
        Where settings are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "desk.json"
        self._kept = self._read()

    def _read(self) -> dict[str, str]:
        try:
            known = parsed_json(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(known, dict):
            return {}
        return {k: v for k, v in known.items() if isinstance(v, str)}

    def clear(self) -> None:
        """Forget all."""
        self._kept = {}
        self._file.unlink(missing_ok=True)

    def get(self, name: str) -> str:
        """Return what is kept under a name, empty when nothing is."""
        return self._kept.get(name, "")

    def keep(self, name: str, words: str) -> None:
        """Keep words under a name."""
        if self._kept.get(name) == words:
            return
        self._kept[name] = words
        try:
            write_text(self._file, json.dumps(self._kept))
        except OSError:
            return  # a read-only home must not prevent exploring
