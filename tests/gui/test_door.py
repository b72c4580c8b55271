"""Whatever is dropped on the window leads to where one goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PyQt6.QtGui import QDropEvent
from pytestqt.qtbot import QtBot

from tests.core.images.makers import mrc_bytes, save_pictures
from tvae_core.config import RunConfig
from tvae_core.runs.folder import RunFolder
from tvae_gui.main_window import MainWindow

Make = Callable[[], MainWindow]
IMAGES = np.random.default_rng(0).integers(0, 255, (12, 16, 16)).astype(np.uint8)


def drop(window: MainWindow, *paths: Path) -> None:
    """Drop files as a hand does."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    place = window.rect().center()
    event = QDropEvent(
        QPointF(QPoint(place)),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    window.dropEvent(event)


def star(folder: Path) -> Path:
    (folder / "s.mrcs").write_bytes(mrc_bytes(IMAGES.astype(np.float32)))
    rows = "\n".join(f"{n + 1}@s.mrcs" for n in range(12))
    (folder / "p.star").write_text(f"data_\n\nloop_\n_rlnImageName #1\n{rows}\n")
    return folder / "p.star"


@pytest.mark.parametrize("kind", ["star", "pictures", "folder", "array"])
def test_dropped_images_fill_in_a_new_run(
    qtbot: QtBot, make_window: Make, tmp_path: Path, kind: str
) -> None:
    save_pictures(tmp_path / "pictures", IMAGES)
    np.save(tmp_path / "a.npy", IMAGES)
    pictures = sorted((tmp_path / "pictures").iterdir())
    given = {
        "star": [star(tmp_path)],
        "pictures": pictures,
        "folder": [tmp_path / "pictures"],
        "array": [tmp_path / "a.npy"],
    }[kind]
    window = make_window()
    drop(window, *given)
    (dialog,) = window.training._dialogs
    expected = tmp_path / "pictures" if kind == "pictures" else given[0]
    assert dialog.path.text() == str(expected)
    qtbot.waitUntil(lambda: dialog.state.look is not None, timeout=20_000)
    assert dialog.state.look is not None
    assert dialog.state.look.images == 12
    dialog.close()


def test_a_dropped_field_fills_in_a_new_run_with_the_objects_in_it(
    qtbot: QtBot, make_window: Make, tmp_path: Path
) -> None:
    row, column = np.mgrid[:600, :700]
    ripples = np.sin(row / 15) * np.sin(column / 15)
    np.save(tmp_path / "field.npy", np.clip(200 * ripples - 100, 0, 255).astype(np.uint8))
    window = make_window()
    drop(window, tmp_path / "field.npy")
    (dialog,) = window.training._dialogs
    state = dialog.state
    qtbot.waitUntil(lambda: state.recommendation is not None, timeout=20_000)
    assert state.look is not None
    assert state.look.images > 50
    assert state.form.config().data.box_px == state.look.side
    assert "objects about" in state.recommendation.reason("data.pick")
    assert state.why_not == ""
    dialog.close()


def test_of_an_empty_field_a_new_run_says_that_there_are_no_objects(
    qtbot: QtBot, make_window: Make, tmp_path: Path
) -> None:
    np.save(tmp_path / "field.npy", np.zeros((600, 700), np.uint8))
    window = make_window()
    drop(window, tmp_path / "field.npy")
    (dialog,) = window.training._dialogs
    qtbot.waitUntil(lambda: dialog.state.look_error is not None, timeout=20_000)
    assert "no objects found" in str(dialog.state.look_error)
    dialog.close()


def test_a_run_that_is_not_finished_shows_how_it_goes(make_window: Make, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.create(RunConfig())
    window = make_window()
    drop(window, run.path / "config.json")
    assert run.path.resolve() in window.training._monitors


def test_folders_and_several_runs_lead_to_the_list(make_window: Make, tmp_path: Path) -> None:
    runs = []
    for name in ("a", "b"):
        run = RunFolder(tmp_path / "many" / name)
        run.create(RunConfig())
        runs.append(run.path)
    for given in ([tmp_path / "many"], runs):
        window = make_window()
        drop(window, *given)
        assert window.training._list is not None
        assert {run.path.name for run in window.training.runs.runs} == {"a", "b"}


def test_what_needs_an_open_run_says_so(make_window: Make, tmp_path: Path, own_store: Path) -> None:
    (tmp_path / "t.csv").write_text("image,x\n1,2\n")
    window = make_window()
    drop(window, tmp_path / "t.csv")
    assert "Open the run that this table belongs to" in window.message_bar.text
    drop(window, own_store)
    assert window.state.store is not None


def test_what_is_not_read_says_what_it_seems_to_be(make_window: Make, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    window = make_window()
    drop(window, tmp_path / "a.pdf")
    assert "A PDF document, which is not read" in window.message_bar.text
    assert window.state.store is None
