"""What all tests share: the real files, which lie outside the repository."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the engine measures of this machine while it is tested stays out of the user's cache."""
    os.environ["TVAE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Give the path of a real file; the test is skipped where the files are absent."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    root = Path(os.environ.get("TVAE_SHARED_DATA", beside))

    def path_of(name: str) -> Path:
        if not (root / name).exists():
            pytest.skip(f"{name} is not in the shared data (set TVAE_SHARED_DATA)")
        return root / name

    return path_of
