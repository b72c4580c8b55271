"""What all tests of the window share: nothing may be left behind, no Qt warning may be said."""

from __future__ import annotations

import gc
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import QtMsgType, qInstallMessageHandler
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.factories import star_table
from tests.gui.material import HingeDecoder, make_hinge_store
from tvae_gui.app import make_application
from tvae_gui.main_window import MainWindow
from tvae_gui.session.recent import Recent

# Said by the offscreen platform itself, about itself.
_HARMLESS = (
    "does not support propagateSizeHints",
    "does not support raise",
    "does not support grabbing the keyboard",
)


@pytest.fixture(scope="session")
def qapp() -> QApplication:
    """The application, dressed as the user's."""
    return make_application("dark")


@pytest.fixture(autouse=True)
def _no_qt_warnings() -> Iterator[None]:
    said: list[str] = []

    def note(kind: QtMsgType, _: Any, text: str | None) -> None:
        harmless = any(words in (text or "") for words in _HARMLESS)
        if kind != QtMsgType.QtDebugMsg and kind != QtMsgType.QtInfoMsg and not harmless:
            said.append(text or "")

    before = qInstallMessageHandler(note)
    yield
    qInstallMessageHandler(before)
    assert said == []


@pytest.fixture(autouse=True)
def _nothing_left_behind(qapp: QApplication) -> Iterator[None]:
    threads = set(threading.enumerate())
    windows = set(map(id, qapp.topLevelWidgets()))
    yield
    gc.collect()
    qapp.processEvents()
    assert set(threading.enumerate()) <= threads
    left = [w for w in qapp.topLevelWidgets() if id(w) not in windows and w.isVisible()]
    assert left == []


@pytest.fixture(scope="session")
def hinge_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 600 hinges; not to be written beside."""
    folder = tmp_path_factory.mktemp("hinge")
    return make_hinge_store(folder / "hinge.h5", images=600, side=24)


@pytest.fixture
def own_store(hinge_store: Path, tmp_path: Path) -> Path:
    """A copy of the store in a folder of the test's own."""
    target = tmp_path / "run" / "embeddings.h5"
    target.parent.mkdir()
    target.write_bytes(hinge_store.read_bytes())
    return target


@pytest.fixture
def star(tmp_path: Path) -> Path:
    """A RELION table of 200 particles with optics and angles; its stack is not there."""
    return star_table(tmp_path / "particles.star")


@pytest.fixture
def make_window(qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[..., MainWindow]]:
    """Make windows that decode with an analytic decoder; they are closed after the test."""
    made: list[MainWindow] = []

    def make(factory: Any = None) -> MainWindow:
        decoder = factory or (lambda store: HingeDecoder(store.header.side, store.z_dim))
        window = MainWindow(decoder, Recent(tmp_path / "config"), tmp_path / "runs")
        window.resize(1280, 800)
        window.show()
        qtbot.waitExposed(window)
        made.append(window)
        return window

    yield make
    for window in made:
        window.close()
        window.deleteLater()


@pytest.fixture
def window(make_window: Callable[..., MainWindow], own_store: Path, qtbot: QtBot) -> MainWindow:
    """A window with the store open and everything settled."""
    made = make_window()
    assert made.open(own_store)
    settle(qtbot, made)
    return made


def settle(qtbot: QtBot, window: MainWindow) -> None:
    """Wait until nothing is being read, decoded or computed."""
    qtbot.waitUntil(lambda: window.decoder.is_ready, timeout=10_000)
    qtbot.waitUntil(lambda: not window.is_busy, timeout=20_000)
    QApplication.processEvents()


def by_command(command: str) -> None:
    """Run a command in a process of its own, as a user would."""
    words = shlex.split(command)
    assert words[0] == "tvae"
    done = subprocess.run(
        [sys.executable, "-m", "tvae_core.cli.main", *words[1:]],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
