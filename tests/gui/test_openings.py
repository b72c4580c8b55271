"""Gate 15, thinned: a store that is opened again and again leaves nothing behind.

Counted are the things that are alive, not megabytes, which depend on the allocator. The benchmark
`benchmarks/openings.py` opens 200 times and measures memory.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from pathlib import Path

from PyQt6.QtCore import QObject
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tvae_core.store import EmbeddingStore
from tvae_gui.main_window import MainWindow


def alive(window: MainWindow) -> dict[str, int]:
    """Return how many there are of what an opening makes."""
    gc.collect()
    kinds = Counter(type(one).__name__ for one in gc.get_objects())
    handles = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    return {
        "stores": kinds[EmbeddingStore.__name__],
        "arrays": kinds["ndarray"],
        "objects of Qt": len(window.findChildren(QObject)),
        "threads and files": handles,
    }


def test_openings_leave_nothing_behind(
    window: MainWindow, own_store: Path, hinge_store: Path, qtbot: QtBot
) -> None:
    stores = [hinge_store, own_store]

    def open_some(times: int) -> dict[str, int]:
        for number in range(times):
            assert window.open(stores[number % 2])
            settle(qtbot, window)
            window.state.select_indices([number])
        return alive(window)

    first = open_some(4)
    assert open_some(8) == first
