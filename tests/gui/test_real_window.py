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
