"""Draw the pictures of the window that the README shows, off screen.

    python benchmarks/screenshots.py [resources/example.h5] [--out docs/screenshots]

Works on any store; the decoder is the engine's own. Nothing is written beside the store: a copy
is opened. What each picture shows is found in the store: its crowds, a path, a few points.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ.setdefault("OMP_NUM_THREADS", "2")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PyQt6.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt6.QtGui import QMouseEvent
from PyQt6.QtWidgets import QApplication, QWidget

from tvae_core.analysis.clustering import cluster
from tvae_gui.app import make_application
from tvae_gui.main_window import MainWindow
from tvae_gui.plane.plane_view import LASSO
from tvae_gui.session.recent import Recent
from tvae_gui.training.train_dialog import TrainDialog

Array = Any
ROOT = Path(__file__).resolve().parent.parent
CROWDS = 3
SIZE = (1280, 800)
PLACE = Path(tempfile.gettempdir()) / "tvae-screenshots"  # its name is on the last picture


class Stage:
    """A window with a store, and where in it there is something to see."""

    def __init__(self, app: QApplication, window: MainWindow) -> None:
        self.app, self.window = app, window
        shown = window.state.shown
        assert shown is not None
        self.xy = np.asarray(shown.xy, dtype=np.float64)
        self.labels = cluster("k-means", self.xy, CROWDS).labels
        self.centres = [np.median(self.xy[self.labels == n], axis=0) for n in range(CROWDS)]

    def settle(self, least_s: float = 0.4) -> None:
        """Wait until all is read and decoded, and a little longer."""
        wait_for(self.app, lambda: not self.window.is_busy, least_s)

    def send(self, kind: QEvent.Type, place: Array) -> None:
        """Send one mouse event at a place of the plane."""
        plane = self.window.plane
        viewport = plane.viewport()
        assert viewport is not None
        at = QPoint(plane.mapFromScene(plane.box.mapViewToScene(QPointF(*place))))
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        held = none if kind == QEvent.Type.MouseButtonRelease or plane._press is None else left
        pressed = none if kind == QEvent.Type.MouseMove else left
        if kind == QEvent.Type.MouseButtonPress:
            held = left
        everywhere = QPointF(viewport.mapToGlobal(at))
        keys = Qt.KeyboardModifier.NoModifier
        event = QMouseEvent(kind, QPointF(at), everywhere, pressed, held, keys)
        QApplication.sendEvent(viewport, event)

    def drag(self, places: Array, release: bool = True) -> None:
        """Press at the first place, move through the others, let go."""
        self.send(QEvent.Type.MouseButtonPress, places[0])
        for place in places[1:]:
            self.send(QEvent.Type.MouseMove, place)
            self.app.processEvents()
        if release:
            self.send(QEvent.Type.MouseButtonRelease, places[-1])


def main() -> int:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("store", nargs="?", type=Path, default=ROOT / "resources" / "example.h5")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    app = make_application("light")
    shutil.rmtree(PLACE, ignore_errors=True)
    pictures = (probe, lasso, path, clusters, close_up, new_run)
    try:
        for number, (draw, theme) in enumerate(zip(pictures, THEMES, strict=True), start=1):
            with opened(app, options.store, theme) as stage:
                target = options.out / f"{number}-{draw.__name__.replace('_', '-')}.png"
                draw(stage).grab().save(str(target))
                print(target)
    finally:
        shutil.rmtree(PLACE, ignore_errors=True)
    return 0


THEMES = ("light", "dark", "light", "dark", "light", "light")


@contextmanager
def opened(app: QApplication, store: Path, theme: str) -> Iterator[Stage]:
    """Give a window with a copy of the store open."""
    copy = PLACE / "example" / "embeddings.h5" if store.stem == "embeddings" else PLACE / store.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(store, copy)
    copy.with_suffix(".analysis.h5").unlink(missing_ok=True)
    window = MainWindow(recent=Recent(PLACE / "settings"), runs_folder=PLACE / "runs")
    window.resize(*SIZE)
    window.apply_theme(theme)
    window.show()
    try:
        if not window.open(copy):
            raise SystemExit(window.message_bar.text)
        wait_for(app, lambda: window.decoder.is_ready or window.message_bar.isVisible(), 0.2)
        stage = Stage(app, window)
        stage.settle()
        window.message_bar.hide()
        yield stage
    finally:
        window.close()
        window.deleteLater()
        app.processEvents()


def wait_for(app: QApplication, done: Callable[[], bool], least_s: float) -> None:
    """Let the window live until `done`, at least so long and a minute at most."""
    begin = time.monotonic()
    while time.monotonic() < begin + least_s or (not done() and time.monotonic() < begin + 60):
        app.processEvents()
        time.sleep(0.01)


def probe(stage: Stage) -> QWidget:
    """Show the plane with its atlas, and the probe dragged between two crowds."""
    first, second = stage.centres[0], stage.centres[1]
    stage.drag([first + (second - first) * t for t in np.linspace(0, 0.85, 12)])
    stage.settle()
    return stage.window


def lasso(stage: Stage) -> QWidget:
    """Draw a lasso around a crowd, the gallery following it."""
    window = stage.window
    window.use_tool(LASSO)
    inside = stage.xy[stage.labels == 0]
    reach = 1.5 * np.median(np.abs(inside - stage.centres[0]), axis=0) * 1.5
    turn = np.linspace(0, 1.85 * np.pi, 48)
    wobble = 1 + 0.08 * np.sin(3 * turn)
    ring = np.stack([np.cos(turn) * wobble, np.sin(turn) * wobble], 1) * reach + stage.centres[0]
    stage.drag(ring, release=False)
    stage.settle()
    return window


def path(stage: Stage) -> QWidget:
    """Lay a path through the crowds with its playhead on the way."""
    window = stage.window
    for place in sorted(stage.centres, key=lambda centre: float(centre[0])):
        window.path_state.add_anchor(*place)
    window.path_state.go_to(round(0.62 * window.path_state.frames))
    stage.settle()
    return window


def clusters(stage: Stage) -> QWidget:
    """Show the clusters found, each with its decoded centre and its average."""
    window = stage.window
    window.cluster_drawer.open_drawer()
    window.cluster_drawer.choose("gaussian-mixture", CROWDS)
    window.clusters.run("gaussian-mixture", CROWDS, False)
    wait_for(stage.app, lambda: window.state.clusters is not None, 0.2)
    stage.settle()
    return window


def close_up(stage: Stage) -> QWidget:
    """So near that the points are images, and one of them under the cursor."""
    window = stage.window
    centre, span = stage.centres[0], np.ptp(stage.xy, axis=0) / 4
    while (inside := _within(stage.xy, centre, span)).sum() > 40:
        span = span * 0.9
    window.plane.look_at(
        centre[0] - span[0], centre[0] + span[0], centre[1] - span[1], centre[1] + span[1]
    )
    stage.settle()
    near = stage.xy[inside]
    aim = centre - span * [0.35, -0.1]
    target = near[np.argmin((((near - aim) / span) ** 2).sum(axis=1))]
    stage.send(QEvent.Type.MouseMove, target)
    stage.settle(0.8)
    return window


def new_run(stage: Stage) -> QWidget:
    """Show the dialog of a new run, on images that were looked at."""
    window, store = stage.window, stage.window.state.store
    assert store is not None
    low, high = store.thumbnail_range
    raw = store.thumbnails("raw", np.arange(min(len(store), 2_000))).astype(np.float32)
    images = PLACE / f"{store.path.stem}-images.npy"
    np.save(images, raw / 255 * (high - low) + low)
    window.training.open_dialog()
    dialog = next(w for w in window.findChildren(TrainDialog) if w.isVisible())
    dialog.resize(*SIZE)
    dialog.state.choose_images(str(images))
    wait_for(stage.app, lambda: not dialog.state.is_looking, 0.4)
    dialog.start.setFocus()
    stage.settle()
    return dialog


def _within(xy: Array, centre: Array, span: Array) -> Array:
    return (np.abs(xy - centre) < span).all(axis=1)


if __name__ == "__main__":
    sys.exit(main())
