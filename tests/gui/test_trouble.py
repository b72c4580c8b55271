"""Files that are broken, foreign, newer or incomplete: one sentence, and the window lives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.hands import drag
from tvae_core.errors import CheckpointError
from tvae_gui.main_window import MainWindow

Make = Callable[..., MainWindow]


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _foreign(path: Path) -> None:
    path.unlink()
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros(3)


def _newer(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 99


def _text(path: Path) -> None:
    path.write_text("not at all")


@pytest.mark.parametrize("harm", [_truncated, _foreign, _newer, _text, Path.unlink])
def test_a_file_that_cannot_be_used_is_one_sentence(
    make_window: Make, own_store: Path, harm: Callable[[Path], None]
) -> None:
    harm(own_store)
    window = make_window()
    assert not window.open(own_store)
    assert window.message_bar.isVisible()
    assert str(own_store) in window.message_bar.text
    assert "Traceback" not in window.message_bar.text
    assert window.state.store is None


def test_the_open_run_stays_when_another_cannot_be_opened(
    window: MainWindow, tmp_path: Path
) -> None:
    (tmp_path / "broken.h5").write_text("no")
    assert not window.open(tmp_path / "broken.h5")
    assert window.state.images == 600
    drag(window, [(0.0, 0.5), (0.2, 0.6)])


def test_without_a_decoder_previews_are_shown_and_the_window_says_so(
    make_window: Make, own_store: Path, qtbot: QtBot
) -> None:
    def broken(store: object) -> object:
        raise CheckpointError("the weights are damaged", own_store, "embed the run again")

    window = make_window(broken)
    with qtbot.waitSignal(window.decoder.unavailable, timeout=20_000):
        assert window.open(own_store)
    assert "weights are damaged" in window.message_bar.text
    drag(window, [(-1.5, -0.5), (0.3, 0.9)])
    assert window.probe_panel.image.state == "preview"
    qtbot.waitUntil(lambda: window.pictures.idle, timeout=20_000)


def test_a_damaged_sidecar_does_not_keep_the_run_from_opening(
    make_window: Make, own_store: Path, qtbot: QtBot
) -> None:
    own_store.with_suffix(".analysis.h5").write_text("no")
    window = make_window()
    assert window.open(own_store)
    assert "notes on this run are damaged" in window.message_bar.text
    settle(qtbot, window)


def test_moved_images_are_told_and_everything_else_works(window: MainWindow) -> None:
    assert "were not found" in window.message_bar.text


def test_a_decoder_that_fails_is_told_once_in_words(
    make_window: Make, own_store: Path, qtbot: QtBot
) -> None:
    class Failing:
        side, channels, z_dim = 24, 1, 2

        def decode(self, *_: object, **__: object) -> object:
            raise MemoryError("no room")

    window = make_window(lambda _: Failing())
    with qtbot.waitSignal(window.decoder.failed, timeout=20_000):
        assert window.open(own_store)
    assert "no room" in window.message_bar.text
    qtbot.waitUntil(lambda: not window.is_busy, timeout=20_000)


def test_every_grey_command_says_why(make_window: Make) -> None:
    window = make_window()
    window.commands.refresh()
    for entry in window.commands.entries():
        action = window.commands.action(entry.key)
        assert action.isEnabled() or len(action.toolTip()) > 5
    assert not window.commands.action("export").isEnabled()
