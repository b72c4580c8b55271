"""The folder of what is kept to save time and can be made again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Return the folder that `TVAE_CACHE` names, else the user's own; it need not exist."""
    return Path(os.environ.get("TVAE_CACHE") or platformdirs.user_cache_dir("target-vae"))
