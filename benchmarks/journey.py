"""The journey by hand: from a dropped .star to an exported cluster, in the real window.

    xvfb-run -a -s "-screen 0 1280x800x24" python benchmarks/journey.py --out docs/results

Simulates a set of particles, drops its table on the window, starts the recommended training,
explores, finds clusters and exports the rows of one from the table. Every click, drag and key is
sent as the mouse and the keyboard send them, and counted; each station is drawn. Writes journey.md.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PyQt6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PyQt6.QtGui import QDropEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QAbstractButton, QApplication, QComboBox, QWidget

from tvae_core.particles import read_table
from tvae_core.runs.status import RunStatus
from tvae_core.synthetic.kinds import plan_set
from tvae_core.synthetic.write import write_set
from tvae_core.words import count
from tvae_gui.app import make_application
from tvae_gui.main_window import MainWindow
from tvae_gui.session.recent import Recent

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


class Hand:
    """A hand that clicks, drags and types, and counts what it does."""

    def __init__(self, app: QApplication, out: Path) -> None:
        self.app, self.out = app, out
        self.clicks = self.drags = self.keys = 0
        self.stations: list[str] = []

    def click(self, widget: QWidget, words: str, at: QPoint | None = None) -> None:
        """Click a widget."""
        self.clicks += 1
        self._tell(f"click {words}")
        QTest.mouseClick(widget, LEFT, NONE, widget.rect().center() if at is None else at)
        self.settle()

    def key(self, widget: QWidget, key: Qt.Key, words: str) -> None:
        """Press a key."""
        self.keys += 1
        self._tell(f"press {words}")
        QTest.keyClick(widget, key)
        self.settle()

    def type(self, field: QWidget, text: str, words: str) -> None:
        """Click into a field and type over what it holds."""
        self.clicks += 1
        self.keys += 1 + len(text)
        self._tell(f"type {text} into {words}")
        QTest.mouseClick(field, LEFT, NONE)
        QTest.keySequence(field, "Ctrl+A")
        QTest.keyClicks(field, text)
        self.settle()

    def choose(self, box: QComboBox, text: str, words: str) -> None:
        """Open a list, and click one of its entries."""
        self.clicks += 2
        self._tell(f"choose {words}")
        index = next(i for i in range(box.count()) if text in box.itemText(i))
        box.setCurrentIndex(index)
        box.activated.emit(index)
        self.settle()

    def drop(self, window: QWidget, path: Path) -> None:
        """Drop a file on a window."""
        self.drags += 1
        self._tell(f"drop {path.name} on the window")
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path))])
        middle = QPointF(window.rect().center())
        window.dropEvent(QDropEvent(middle, Qt.DropAction.CopyAction, data, LEFT, NONE))
        self.settle()

    def settle(self, least_s: float = 0.3) -> None:
        """Let the window draw."""
        end = time.monotonic() + least_s
        while time.monotonic() < end:
            self.app.processEvents()
            time.sleep(0.01)

    def wait(self, done: Callable[[], bool], most_s: float) -> None:
        """Wait for the program; this is no action."""
        end = time.monotonic() + most_s
        while not done():
            if time.monotonic() > end:
                raise TimeoutError(self.stations[-1])
            self.settle(0.05)
        self.settle()

    def look(self, widget: QWidget, name: str) -> None:
        """Draw what is seen."""
        self.settle(0.6)
        widget.grab().save(str(self.out / f"journey-{name}.png"))
        self.stations.append(f"![{name}](journey-{name}.png)")

    def _tell(self, words: str) -> None:
        self.stations.append(f"{len([s for s in self.stations if s[0] != '!']) + 1}. {words}")


def main() -> int:
    """Go the whole way and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--count", type=int, default=400, help="particles")
    parser.add_argument("--epochs", type=int, default=0, help="typed by hand; 0: as recommended")
    parser.add_argument("--snr", type=float, default=0.5)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tvae-journey-") as place:
        return journey(Path(place), options)


def journey(place: Path, options: argparse.Namespace) -> int:
    """Drop, train, explore, select, export."""
    plan = plan_set("hinge", count=options.count, side=40, snr=options.snr)
    table = write_set(plan, place / "particles").star
    assert table is not None
    hand = Hand(make_application("light"), options.out)
    window = MainWindow(recent=Recent(place / "config"), runs_folder=place / "runs")
    window.resize(1280, 800)
    window.show()
    hand.settle()
    began = time.monotonic()
    run = train(hand, window, table, options)
    explore(hand, window, run)
    written = export(hand, window, place)
    rows = len(read_table(written))
    cpu = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    write_page(hand, options, rows, cpu, time.monotonic() - began)
    window.close()
    return 0 if rows else 1


def train(hand: Hand, window: MainWindow, table: Path, options: argparse.Namespace) -> Path:
    """Drop the table, start what is recommended, wait for the end; return the run."""
    hand.drop(window, table)
    (dialog,) = window.training._dialogs
    hand.wait(lambda: not dialog.state.why_not, 600)
    hand.look(dialog, "1-new-run")
    if options.epochs:
        hand.type(dialog.form.rows["train.epochs"].editor, str(options.epochs), "Epochs")
    run = dialog.state.run
    hand.click(dialog.start, "Start training")
    hand.wait(lambda: run.resolve() in window.training._monitors, 300)
    monitor = window.training._monitors[run.resolve()]
    hand.wait(lambda: len(monitor.state.epochs) >= 3, 1800)
    hand.look(monitor, "2-training")
    ends = (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.STOPPED)
    hand.wait(lambda: monitor.state.status in ends, 5400)
    hand.look(monitor, "3-trained")
    hand.click(monitor.explore, "Explore")
    return run


def explore(hand: Hand, window: MainWindow, run: Path) -> None:
    """Find clusters and choose the first."""
    hand.wait(lambda: window.state.store is not None and not window.is_busy, 600)
    hand.look(window, "4-explore")
    hand.key(window.plane, Qt.Key.Key_K, "K, for the card of clusters")
    card = window.cluster_drawer
    hand.click(card.find_button, "Find, with the method and the number as they stand")
    hand.wait(lambda: window.state.clusters is not None and not window.is_busy, 1200)
    hand.look(window, "5-clusters")
    table = card.table
    row = table.visualItemRect(table.item(0, 2))
    hand.click(table.viewport(), "the first cluster in the list", row.center())
    hand.wait(lambda: not window.is_busy, 120)
    hand.look(window, "6-selected")


def export(hand: Hand, window: MainWindow, place: Path) -> Path:
    """Export the selected rows of the table; return the file."""
    hand.click(window.gallery.export, "Export in the strip of the selection")
    drawer = window.export_drawer
    hand.choose(drawer.format, "RELION (.star)", "the particles of the table, as RELION .star")
    hand.look(window, "7-export")
    written = Path(drawer.target.text())
    if not written.is_absolute():
        written = place / written
    button: QAbstractButton = drawer.button
    hand.click(button, "Export")
    hand.wait(lambda: not window.jobs.running, 120)
    hand.look(window, "8-exported")
    return written


def write_page(
    hand: Hand, options: argparse.Namespace, rows: int, cpu_s: float, wall_s: float
) -> None:
    """Write journey.md."""
    counts = f"{count(hand.drags, 'drag')}, {count(hand.clicks, 'click')} and "
    counts += count(hand.keys, "key")
    lines = [
        "# From a dropped .star to an exported cluster",
        "",
        f"{options.count:,} simulated hinges with CTF at SNR {options.snr:g}, in the real window,"
        f" by `benchmarks/journey.py`: **{counts}**, and {rows:,} particles in the exported table."
        f" The window took {cpu_s:.0f} CPU seconds; with the training beside it all of it took"
        f" {wall_s / 60:.0f} minutes on a busy machine. Every setting"
        f"{' but the epochs' if options.epochs else ''} is the recommended one.",
        "",
        *(line for station in hand.stations for line in (station, "")),
    ]
    (hand.out / "journey.md").write_text("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
