"""Gate 14: how late the window is while a run trains beside it, which it follows.

    python benchmarks/beside_training.py [--seconds 30]

A timer asks to be called every 10 ms. Two figures are told: how late it was by the clock, which is
also what the machine gives to others, and how long the window's thread itself worked since the call
before: what the window alone makes late, whatever else the machine does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PyQt6.QtCore import QEventLoop, Qt, QTimer

from tests.gui.material import HingeDecoder, make_hinge_store
from tvae_core.runs.folder import RunFolder
from tvae_core.synthetic import plan_set
from tvae_gui.app import make_application
from tvae_gui.main_window import MainWindow
from tvae_gui.session.recent import Recent

EVERY_S = 0.01


def main() -> None:
    """Train in a niced process, follow it in the window, and say how late the window was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    app = make_application("dark")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = RunFolder(folder / "run")
        child = start_training(folder, run)
        try:
            store = make_hinge_store(folder / "store.h5", images=20_000, side=16)
            window = MainWindow(
                lambda store: HingeDecoder(store.header.side, store.z_dim),
                Recent(folder / "config"),
                folder,
            )
            window.resize(1280, 800)
            window.show()
            assert window.open(store)
            while not run.checkpoints.exists() or window.is_busy:
                app.processEvents()
                time.sleep(0.01)
            window.training.open_monitor(run.path)
            late, worked = ticks(options.seconds)
            assert child.poll() is None, "the training ended too soon"
        finally:
            child.terminate()
            child.wait()
    for what, found in (("late by the clock", late), ("worked by itself", worked)):
        p50, p95, p99 = 1000 * np.percentile(found, [50, 95, 99])
        print(f"{what}: median {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f} ms of {len(found)} calls")
    print(f"load {os.getloadavg()[0]:.1f}", flush=True)
    os._exit(0)  # closing would ask whether the run is to go on


def start_training(folder: Path, run: RunFolder) -> subprocess.Popen[bytes]:
    """Start a training as the window does: niced, its words in the run's folder."""
    np.save(folder / "digits.npy", plan_set("digits-u").whole().images)
    words = ["train", str(run.path), "--data", str(folder / "digits.npy"), "--json"]
    run.path.mkdir()
    with open(run.progress, "ab") as told:
        return subprocess.Popen(
            ["nice", "-n", "10", sys.executable, "-m", "tvae_core.cli.main", *words], stdout=told
        )


def ticks(seconds: float) -> tuple[list[float], list[float]]:
    """Return by how many seconds each call was late, and how long this thread worked before it."""
    loop, timer = QEventLoop(), QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    late: list[float] = []
    worked: list[float] = []
    last = [time.perf_counter(), time.thread_time()]

    def tick() -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        late.append(max(0.0, now - last[0] - EVERY_S))
        worked.append(cpu - last[1])
        last[:] = now, cpu

    timer.timeout.connect(tick)
    timer.start(int(1000 * EVERY_S))
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()
    timer.stop()
    return late, worked


if __name__ == "__main__":
    main()
