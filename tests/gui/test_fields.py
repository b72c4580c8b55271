"""From a larger image to a pick on the plane and a file of picks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from tests.core.engine.runs import tiny_run, write_images
from tests.gui.conftest import settle
from tvae_core.engine.train import train
from tvae_core.particles import read_table
from tvae_gui.jobs.decode_job import engine_decoder
from tvae_gui.main_window import MainWindow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny trained run and, beside it, a field of six of its images that is not square."""
    folder = tmp_path_factory.mktemp("fields")
    made = tiny_run(folder / "run", write_images(folder))
    for _ in train(made):
        pass
    if not made.embeddings.exists():
        from tvae_core.engine.embed import embed

        for _ in embed(made):
            pass
    images = np.load(folder / "images.npy")
    field = np.zeros((44, 62), np.float32)
    for number in range(6):
        row, column = 4 + 20 * (number // 3), 4 + 20 * (number % 3)
        field[row : row + 12, column : column + 12] = images[number]
    np.save(folder / "field.npy", field)
    return made.path


def test_a_pick_clicked_on_the_field_appears_on_the_plane(
    run: Path, make_window: Callable[..., MainWindow], qtbot: QtBot, tmp_path: Path
) -> None:
    window = make_window(engine_decoder)
    assert window.open(run)
    settle(qtbot, window)
    window.commands.run("field")
    drawer, state = window.fields.drawer, window.fields.state
    assert drawer.isVisible()
    assert not drawer.picture.isVisible()
    window.fields.search(run.parent / "field.npy")
    assert drawer.button.text() == "Stop"
    qtbot.waitUntil(lambda: bool(state.fields), timeout=60_000)
    settle(qtbot, window)
    assert drawer.button.text() == "Open an image…"
    assert "By itself: threshold" in drawer.words
    drawer.threshold.moved.emit(0.0)
    picks = state.picks
    assert picks is not None
    assert len(picks)

    column, row, _ = state.circles()[0]
    where = drawer.picture.spot(column, row).toPoint()
    qtbot.mouseClick(drawer.picture, Qt.MouseButton.LeftButton, pos=where)
    settle(qtbot, window)
    assert state.chosen is not None
    assert window.state.probe is not None
    assert np.allclose(window.state.probe.z, picks.z[state.chosen], atol=1e-6)
    assert len(window.state.probe.nearest)
    assert drawer.words.startswith("confidence")

    window.fields.save(tmp_path / "picks.star")
    table = read_table(tmp_path / "picks.star")
    assert len(table) == len(picks)
    assert table.numbers("rlnCoordinateX") == pytest.approx(picks.pixels(44, 62)[0], abs=1e-5)


def test_what_is_no_image_is_said_on_the_card(
    run: Path, make_window: Callable[..., MainWindow], qtbot: QtBot, tmp_path: Path
) -> None:
    window = make_window(engine_decoder)
    assert window.open(run)
    settle(qtbot, window)
    window.fields.open()
    (tmp_path / "notes.txt").write_text("no image")
    window.fields.search(tmp_path / "notes.txt")
    qtbot.waitUntil(lambda: "nknown kind" in window.fields.drawer.words, timeout=60_000)
    settle(qtbot, window)
    assert window.fields.drawer.button.text() == "Open an image…"
