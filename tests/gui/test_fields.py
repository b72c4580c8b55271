"""From a larger image to a pick on the plane and a file of picks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt, QTimer
from pytestqt.qtbot import QtBot

from tests.core.engine.runs import tiny_run, write_images
from tests.gui.conftest import by_command, settle
from tvae_core.analysis.picks import Calibration, Confidence, FieldPicks, Picks
from tvae_core.engine.training.train import train
from tvae_core.particles import read_table
from tvae_gui.fields.field_presenter import with_suffix_of
from tvae_gui.fields.replace_question import ReplaceQuestion
from tvae_gui.jobs.decode_job import engine_decoder
from tvae_gui.main_window import MainWindow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny trained run and, beside it, a field of six of its images that is not square."""
    folder = tmp_path_factory.mktemp("fields")
    made = tiny_run(folder / "run", write_images(folder))
    for _ in train(made):
        pass
    if not made.store.exists():
        from tvae_core.engine.using.embed import embed

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
    assert "Automatic: threshold" in drawer.words
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

    request = window.fields.request_of(tmp_path / "by command.star")
    assert request is not None
    by_command(request.shell_line())  # finds and writes it all again
    written = (tmp_path / "picks.star").read_bytes()
    assert (tmp_path / "by command.star").read_bytes() == written


def test_numbered_files_are_replaced_only_when_allowed(
    run: Path, make_window: Callable[..., MainWindow], qtbot: QtBot, tmp_path: Path
) -> None:
    window = make_window(engine_decoder)
    assert window.open(run)
    settle(qtbot, window)
    picks = Picks(np.array([0, 1]), np.zeros((2, 2)), np.zeros(2), np.zeros((2, 2)),
                  np.ones(2), np.ones(2), np.ones(2))  # fmt: skip
    fields = [
        FieldPicks(image, picks.chosen(picks.image == image), np.zeros((1, 9, 9), np.float32),
                   np.zeros((1, 9, 9), np.float32), (9, 9), 3.0)
        for image in range(2)
    ]  # fmt: skip
    calibration = Calibration(Confidence(1, 0, 0.3, 9, 9, 9, 0), 2.5, True)
    window.fields.state.show("f.npy", calibration, tuple(fields))
    old = tmp_path / "picks_000002.box"
    old.write_text("kept")
    asked: list[Path] = []
    window.fields._ask = lambda files: bool(asked.extend(files))  # type: ignore[func-returns-value,method-assign]
    window.fields.save(tmp_path / "picks.box")
    assert asked == [old]
    assert old.read_text() == "kept"
    assert not (tmp_path / "picks_000001.box").exists()
    window.fields._ask = lambda files: True  # type: ignore[method-assign]
    window.fields.save(tmp_path / "picks.box")
    assert old.read_text() != "kept"
    assert (tmp_path / "picks_000001.box").exists()


@pytest.mark.parametrize(("button", "allowed"), [("replace", True), ("keep", False)])
def test_the_question_about_replacing_gives_the_answer_clicked(
    qtbot: QtBot, button: str, allowed: bool
) -> None:
    question = ReplaceQuestion([Path(f"p_{n}.box") for n in range(5)])
    qtbot.addWidget(question)
    assert question.text() == "p_0.box, p_1.box, p_2.box and 2 more already exist."
    QTimer.singleShot(0, getattr(question, button).click)
    assert question.answer() is allowed


def test_a_name_without_suffix_takes_that_of_the_kind_chosen() -> None:
    assert with_suffix_of("/a/picks", "EMAN (*.box)") == Path("/a/picks.box")
    assert with_suffix_of("/a/picks.csv", "EMAN (*.box)") == Path("/a/picks.csv")


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


def test_objects_found_for_an_earlier_run_are_dropped(
    run: Path, make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window = make_window(engine_decoder)
    assert window.open(run)
    settle(qtbot, window)
    window.fields.open()
    window.fields.search(run.parent / "field.npy")
    assert window.open(run / "embeddings.h5")
    assert window.fields.drawer.button.text() == "Open an image…"
    qtbot.waitUntil(lambda: not window.jobs.running, timeout=60_000)
    settle(qtbot, window)
    assert not window.fields.state.fields
    assert window.fields.drawer.isVisible()  # as it was when the run was left
