"""Random events for a window: mouse, keys' commands and settings, chosen by a seed."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PyQt6.QtCore import QEvent, QPoint, Qt
from PyQt6.QtWidgets import QApplication

from tests.gui.hands import send
from tvae_core.planes import PlaneChoice
from tvae_gui.main_window import MainWindow

HELD = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier,
)
COMMANDS = (
    "probe tool", "lasso", "rectangle", "circle", "path tool", "invert", "undo", "redo", "none",
    "fit", "zoom in", "zoom out", "atlas", "pose zero", "around", "grid 1", "grid 2", "play",
    "clear path", "all", *(f"colour {n}" for n in range(1, 10)),
)  # fmt: skip


def memory_mb() -> float:
    """Return the memory in use now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def act(window: MainWindow, rng: np.random.Generator) -> None:
    """Do one thing that a hand could do."""
    choice = rng.random()
    viewport = window.plane.viewport()
    assert viewport is not None
    at = QPoint(int(rng.integers(0, viewport.width())), int(rng.integers(0, viewport.height())))
    if choice < 0.75:
        kinds = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease
        kind = kinds[int(rng.choice(3, p=[0.1, 0.8, 0.1]))]
        send(window, kind, at, HELD[int(rng.integers(0, 3))])
    elif choice < 0.8:
        window.plane.zoom(float(rng.uniform(0.7, 1.4)), window.plane.place_at(at.toPointF()))
    elif choice < 0.95:
        window.commands.run(str(rng.choice(COMMANDS)))
    else:
        _turn_a_knob(window, rng)


def memory_grown_mb(
    window: MainWindow, rng: np.random.Generator, events: int, settle: Callable[[], None]
) -> float:
    """Do so many things, and return by how many MB the memory grew from a third of them on."""
    before = 0.0
    for number in range(events):
        act(window, rng)
        if number % 40 == 0:
            QApplication.processEvents()
        if number == events // 3:
            settle()
            before = memory_mb()
    window.path_state.play(False)
    settle()
    return memory_mb() - before


def _turn_a_knob(window: MainWindow, rng: np.random.Generator) -> None:
    state = window.state
    knobs = (
        lambda: window.probe.on_z_moved(int(rng.integers(0, 2)), float(rng.normal())),
        lambda: state.set_probe_pose(float(rng.uniform(-3, 3)), (1.0, -1.0)),
        lambda: state.choose_plane(PlaneChoice("pca")),
        lambda: state.choose_plane(PlaneChoice("z", 0, 1)),
        lambda: window.inspector_presenter.filter_to(*sorted(rng.uniform(0, 0.1, 2).tolist())),
        window.inspector_presenter.clear_filters,
        lambda: state.go_to_image(int(rng.integers(0, 600))),
        lambda: state.add_set(f"set {rng.integers(0, 4)}"),
        window.plane.cancel,
    )
    knobs[int(rng.integers(0, len(knobs)))]()
