"""Draw every page of the window as it lies on a screen, in every size and theme.

    python benchmarks/every_page.py /tmp/shots [--looks 1280x720-dark ...] [--pages gallery ...]

What is shown is made first and kept in FOLDER/made: 3,000 simulated particles with a hinge, a run
trained on them with the recommended settings, and two micrographs of such particles. Each look is
a window of its own on a virtual screen (`xvfb-run`, the xcb platform, no window manager); pictures
are taken of the screen, so that menus and cards over the window are on them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

Array = Any
ROOT = Path(__file__).resolve().parent.parent
WAIT_S = 120.0


class Look(NamedTuple):
    """A screen: points across and down, theme, pixels a point, and whether all pages are drawn."""

    width: int
    height: int
    theme: str
    scale: int = 1
    whole: bool = True

    @property
    def name(self) -> str:
        """Its name as the pictures have it."""
        return f"{self.width}x{self.height}-{self.theme}" + ("-2x" if self.scale > 1 else "")


LOOKS = (
    Look(1280, 720, "dark"),
    Look(1280, 720, "light"),
    Look(2560, 1440, "dark"),
    Look(2560, 1440, "light"),
    Look(1280, 720, "dark", 2, whole=False),
    Look(1920, 1080, "light", 2, whole=False),
    Look(3840, 2160, "dark", whole=False),
)
MAIN = ("start", "plane", "lasso", "gallery", "classes", "why", "field", "new-run", "monitor")


def main() -> int:
    """Draw all pages in all looks, each look in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--looks", nargs="*", help=" ".join(look.name for look in LOOKS))
    parser.add_argument("--pages", nargs="*", help=" ".join(PAGES))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        look = next(look for look in LOOKS if look.name == options.child)
        return draw(look, options.out, options.pages or [])
    make(options.out / "made")
    done = [
        start(look, options.out, options.pages or ([] if look.whole else list(MAIN)))
        for look in LOOKS
        if not options.looks or look.name in options.looks
    ]
    return max(done)


def start(look: Look, out: Path, pages: list[str]) -> int:
    """Draw the pages of one look in a window on a virtual screen of its size."""
    words = [sys.executable, __file__, str(out), "--child", look.name]
    words += ["--pages", *pages] if pages else []
    surroundings = os.environ | {"QT_SCALE_FACTOR": str(look.scale), "PYTHONPATH": str(ROOT)}
    surroundings["QT_QPA_PLATFORM"] = "offscreen"
    if shutil.which("xvfb-run"):
        surroundings["QT_QPA_PLATFORM"] = "xcb"
        screen = f"-screen 0 {look.width * look.scale}x{look.height * look.scale}x24"
        words = ["xvfb-run", "-a", "-s", screen, *words]
    return subprocess.run(words, env=surroundings, check=False).returncode


# --- what is shown ----------------------------------------------------------------------------
def make(folder: Path) -> None:
    """Simulate particles, train on them, and simulate micrographs, where they are not there."""
    particles, run = folder / "particles", folder / "runs" / "hinged particles"
    if not particles.exists():
        tvae("synth", "hinge", particles, "--count", "3000", "--side", "48", "--snr", "0.5",
             "--ctf", "false")  # fmt: skip
    if not (run / "embeddings.h5").exists():
        tvae("train", run, "--data", particles)
    if not (folder / "micrographs").exists():
        tvae("synth", "field", folder / "micrographs", "--of", "hinge", "--count", "2", "--side",
             "600", "--objects", "60", "--object-side", "48", "--snr", "0.5")  # fmt: skip


def tvae(*words: object) -> None:
    """Run a command of `tvae`."""
    line = [sys.executable, "-m", "tvae_core.cli.main", *map(str, words)]
    subprocess.run(line, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


# --- one look -----------------------------------------------------------------------------------
class Studio:
    """A window on a screen, and hands that press its keys and drag with its mouse."""

    def __init__(self, look: Look, out: Path, pages: list[str], home: Path) -> None:
        from tvae_gui.app import make_application
        from tvae_gui.main_window import MainWindow
        from tvae_gui.session.recent import Recent

        self.look, self.out, self.pages = look, out, pages
        self.made = out / "made"
        self.app = make_application(look.theme)
        self.run = self.copied_run(home)
        recent = Recent(home / "settings")
        recent.add(self.run / "embeddings.h5")
        self.window = MainWindow(recent=recent, runs_folder=self.run.parent)
        self.window.apply_theme(look.theme)
        self.window.move(0, 0)
        self.window.resize(look.width, look.height)

    def copied_run(self, home: Path) -> Path:
        """Return a copy of the run: what is done here is not left in it."""
        run = next((self.made / "runs").iterdir())
        copied = home / "runs" / run.name
        shutil.copytree(run, copied, ignore=shutil.ignore_patterns("*.analysis.h5", "*.lock"))
        return copied

    def settle(self, least_s: float = 0.3, done: Callable[[], bool] = lambda: True) -> None:
        """Let the window live until all is read and decoded, and `done`."""
        begin = time.monotonic()
        while time.monotonic() < begin + least_s or (
            (self.window.is_busy or not done()) and time.monotonic() < begin + WAIT_S
        ):
            self.app.processEvents()
            time.sleep(0.005)

    def shoot(self, name: str) -> None:
        """Take a picture of the screen."""
        self.settle()
        screen = self.window.screen()
        assert screen is not None
        picture = screen.grabWindow(0)  # type: ignore[arg-type]
        if self.app.platformName() == "offscreen" or picture.isNull():
            picture = self.window.grab()
        target = self.out / f"{name}-{self.look.name}.png"
        picture.save(str(target))
        print(target, flush=True)

    def press(self, key: str, widget: Any = None) -> None:
        """Press a key, such as "Ctrl+G", in a widget; in the plane without one."""
        from PyQt6.QtGui import QKeySequence
        from PyQt6.QtTest import QTest

        handle = self.window.windowHandle()
        if not self.window.isActiveWindow() and handle is not None:
            handle.requestActivate()  # there is no window manager to do it
            QTest.qWaitForWindowActive(self.window)
        pressed = QKeySequence(key)[0]
        QTest.keyClick(widget or self.window.plane, pressed.key(), pressed.keyboardModifiers())
        self.settle()

    def ring(self, share: float = 0.16, at: tuple[float, float] = (0.5, 0.5)) -> Array:
        """Return an ellipse on the plane: its size and its place in shares of what is shown."""
        from tests.gui.hands import ring

        x0, x1, y0, y1 = self.window.state.extent
        middle = x0 + at[0] * (x1 - x0), y0 + at[1] * (y1 - y0)
        return ring(*middle, share * (x1 - x0), share * (y1 - y0), 60)


def draw(look: Look, out: Path, pages: list[str]) -> int:
    """Draw the pages of one look."""
    with tempfile.TemporaryDirectory() as home:
        studio = Studio(look, out, pages, Path(home))
        studio.window.show()
        for name, page in PAGES.items():
            if name in ("plane", "lasso") or not pages or name in pages:
                page(studio, name)
        studio.window.close()
        studio.app.processEvents()
    return 0


def start_page(studio: Studio, name: str) -> None:
    """Show the page without a run, with runs of before."""
    studio.settle(1.0)
    studio.shoot(name)


def plane(studio: Studio, name: str) -> None:
    """Show an untouched run, and then the probe dragged."""
    from tests.gui.hands import drag

    window = studio.window
    window.open(studio.run)
    studio.settle(1.0, lambda: window.decoder.is_ready)
    studio.shoot(name)
    drag(window, studio.ring(0.2)[:20])
    studio.shoot("probe")


def lasso(studio: Studio, name: str) -> None:
    """Draw a lasso with its average, kept as a set."""
    from tests.gui.hands import drag

    studio.press("L")
    drag(studio.window, studio.ring(0.14, (0.35, 0.55)))
    studio.settle()
    studio.shoot(name)
    studio.window.state.add_set("open legs")
    studio.press("Ctrl+D")
    studio.press("V")


def close_up(studio: Studio, name: str) -> None:
    """Go so near that points are images."""
    x0, x1, y0, y1 = studio.window.state.extent
    x, y, reach = (x0 + x1) / 2, (y0 + y1) / 2, 0.045
    box = (x - reach * (x1 - x0), x + reach * (x1 - x0), y - reach * (y1 - y0),
           y + reach * (y1 - y0))  # fmt: skip
    studio.window.plane.look_at(*box)
    studio.shoot(name)
    studio.press("F")


def clusters(studio: Studio, name: str) -> None:
    """Show the clusters found, with decoded centres."""
    window = studio.window
    studio.press("K")
    window.cluster_drawer.find_button.click()
    studio.settle(0.5, lambda: window.state.clusters is not None)
    studio.shoot(name)
    window.cluster_drawer.close_drawer()


def gallery(studio: Studio, name: str) -> None:
    """Mark images from the keyboard."""
    window = studio.window
    studio.press("Ctrl+G")
    for key in "KKXKXKKU":
        studio.press(key, window.gallery_page.grid)
    studio.shoot(name)
    studio.press("Ctrl+G", window.gallery_page.grid)


def classes(studio: Studio, name: str) -> None:
    """Show classes as cards; those of clusters where some were found."""
    window = studio.window
    if window.state.clusters is None:
        clusters(studio, "clusters")
    studio.press("Ctrl+G")
    studio.press("C", window.gallery_page.grid)
    studio.settle(1.0)
    studio.press("X", window.gallery_page.classes)
    studio.press("Right", window.gallery_page.classes)
    studio.press("K", window.gallery_page.classes)
    studio.shoot(name)
    studio.press("C", window.gallery_page.classes)
    studio.press("Ctrl+G", window.gallery_page.grid)


def card(key: str, ready: Callable[[Studio], None] | None = None) -> Callable[..., None]:
    """Return what draws a card that a command opens."""

    def page(studio: Studio, name: str) -> None:
        if ready is not None:
            ready(studio)
        studio.window.commands.run(key)
        studio.settle(0.8)
        studio.shoot(name)
        studio.window.cards[key].close_drawer()

    return page


def averaged(studio: Studio, name: str) -> None:
    """Show averages of the clusters at the original size."""
    window = studio.window
    window.commands.run("averages")
    studio.settle()
    window.average_drawer.button.click()
    studio.settle(2.0)
    studio.shoot(name)
    window.average_drawer.close_drawer()


def walk(studio: Studio, name: str) -> None:
    """Lay a path across the plane and show its film strip."""
    window = studio.window
    for place in studio.ring(0.25)[::12]:
        window.path_state.add_anchor(*place)
    studio.press("W")
    studio.settle(1.0)
    studio.shoot(name)
    studio.press("W")
    window.path_state.clear()


def difference(studio: Studio, name: str) -> None:
    """Hold D while dragging: what changes against the image kept before."""
    from PyQt6.QtCore import Qt
    from PyQt6.QtTest import QTest

    from tests.gui.hands import drag

    studio.press("B")
    QTest.keyPress(studio.window.plane, Qt.Key.Key_D)
    drag(studio.window, studio.ring(0.3)[:16])
    studio.shoot(name)
    QTest.keyRelease(studio.window.plane, Qt.Key.Key_D)


def filters(studio: Studio, name: str) -> None:
    """Show a filter as a chip over the plane, its range open."""
    window = studio.window
    low, high = np.percentile(window.state.values("error"), [5, 70])
    window.state.set_filter("error", (float(low), float(high)))
    window.filters.open("error")
    studio.shoot(name)
    window.filter_popup.hide()
    window.state.set_filter("error", None)


def menu(studio: Studio, name: str) -> None:
    """Show the menu of a right click on the plane."""
    from PyQt6.QtCore import QPoint, QTimer
    from PyQt6.QtWidgets import QApplication

    def look() -> None:
        studio.shoot(name)
        shown = QApplication.activePopupWidget()
        if shown is not None:
            shown.close()

    QTimer.singleShot(400, look)
    studio.window.plane.menu_wanted.emit(studio.window.plane.mapToGlobal(QPoint(300, 160)))
    studio.settle(0.8)


def field(studio: Studio, name: str) -> None:
    """Show a micrograph, its picks coloured, and one chosen from near."""
    window = studio.window
    window.fields.open()
    window.fields.search(studio.made / "micrographs" / "fields.mrcs")
    studio.settle(0.5, lambda: bool(window.fields.state.fields))
    studio.shoot(name)
    box = window.field_drawer.colours
    box.setCurrentIndex(box.findText("z1"))
    box.activated.emit(box.currentIndex())
    studio.press("N", window.field_picture)
    column, row, _ = window.fields.state.circles()[window.fields.state.chosen or 0]
    window.field_picture.zoom_by(4, window.field_picture.spot(column, row))
    studio.shoot("field-near")
    window.show_plane_alone()
    window.field_drawer.close_drawer()


def overlay(open_name: str, widget: str) -> Callable[..., None]:
    """Return what draws a page over the window that a command opens."""

    def page(studio: Studio, name: str) -> None:
        studio.window.commands.run(open_name)
        shown = getattr(studio.window, widget)
        studio.settle(0.5)
        studio.shoot(name)
        shown.hide()

    return page


def message(studio: Studio, name: str) -> None:
    """Open a file that cannot be opened."""
    broken = studio.run.parent / "notes.txt"
    broken.write_text("no image")
    studio.window.open(broken)
    studio.shoot(name)
    studio.window.message_bar.hide()


def new_run(studio: Studio, name: str) -> None:
    """Show the dialog of a new run, its images looked at."""
    studio.window.training.open_dialog(studio.made / "particles")
    dialog = next(iter(studio.window.training._dialogs))
    _alone(studio, dialog)
    studio.settle(1.0, lambda: not (dialog.state.is_looking or dialog.state.is_advising))
    studio.shoot(name)
    dialog.close()


def monitor(studio: Studio, name: str) -> None:
    """Show how a run went."""
    studio.window.training.open_monitor(studio.run)
    _alone(studio, studio.window.training._monitors[studio.run.resolve()])
    studio.settle(1.0)
    studio.shoot(name)
    studio.window.training._monitors[studio.run.resolve()].close()


def runs(studio: Studio, name: str) -> None:
    """Show the list of runs, one of them ticked."""
    studio.window.training.open_runs((studio.run,))
    shown = studio.window.training._list
    assert shown is not None
    _alone(studio, shown)
    shown.table.cellClicked.emit(0, 0)
    studio.shoot(name)
    shown.close()


def _alone(studio: Studio, widget: Any) -> None:
    """Put a window of its own where a window manager would: in the middle."""
    widget.move(
        max(0, (studio.look.width - widget.width()) // 2),
        max(0, (studio.look.height - widget.height()) // 2),
    )


PAGES: dict[str, Callable[[Studio, str], None]] = {
    "start": start_page,
    "plane": plane,
    "lasso": lasso,
    "close-up": close_up,
    "clusters": clusters,
    "gallery": gallery,
    "classes": classes,
    "why": card("why"),
    "compare": card("compare"),
    "export": card("export"),
    "averages": averaged,
    "poses": card("poses"),
    "walk": walk,
    "difference": difference,
    "filters": filters,
    "menu": menu,
    "field": field,
    "palette": overlay("palette", "palette_view"),
    "keys": overlay("keys", "keys_page"),
    "docs": overlay("docs", "docs_page"),
    "message": message,
    "new-run": new_run,
    "monitor": monitor,
    "runs": runs,
}

if __name__ == "__main__":
    sys.exit(main())
