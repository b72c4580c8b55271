"""From a larger image to a pick on the plane and a file of picks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from PyQt6.QtGui import QMouseEvent, QWheelEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.core.engine.runs import tiny_run, write_images
from tests.gui.conftest import by_command, settle
from tests.gui.hands import CTRL, SHIFT, click, press
from tvae_core.analysis.picks import Calibration, Confidence, FieldPicks, Picks
from tvae_core.engine.training.train import train
from tvae_core.particles import read_table
from tvae_core.work.detect import Detected, DetectRequest
from tvae_gui.fields.field_picture import FieldPicture
from tvae_gui.fields.field_presenter import with_suffix_of
from tvae_gui.fields.replace_question import ReplaceQuestion
from tvae_gui.jobs.decode_job import engine_decoder
from tvae_gui.main_window import MainWindow
from tvae_gui.state.field_state import FILE


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
    drawer, state, picture = window.fields.drawer, window.fields.state, window.field_picture
    assert drawer.isVisible()
    assert not window.field_picture.isVisible()
    window.fields.search(run.parent / "field.npy")
    assert drawer.button.text() == "Stop"
    qtbot.waitUntil(lambda: bool(state.fields), timeout=60_000)
    settle(qtbot, window)
    assert drawer.button.text() == "Open an image…"
    assert "automatic threshold was not measured on it" in drawer.words
    drawer.threshold.moved.emit(0.0)
    picks = state.picks
    assert picks is not None
    assert len(picks)

    column, row, _ = state.circles()[0]
    assert picture.isVisible()
    where = picture.spot(column, row).toPoint()
    qtbot.mouseClick(picture, Qt.MouseButton.LeftButton, pos=where)
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


@pytest.fixture(scope="module")
def found(run: Path) -> Detected:
    """What is found on the field beside the run."""
    return DetectRequest(store=run / "embeddings.h5", image=run.parent / "field.npy").find()


def field_in(window: MainWindow, run: Path, found: Detected, qtbot: QtBot) -> None:
    """Open the run and show all that was found on the field."""
    assert window.open(run)
    settle(qtbot, window)
    window.fields.open()
    window.fields.show(found)
    window.fields.drawer.threshold.moved.emit(0.0)
    settle(qtbot, window)


def pull(picture: FieldPicture, start: QPointF, end: QPointF) -> None:
    """Press at a place of the widget, move to another, let go."""
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mousePress(picture, left, none, start.toPoint())
    for share in (0.5, 1.0):
        at = start + (end - start) * share
        move = QMouseEvent(QEvent.Type.MouseMove, at, picture.mapToGlobal(at), left, left, none)
        QApplication.sendEvent(picture, move)
    QTest.mouseRelease(picture, left, none, end.toPoint())


def test_picks_are_placed_moved_and_deleted_with_mouse_and_keys_and_undone(
    run: Path, found: Detected, make_window: Callable[..., MainWindow], qtbot: QtBot, tmp_path: Path
) -> None:
    window = make_window(engine_decoder)
    field_in(window, run, found, qtbot)
    picture, state = window.field_picture, window.fields.state
    before = state.circles()

    click(picture, picture.spot(55, 40).toPoint(), SHIFT)
    settle(qtbot, window)
    assert state.circles()[-1][:2] == pytest.approx([55, 40], abs=1 / picture.zoom)
    assert state.picks is not None
    assert np.isfinite(state.picks.z[-1]).all()  # the encoder has looked there
    assert window.fields.drawer.words.startswith("placed by hand, angle")
    assert window.state.probe is not None
    assert np.allclose(window.state.probe.z, state.picks.z[-1], atol=1e-6)

    pull(picture, picture.spot(55, 40), picture.spot(50, 36))
    assert state.circles()[-1][:2] == pytest.approx([50, 36], abs=1 / picture.zoom)
    press(picture, Qt.Key.Key_Right)
    press(picture, Qt.Key.Key_Right)
    assert state.circles()[-1][:2] == pytest.approx([52, 36], abs=1 / picture.zoom)
    press(picture, Qt.Key.Key_N)
    assert state.chosen == 0
    press(picture, Qt.Key.Key_Delete)
    settle(qtbot, window)
    assert len(state.circles()) == len(before)

    window.fields.save(tmp_path / "picks.csv")
    rows = (tmp_path / "picks.csv").read_text().splitlines()
    assert len(rows) == 1 + len(before)
    after = state.circles()
    window.remember_rooms()
    kept = window.state.remembered["picks"]
    assert [len(kept[0]["removed"]), len(kept[0]["added"])] == [1, 1]
    names = []
    while name := window.state.stack.undo_name:
        names.append(name)
        press(picture, Qt.Key.Key_Z, CTRL)
    assert names == ["delete a pick", "move a pick", "move a pick", "add a pick"]
    assert np.array_equal(state.circles(), before)
    for _ in names:
        press(picture, Qt.Key.Key_Z, CTRL | SHIFT)
    assert np.array_equal(state.circles(), after)


def test_an_image_gone_to_in_the_gallery_leads_to_its_pick_and_the_pick_back_to_its_image(
    run: Path, found: Detected, make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window = make_window(engine_decoder)
    field_in(window, run, found, qtbot)
    picks, near, store = window.fields.state.picks, window.state.nearness, window.state.store
    assert picks is not None
    assert near is not None
    assert store is not None
    press(window, Qt.Key.Key_G, CTRL)
    settle(qtbot, window)
    assert window.state.probe is not None
    probe = window.state.probe.z.copy()
    met = set()
    for _ in range(6):
        press(window.gallery_page.grid, Qt.Key.Key_Right)
        z = store.z_mean[window.gallery_state.number]
        distance = np.linalg.norm(near.whiten(picks.z) - near.whiten(z), axis=1)
        assert window.fields.state.chosen == int(distance.argmin())
        met.add(window.fields.state.chosen)
    assert np.array_equal(window.state.probe.z, probe)
    press(window, Qt.Key.Key_F, CTRL | SHIFT)
    picture, chosen = window.field_picture, window.fields.state.chosen
    assert picture.isVisible()
    assert picture._chosen == chosen

    column, row, _ = window.fields.state.circles()[0]
    click(picture, picture.spot(column, row).toPoint())
    settle(qtbot, window)
    number = window.fields.state.chosen
    assert number is not None
    press(window, Qt.Key.Key_G, CTRL)
    settle(qtbot, window)
    assert window.gallery_state.number == int(near.nearest_each(picks.z[[number]])[0])
    assert window.fields.state.chosen == number


def test_what_was_changed_of_a_field_is_there_when_the_run_opens_again(
    run: Path, found: Detected, make_window: Callable[..., MainWindow], qtbot: QtBot, tmp_path: Path
) -> None:
    copied = tmp_path / "run"
    copytree(run, copied)
    window = make_window(engine_decoder)
    field_in(window, copied, found, qtbot)
    window.fields.state.add_at(55, 40)
    settle(qtbot, window)
    circles = window.fields.state.circles()
    window.close_run()
    field_in(window, copied, found, qtbot)
    assert np.array_equal(window.fields.state.circles(), circles)


def test_the_wheel_zooms_at_the_cursor_and_a_drag_pans(
    run: Path, found: Detected, make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window = make_window(engine_decoder)
    field_in(window, run, found, qtbot)
    picture = window.field_picture
    at = picture.spot(10, 10)
    whole = picture.zoom
    turn = QWheelEvent(
        at, picture.mapToGlobal(at), QPoint(), QPoint(0, 480), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(picture, turn)
    assert picture.zoom > 1.9 * whole
    assert (picture.spot(10, 10) - at).manhattanLength() < 1e-6
    window.fields.drawer.threshold.moved.emit(1.0)  # a drag that begins on a pick moves the pick
    picture._look_at(QPointF(58, 42))
    empty = picture.spot(58, 42)
    pull(picture, empty, empty - QPointF(60, 40))
    assert (picture.spot(58, 42) - (empty - QPointF(60, 40))).manhattanLength() < 2
    press(picture, Qt.Key.Key_F)
    assert picture.zoom == pytest.approx(whole)


def test_picks_take_the_colours_of_any_column(
    run: Path, found: Detected, make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window = make_window(engine_decoder)
    field_in(window, run, found, qtbot)
    box, fields = window.fields.drawer.colours, window.fields
    assert box.count() > 12
    for number in range(box.count()):
        box.setCurrentIndex(number)
        box.activated.emit(number)
        settle(qtbot, window)
        colours = window.field_picture._colours
        assert (colours is None) == (number == 0)
        assert fields.drawer.legend.isHidden() == (number == 0)
        if colours is not None:
            assert len(colours) == len(fields.state.circles())
    fields.colour_by("error")
    settle(qtbot, window)
    assert fields.state.picks is not None
    assert window.state.nearness is not None
    nearest = window.state.nearness.nearest_each(fields.state.picks.z)
    assert fields._nearest_of(fields.state.picks).tolist() == nearest.tolist()


def test_the_pixels_of_the_file_and_their_contrast_are_shown(
    run: Path, found: Detected, make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window = make_window(engine_decoder)
    field_in(window, run, found, qtbot)
    state = window.fields.state
    window.fields.drawer.look_chosen.emit(FILE)
    settle(qtbot, window)
    assert state.picture is not None
    assert np.array_equal(state.picture.values, np.load(run.parent / "field.npy"))
    window.fields.drawer.contrast_chosen.emit(0.1, 0.2)
    assert window.field_picture._look[:2] == (0.1, 0.2)
    window.fields.drawer.contrast_reset.emit()
    assert window.field_picture._look[:2] == state.picture.levels
    press(window.field_picture, Qt.Key.Key_Escape)
    assert window.plane.isVisible()


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
    assert with_suffix_of("/a/picks", "EMAN boxes (*.box)") == Path("/a/picks.box")
    assert with_suffix_of("/a/picks.csv", "EMAN boxes (*.box)") == Path("/a/picks.csv")


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
