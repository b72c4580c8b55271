"""Notes are saved behind the window: a slow disk holds no hand up, and nothing is lost by it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

import tvae_gui.session.saving as saving
from tests.gui.conftest import settle
from tests.gui.hands import drag
from tests.gui.test_unsaved import disk_taken_out, names
from tvae_core.sidecar import change_sidecar
from tvae_core.store import EmbeddingStore
from tvae_gui.main_window import MainWindow


class SlowDisk:
    """Lets notes be written only when it is told to."""

    def __init__(self) -> None:
        self.may_write, self.reached = threading.Event(), threading.Event()
        self.threads: list[str] = []
        self._write = saving.save_sidecar

    def save(self, *what: Any) -> Path:
        self.threads.append(threading.current_thread().name)
        self.reached.set()
        assert self.may_write.wait(20)
        return self._write(*what)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    made = SlowDisk()
    monkeypatch.setattr(saving, "save_sidecar", made.save)
    yield made
    made.may_write.set()


def keep(window: MainWindow, name: str) -> None:
    window.state.select_indices([1, 2, 3])
    window.state.add_set(name)


def test_the_window_works_while_notes_are_written(
    window: MainWindow, own_store: Path, disk: SlowDisk, qtbot: QtBot
) -> None:
    keep(window, "first")
    qtbot.waitUntil(disk.reached.is_set, timeout=10_000)
    drag(window, [(-1.7, -0.5), (0.3, 0.9)])
    assert window.state.probe is not None
    assert window.state.probe.z[0] == pytest.approx(0.3, abs=0.05)
    assert names(own_store) == []
    keep(window, "second")  # while the first is on its way
    disk.may_write.set()
    qtbot.waitUntil(lambda: names(own_store) == ["first", "second"], timeout=10_000)
    settle(qtbot, window)
    assert set(disk.threads) == {"save"}


def test_closing_waits_for_what_is_being_written(
    window: MainWindow, own_store: Path, disk: SlowDisk, qtbot: QtBot
) -> None:
    keep(window, "a week of work")
    qtbot.waitUntil(disk.reached.is_set, timeout=10_000)
    threading.Timer(0.2, disk.may_write.set).start()
    assert window.close()
    assert names(own_store) == ["a week of work"]


def test_what_could_not_be_written_behind_is_said_and_kept(
    window: MainWindow, own_store: Path, qtbot: QtBot
) -> None:
    said: list[str] = []
    window.messages.said.connect(lambda level, text, _: said.append(f"{level}: {text}"))
    with disk_taken_out(own_store) as put_back:
        keep(window, "kept in the window")
        qtbot.waitUntil(lambda: bool(said), timeout=10_000)
        assert said[0].startswith("error: Sets, clusters and view of this run could not be saved")
        assert not window.close()
        put_back()
        assert window.close()
    assert names(own_store) == ["kept in the window"]


def test_what_others_added_meanwhile_is_kept_too(
    make_window: Callable[..., MainWindow], own_store: Path, qtbot: QtBot
) -> None:
    window = make_window()
    assert window.open(own_store)
    settle(qtbot, window)

    def change(sidecar: Any) -> None:
        sidecar.columns["from elsewhere"] = sidecar_values

    with EmbeddingStore(own_store) as store:
        sidecar_values = store.angle_rad.copy()
        change_sidecar(store, change)
    keep(window, "mine")
    qtbot.waitUntil(lambda: names(own_store) == ["mine"], timeout=10_000)
    settle(qtbot, window)
    assert "from elsewhere" in window.state.joined
