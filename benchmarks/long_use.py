"""Gate 15 whole: 20,000 random events in the window, then 200 openings; what memory grows by.

    python benchmarks/long_use.py [--events 20000] [--openings 200]

The growth is counted from a third of the events, and from the twentieth opening, when all caches
are full.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PyQt6.QtWidgets import QApplication

from tests.gui.material import HingeDecoder, make_hinge_store
from tests.gui.random_events import memory_grown_mb, memory_mb
from tvae_gui.app import make_application
from tvae_gui.main_window import MainWindow
from tvae_gui.session.recent import Recent


def main() -> None:
    """Do both, and say what memory grew by and what was raised or said."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--openings", type=int, default=200)
    options = parser.parse_args()
    app = make_application("dark")
    wrong: list[str] = []
    sys.excepthook = lambda _, error, __: wrong.append(repr(error))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n in "ab":
            (folder / n).mkdir()
        stores = [
            make_hinge_store(folder / f"{n}" / "embeddings.h5", images=600, side=24) for n in "ab"
        ]
        window = MainWindow(
            lambda store: HingeDecoder(store.header.side, store.z_dim),
            Recent(folder / "config"),
            folder / "runs",
        )
        window.messages.said.connect(
            lambda level, text, _: wrong.append(text) if level == "error" else None
        )
        window.resize(1280, 800)
        window.show()
        assert window.open(stores[0])
        rng = np.random.default_rng(15)
        grown = memory_grown_mb(window, rng, options.events, lambda: settle(app, window))
        print(f"{options.events:,} events: {grown:.1f} MB more")
        print(f"{options.openings} openings: {openings(app, window, stores, options.openings):.1f}")
        window.close()
    print(f"raised or said: {wrong[:5] or 'nothing'}")


def openings(app: QApplication, window: MainWindow, stores: list[Path], count: int) -> float:
    """Return by how many MB the memory grew from the twentieth opening on."""
    before = 0.0
    for number in range(count):
        assert window.open(stores[number % 2])
        settle(app, window)
        if number == 20:
            gc.collect()
            before = memory_mb()
    gc.collect()
    return memory_mb() - before


def settle(app: QApplication, window: MainWindow) -> None:
    """Wait until nothing is being read, decoded or computed."""
    while window.is_busy or not window.decoder.is_ready:
        app.processEvents()
        time.sleep(0.002)


if __name__ == "__main__":
    main()
