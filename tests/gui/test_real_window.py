"""One smoke test in a real window: the xcb platform on a virtual screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gui.material import make_hinge_store

_CODE = """
import sys
from pathlib import Path
from PyQt6.QtCore import QTimer
from PyQt6.QtGui import QGuiApplication
from tvae_gui.app import make_application
from tvae_gui.main_window import MainWindow
app = make_application("light")
assert QGuiApplication.platformName() == "xcb", QGuiApplication.platformName()
window = MainWindow()
window.resize(1280, 800)
window.show()
opened = []
QTimer.singleShot(100, lambda: opened.append(window.open(Path(sys.argv[1]))))
QTimer.singleShot(1500, lambda: window.screen().grabWindow(window.winId()).save(sys.argv[2]))
QTimer.singleShot(2000, window.close)
app.setQuitOnLastWindowClosed(True)
code = app.exec()
sys.exit(code if opened == [True] else 5)
"""


_HANDS = """
import sys
from pathlib import Path
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from tests.gui.hands import spot
from tests.gui.material import HingeDecoder
from tvae_gui.app import make_application
from tvae_gui.main_window import MainWindow
from tvae_gui.session.recent import Recent
app = make_application("dark")
here = Path(sys.argv[2])
window = MainWindow(lambda s: HingeDecoder(s.header.side, s.z_dim), Recent(here / "c"), here / "r")
window.resize(1280, 720)
window.show()
window.windowHandle().requestActivate()
assert QTest.qWaitForWindowActive(window)
assert window.open(Path(sys.argv[1]))
def until(true):
    for _ in range(400):
        app.processEvents()
        if true() and not window.is_busy:
            return
        QTest.qWait(25)
    raise AssertionError("it did not happen")
until(lambda: window.decoder.is_ready)
plane, state = window.plane, window.state
viewport, left = plane.viewport(), Qt.MouseButton.LeftButton
plane.setFocus()
def drag(a, b, held=Qt.KeyboardModifier.NoModifier):
    QTest.mousePress(viewport, left, held, spot(window, *a))
    for k in range(1, 6):
        at = [a[n] + (b[n] - a[n]) * k / 5 for n in (0, 1)]
        QTest.mouseMove(viewport, spot(window, *at))
        app.processEvents()
    QTest.mouseRelease(viewport, left, held, spot(window, *b))
QTest.keyClick(window, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
assert state.selection.count == 300
QTest.keyClick(window, Qt.Key.Key_I)
assert state.selection.count == 0
QTest.keyClick(window, Qt.Key.Key_V)
drag((-1.7, -0.5), (0.35, 0.9))
assert abs(state.probe.z[0] - 0.35) < 0.05, state.probe.z
distance = state.distance(state.probe.z)
assert state.probe.near == (distance <= state.nearness.radius).sum()
QTest.keyClick(window, Qt.Key.Key_W)
until(lambda: len(window.film_strip.frames.images) == window.film_strip.room)
QTest.keyClick(window, Qt.Key.Key_Y)
until(lambda: window.why_drawer.pictures["raw"].image is not None)
assert window.why_drawer.isVisible()
QTest.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
assert window.probe_panel._grid.currentData() == 2
until(lambda: True)
window.grab().save(str(here / "hands.png"))
window.close()
"""


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="xvfb-run is not installed")
def test_keys_and_mouse_do_on_a_real_window_what_they_say(tmp_path: Path) -> None:
    store = make_hinge_store(tmp_path / "hinge.h5", images=300, side=16)
    environment = os.environ | {"QT_QPA_PLATFORM": "xcb", "XDG_CONFIG_HOME": str(tmp_path)}
    command = ["xvfb-run", "-a", "-s", "-screen 0 1280x800x24", sys.executable, "-c", _HANDS]
    done = subprocess.run(
        [*command, str(store), str(tmp_path)],
        capture_output=True, text=True, timeout=120, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="xvfb-run is not installed")
def test_a_real_window_opens_a_store_and_closes(tmp_path: Path) -> None:
    store = tmp_path / "hinge.h5"
    make_hinge_store(store, images=300)
    picture = tmp_path / "window.png"
    environment = os.environ | {"QT_QPA_PLATFORM": "xcb", "XDG_CONFIG_HOME": str(tmp_path)}
    command = ["xvfb-run", "-a", "-s", "-screen 0 1280x800x24", sys.executable, "-c", _CODE]
    done = subprocess.run(
        [*command, str(store), str(picture)],
        capture_output=True,
        text=True,
        timeout=90,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert picture.stat().st_size > 10_000
