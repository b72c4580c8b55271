"""A line in a registry is all it takes: a made-up kind is in the command line and in the window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot
from tqdm import tqdm

from tvae_core.cli.main import main
from tvae_core.errors import ImageFileError
from tvae_core.export import registry as exports
from tvae_core.export.table_files import TableForm
from tvae_core.images import registry as images
from tvae_core.images.opening import open_stack
from tvae_core.images.raw import MemoryBytes, RawStack
from tvae_core.images.stack import StackForm, StackNotes, Wanted
from tvae_gui.jobs.look_job import LookJob
from tvae_gui.main_window import MainWindow
from tvae_gui.state.new_run import NewRunState
from tvae_gui.training.train_dialog import TrainDialog
from tvae_gui.widgets.file_filters import image_filters

SIDE = 6
WORDS = "poses and latents, made up"


def _open_made_up(path: Path, _wanted: Wanted) -> RawStack:
    """Read `MADEUP`, then images of 6 x 6 bytes."""
    content = path.read_bytes()[6:]
    if len(content) % SIDE**2:
        raise ImageFileError("truncated", path)
    form = StackForm(len(content) // SIDE**2, SIDE, SIDE, 1, np.dtype("u1"))
    return RawStack(path, "made-up stack", form, MemoryBytes(content), 0, StackNotes())


def _write(
    part: Path,
    columns: Mapping[str, NDArray[Any]],
    rows: NDArray[np.int64],
    tell: Callable[[int], None],
) -> None:
    tell(0)
    angles = columns["angle_rad"][rows]
    part.write_text("\n".join(f"{angle:.9g}" for angle in angles), encoding="ascii")


def _count(part: Path) -> int:
    return len(part.read_text(encoding="ascii").splitlines())


@pytest.fixture
def made_up_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    kind = images.ImageKind(
        "made-up stack", (".madeup",), _open_made_up, lambda head: head.startswith(b"MADEUP")
    )
    monkeypatch.setattr(images, "KINDS", (*images.KINDS, kind))
    path = tmp_path / "stack.madeup"
    path.write_bytes(b"MADEUP" + np.arange(10 * SIDE**2).astype("u1").tobytes())
    return path


@pytest.fixture
def made_up_export(monkeypatch: pytest.MonkeyPatch) -> int:
    """Give its number among the kinds."""
    kind = exports.ExportKind(WORDS, (".madeup",), "table", TableForm(_write, _count))
    monkeypatch.setattr(exports, "KINDS", (*exports.KINDS, kind))
    return len(exports.KINDS) - 1


def test_the_command_line_reads_a_made_up_image_format(
    made_up_images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(made_up_images)]) == 0
    said = capsys.readouterr().out
    assert "made-up stack" in said
    assert "10" in said
    made_up_images.rename(made_up_images.with_suffix(".other"))
    assert main(["info", str(made_up_images.with_suffix(".other"))]) == 2
    error = capsys.readouterr().err
    assert "ends in .madeup" in error
    assert main(["info", str(made_up_images.parent / "a.unknown")]) == 2


def test_the_window_reads_a_made_up_image_format(made_up_images: Path, qtbot: QtBot) -> None:
    assert "made-up stack (*.madeup)" in image_filters()
    state, job = NewRunState(made_up_images.parent), LookJob(lambda data: open_stack(data.path))
    state.look_wanted.connect(job.look)
    job.look_ready.connect(state.show_look)
    dialog = TrainDialog(state)
    qtbot.addWidget(dialog)
    dialog.path.setText(str(made_up_images))
    dialog.path.editingFinished.emit()
    qtbot.waitUntil(lambda: state.look is not None, timeout=20_000)
    assert state.look is not None
    assert (state.look.images, state.look.width) == (10, SIDE)
    state.look_wanted.disconnect(job.look)
    job.close()


def test_the_command_line_writes_a_made_up_export(
    made_up_export: int,
    own_store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tqdm, "monitor_interval", 0)  # its thread outlives a command
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    assert ".madeup" in capsys.readouterr().out
    assert main(["export", str(own_store), str(tmp_path / "all.madeup")]) == 0
    assert _count(tmp_path / "all.madeup") == 600
    assert main(["export", str(own_store), str(tmp_path / "all.nothing")]) == 2
    assert ".madeup" in capsys.readouterr().err


def test_the_window_writes_a_made_up_export(
    made_up_export: int, window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    window.export.open()
    drawer = window.export_drawer
    assert drawer.format.itemText(made_up_export) == WORDS
    drawer.format.setCurrentIndex(made_up_export)
    drawer.target.setText(str(tmp_path / "all.madeup"))
    drawer.target.textEdited.emit("")
    drawer.button.click()
    qtbot.waitUntil(lambda: bool(drawer.outcome), timeout=10_000)
    assert (tmp_path / "all.madeup").exists(), drawer.outcome
    assert _count(tmp_path / "all.madeup") == 600
