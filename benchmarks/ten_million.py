"""What does the explorer do with a store of ten million images: open, pan, zoom, drag, lasso?

    python benchmarks/ten_million.py [--images 10000000] [--scratch FOLDER]

The store is random, made by a process of its own; the window is that of benchmarks/gui.py, off
screen. Each figure comes with the memory of the process then.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from gui import _frames, _lassos, _none, _pan, _previews, _settle, _window, _zoom

from tvae_gui.app import make_application

_MAKES = """
import sys
from pathlib import Path
from tests.factories import make_store
make_store(Path(sys.argv[1]), images=int(sys.argv[2]), side=8)
"""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000_000)
    parser.add_argument("--scratch", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        store = Path(name) / "store.h5"
        subprocess.run([sys.executable, "-c", _MAKES, str(store), str(options.images)], check=True)
        print(f"{options.images:,} images, a store of {store.stat().st_size / 1e9:.1f} GB")
        print("| what | median | p95 | CPU s of all | memory then |\n|---|---|---|---|---|")
        measure(store)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


def measure(store: Path) -> None:
    """Open a store in the window and use it, a line for each kind of use."""
    app = make_application("dark")
    with _window(app, _none) as window:
        _say("window without a store", lambda: [0.0])

        def opened() -> list[float]:
            began = time.perf_counter()
            window.open(store)
            window.plane.grab()
            return [time.perf_counter() - began]

        _say("open, to the first picture", opened)
        _say("until nothing is busy any more", lambda: _seconds(lambda: _settle(app, window)))
        _say("pan, a frame", lambda: _frames(window, _pan))
        _say("zoom, a frame", lambda: _frames(window, _zoom))
        window.plane.fit()
        window.plane.grab()
        _say("drag of the probe, to its preview", lambda: _previews(app, window))
        _say("lasso of 200 corners", lambda: _lassos(window))
        _say("gallery and average after a lasso", lambda: _seconds(lambda: _settle(app, window)))


def _seconds(act: Callable[[], object]) -> list[float]:
    began = time.perf_counter()
    act()
    return [time.perf_counter() - began]


def _say(what: str, use: Callable[[], list[float]]) -> None:
    cpu = time.process_time()
    times = use()
    cpu = time.process_time() - cpu
    middle, high = (1000 * float(value) for value in np.percentile(times, [50, 95]))
    memory = psutil.Process().memory_info().rss / 1e9
    print(
        f"| {what} | {middle:,.1f} ms | {high:,.1f} ms | {cpu:.2f} | {memory:.1f} GB |", flush=True
    )


if __name__ == "__main__":
    main()
