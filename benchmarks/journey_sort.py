"""10,000 particles, reject the junk, export the rest: the journey, counted in clicks and keys.

    python benchmarks/journey_sort.py

Every key and click goes to the shown window (off screen), which answers before the next. Seven of
eight classes are kept; the numbers stand in docs/results/journey-sort.md.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication, QWidget

from tests.factories import particle_store
from tests.gui.hands import CTRL, click, press
from tests.gui.material import HingeDecoder
from tvae_core.particles import read_table
from tvae_gui.app import make_application
from tvae_gui.main_window import MainWindow
from tvae_gui.session.recent import Recent

PARTICLES = 10_000
JUNK = (2,)  # the places of the cards that are rejected


class Counted:
    """Hands that count."""

    def __init__(self, app: QApplication, window: MainWindow) -> None:
        self._app, self._window = app, window
        self.rows: list[tuple[str, int, int]] = []

    def step(self, words: str, clicks: int = 0, keys: int = 0) -> None:
        """Note a step, once the window has answered it."""
        while self._window.is_busy:
            self._app.processEvents()
            time.sleep(0.002)
        self.rows.append((words, clicks, keys))

    def key(self, widget: QWidget, key: Qt.Key, words: str, ctrl: bool = False) -> None:
        """Press a key and count it."""
        press(widget, key, CTRL if ctrl else Qt.KeyboardModifier.NoModifier)
        self.step(words, keys=1)

    def click(self, widget: QWidget, words: str) -> None:
        """Click a widget and count it."""
        click(widget)
        self.step(words, clicks=1)


def star_of(path: Path, particles: int) -> Path:
    """Write a RELION table; its stack is not needed."""
    head = "data_optics\nloop_\n_rlnOpticsGroup\n_rlnImagePixelSize\n1 1.5\n\n"
    head += "data_particles\nloop_\n_rlnImageName\n_rlnOpticsGroup\n_rlnAnglePsi\n"
    rows = (f"{i + 1:06d}@a.mrcs 1 {(i % 3600) / 10 - 180:.2f}" for i in range(particles))
    path.write_text(head + "\n".join(rows) + "\n")
    return path


def main() -> None:
    """Take the journey and print its steps."""
    app = make_application("dark")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "run").mkdir()
        table = star_of(folder / "particles.star", PARTICLES)
        store = particle_store(folder / "run" / "embeddings.h5", table)
        window = MainWindow(
            lambda opened: HingeDecoder(opened.header.side, opened.z_dim),
            Recent(folder / "config"), folder / "runs",
        )  # fmt: skip
        window.resize(1280, 800)
        window.show()
        window.open(store)
        hands = Counted(app, window)
        hands.step("open the run (a double-click on it in the list)", clicks=1)
        journey(hands, window, folder / "run" / "kept.star")
        window.close()
    clicks, keys = (sum(row[place] for row in hands.rows) for place in (1, 2))
    print("| step | clicks | keys |\n|---|---|---|")
    for row in (*hands.rows, ("all", clicks, keys)):
        print("| " + " | ".join(map(str, row)) + " |")


def journey(hands: Counted, window: MainWindow, target: Path) -> None:
    """Find classes, reject the junk, export both halves, and check what was written."""
    window.halves.ask = lambda proposed, _: proposed  # Enter in the dialog accepts the name
    hands.key(window.plane, Qt.Key.Key_K, "K: the card of clusters")
    window.cluster_drawer.choose("k-means", 8)
    hands.step("choose k-means and 8 classes", clicks=2, keys=1)
    hands.click(window.cluster_drawer._run, "Find")
    assert window.state.clusters is not None, window.cluster_drawer.note
    hands.key(window.plane, Qt.Key.Key_G, "Ctrl+G: the gallery", ctrl=True)
    hands.key(window.gallery_page.grid, Qt.Key.Key_C, "C: classes as cards")
    cards = window.gallery_page.classes
    for place in JUNK:
        for _ in range(place - window.class_state.current):
            hands.key(cards, Qt.Key.Key_Right, "→: the next class")
        hands.key(cards, Qt.Key.Key_X, "X: reject the class")
    rejected = window.state.named_set("rejected")
    assert rejected is not None
    hands.click(window.gallery_page.halves, "Export kept and rejected…")
    hands.step("Enter: the name proposed", keys=1)
    kept, left = (len(read_table(target.with_name(n))) for n in ("kept.star", "kept-rejected.star"))
    assert (kept, left) == (PARTICLES - rejected.count, rejected.count)


if __name__ == "__main__":
    main()
