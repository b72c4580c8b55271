"""The runs opened last, in a small file that may be lost or broken without harm."""

from __future__ import annotations

import json
from pathlib import Path

from platformdirs import user_config_dir

from tvae_core.files import parsed_json, write_text

MOST = 12


class Recent:
    """Paths of the runs opened last, the latest first."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(user_config_dir("target-vae"))
        self._file = self.folder / "recent.json"

    def paths(self) -> list[str]:
        """Return those that are still there."""
        try:
            known = parsed_json(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        if not isinstance(known, list):
            return []
        return [p for p in known if isinstance(p, str) and Path(p).exists()][:MOST]

    def add(self, path: Path) -> None:
        """Put a path first."""
        text = str(path.resolve())
        paths = [text, *(p for p in self.paths() if p != text)][:MOST]
        try:
            write_text(self._file, json.dumps(paths))
        except OSError:
            return  # a read-only home must not prevent exploring

    def clear(self) -> None:
        """Forget all."""
        self._file.unlink(missing_ok=True)
