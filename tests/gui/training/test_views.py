from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PyQt6.QtCore import QMimeData, QPointF, Qt, QUrl
from PyQt6.QtGui import QDropEvent, QGuiApplication
from PyQt6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from tests.core.images.makers import mrc_bytes, star_text
from tests.state.records import epoch_line, started_line
from tvae_core.analysis.verdict import Verdict
from tvae_core.config import DataConfig, RunConfig
from tvae_core.errors import ImageFileError
from tvae_core.images.opening import open_data
from tvae_core.presets import load_preset
from tvae_core.progress import Judged, Preview
from tvae_core.runs.listing import RecentRuns
from tvae_core.runs.preflight import Machine
from tvae_core.runs.status import RunStatus
from tvae_gui.jobs.look_job import LookJob
from tvae_gui.state.new_run import NewRunState
from tvae_gui.state.run_list import RunList
from tvae_gui.state.training_state import TrainingState
from tvae_gui.training.closing_question import ClosingQuestion
from tvae_gui.training.run_list import RunListView
from tvae_gui.training.run_monitor import RunMonitor
from tvae_gui.training.train_dialog import TrainDialog


@pytest.fixture
def images(tmp_path: Path) -> Path:
    path = tmp_path / "digits.npy"
    np.save(path, np.random.default_rng(0).random((400, 16, 16), dtype=np.float32))
    return path


@pytest.fixture
def new_run(tmp_path: Path) -> NewRunState:
    machine = Machine(64e9, 1e12, 2, False)
    return NewRunState(tmp_path / "runs", machine=lambda folder: machine)


@pytest.fixture
def dialog(qtbot: QtBot, new_run: NewRunState) -> Iterator[TrainDialog]:
    job = LookJob(open_data)
    job.look_ready.connect(new_run.show_look)
    job.look_failed.connect(new_run.show_look_error)
    new_run.look_wanted.connect(job.look)
    made = TrainDialog(new_run)
    qtbot.addWidget(made)
    yield made
    new_run.look_wanted.disconnect(job.look)
    job.close()


@pytest.fixture
def ready(qtbot: QtBot, dialog: TrainDialog, images: Path) -> TrainDialog:
    dialog.state.choose_images(str(images))
    qtbot.waitUntil(lambda: dialog.state.look is not None, timeout=20_000)
    return dialog


@pytest.fixture
def monitor(qtbot: QtBot, tmp_path: Path) -> RunMonitor:
    made = RunMonitor(TrainingState(tmp_path))
    qtbot.addWidget(made)
    return made


def test_start_is_grey_and_says_why_until_images_are_chosen(dialog: TrainDialog) -> None:
    assert not dialog.start.isEnabled()
    assert dialog.reason.text() == "Choose images first."
    assert dialog.start.toolTip() == "Choose images first."


def test_chosen_images_are_looked_at_before_anything_runs(ready: TrainDialog) -> None:
    assert ready.look.headline.text() == "400 images of 16 × 16 px"
    assert ready.look.picture.has_image
    assert ready.name.text() == "digits"
    assert ready.start.isEnabled()
    assert "estimates" in ready.preflight.basis.text()


def test_images_can_be_dropped(qtbot: QtBot, dialog: TrainDialog, images: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(images))])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    dialog.dropEvent(QDropEvent(QPointF(), Qt.DropAction.CopyAction, mime, buttons, keys))
    qtbot.waitUntil(lambda: dialog.state.look is not None, timeout=20_000)
    assert dialog.path.text() == str(images)


def test_images_that_cannot_be_read_are_told_in_words(
    qtbot: QtBot, dialog: TrainDialog, tmp_path: Path
) -> None:
    dialog.state.choose_images(str(tmp_path / "missing.npy"))
    qtbot.waitUntil(lambda: dialog.state.look_error is not None, timeout=20_000)
    assert dialog.look.headline.text() == "These images cannot be read"
    assert dialog.reason.text() == "The images cannot be read."
    assert not dialog.start.isEnabled()


def test_a_table_that_leads_elsewhere_is_read_when_the_user_says_so(
    qtbot: QtBot, dialog: TrainDialog, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).random((12, 16, 16), np.float32)
    for folder in ("elsewhere", "project"):
        (tmp_path / folder).mkdir()
    (tmp_path / "elsewhere" / "a.mrcs").write_bytes(mrc_bytes(pixels))
    mine = tmp_path / "project" / "p.star"
    mine.write_text(star_text([f"{n}@../elsewhere/a.mrcs" for n in range(1, 13)]))
    dialog.state.choose_images(str(mine))
    qtbot.waitUntil(lambda: dialog.state.look_error is not None, timeout=20_000)
    assert dialog.look.headline.text() == "These images lie elsewhere"
    words = dialog.look.picture.accessibleDescription()
    assert "elsewhere/a.mrcs leads out of the project" in words
    assert "--" not in words  # no command line in the window
    assert "say whether" in dialog.reason.text()
    dialog.look.allow.click()
    qtbot.waitUntil(lambda: dialog.state.look is not None, timeout=20_000)
    assert "data.allow_outside=true" in dialog.state.command
    dialog.state.choose_images(str(tmp_path / "others.star"))
    assert not dialog.state.form.config().data.allow_outside  # allowed of one table


def test_start_asks_for_the_run_that_the_command_shows(qtbot: QtBot, ready: TrainDialog) -> None:
    ready.form.rows["model.z_dim"].editor.setFocus()
    ready.state.form.set("model.z_dim", "3")
    assert ready.command.text().endswith("--preset fast-cpu --set model.z_dim=3")
    with qtbot.waitSignal(ready.run_requested, timeout=20_000) as caught:
        ready.start.click()
    run, config = caught.args
    assert run.name == "digits"
    assert config.model.z_dim == 3
    assert config.data.path == ready.state.form.data_path


def test_the_command_is_copied(ready: TrainDialog) -> None:
    ready.copy.click()
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    assert clipboard.text() == ready.state.command


def test_the_command_line_makes_the_same_config(ready: TrainDialog, tmp_path: Path) -> None:
    import shlex

    from tvae_core.work.train import TrainRequest

    ready.state.form.set("model.z_dim", "3")
    ready.state.form.set("data.invert", True)
    request = TrainRequest.parse(shlex.split(ready.state.command))
    assert request.new_config() == ready.state.form.config()
    assert request.folder == ready.state.run


def test_a_wrong_value_is_told_beside_its_field_and_greys_start(
    qtbot: QtBot, ready: TrainDialog
) -> None:
    ready.show()
    row = ready.form.rows["model.z_dim"]
    assert isinstance(row.editor, QLineEdit)
    row.editor.selectAll()
    qtbot.keyClicks(row.editor, "0")
    assert row.note.isVisible()
    assert "between 1 and 512" in row.note.text()
    assert ready.reason.text() == "Correct this setting first: z dimensions."
    row.back.click()
    assert not row.note.isVisible()
    assert ready.start.isEnabled()
    ready.close()


def test_what_differs_from_the_preset_has_a_dot_and_a_way_back(dialog: TrainDialog) -> None:
    row = dialog.form.rows["train.batch_size"]
    assert row.dot.text() == ""
    dialog.state.form.set("train.batch_size", "50")
    preset = str(load_preset("fast-cpu").train.batch_size)
    assert (row.dot.text(), row.back.toolTip()) == ("●", f"Reset to {preset}")
    row.back.click()
    assert row.dot.text() == ""
    assert isinstance(row.editor, QLineEdit)
    assert row.editor.text() == preset


def test_typing_a_number_keeps_what_is_typed(qtbot: QtBot, dialog: TrainDialog) -> None:
    editor = dialog.form.rows["train.learning_rate"].editor
    assert isinstance(editor, QLineEdit)
    editor.clear()
    qtbot.keyClicks(editor, "2e-4")
    assert editor.text() == "2e-4"
    assert dialog.state.form.config().train.learning_rate == 2e-4


def test_advanced_settings_are_folded_but_found_and_shown_when_changed(
    qtbot: QtBot, dialog: TrainDialog
) -> None:
    dialog.show()
    row = dialog.form.rows["train.temperature"]
    assert not row.editor.isVisible()
    dialog.form.search.setText("gumbel")
    assert row.editor.isVisible()
    assert not dialog.form.rows["model.z_dim"].editor.isVisible()
    dialog.form.search.clear()
    assert not row.editor.isVisible()
    dialog.state.form.set("train.temperature", "0.7")
    assert row.editor.isVisible()
    dialog.close()


def test_a_problem_is_mended_by_its_button(ready: TrainDialog) -> None:
    ready.state.form.set("data.normalise", "image")
    assert not ready.start.isEnabled()
    assert ready.preflight.problems_shown()
    problem = ready.state.preflight.blocking  # type: ignore[union-attr]
    ready.preflight.mend_requested.emit(problem)
    assert ready.start.isEnabled()
    shown = ready.preflight.problems_shown()
    assert shown == ["One range for all images: their values, 0 to 1, stay as they are."]


def test_a_new_run_takes_images_and_settings_of_an_earlier_one(
    qtbot: QtBot, dialog: TrainDialog, images: Path
) -> None:
    config = RunConfig()
    config.data.path, config.model.z_dim = str(images), 7
    dialog.state.start_from(config)
    qtbot.waitUntil(lambda: dialog.state.look is not None, timeout=20_000)
    assert dialog.state.form.config() == config
    assert dialog.form.rows["model.z_dim"].dot.text() == "●"


def test_a_taken_name_is_refused(ready: TrainDialog) -> None:
    (ready.state.folder / "taken").mkdir(parents=True)
    (ready.state.folder / "taken" / "file").touch()
    ready.state.rename("taken")
    assert "choose another name" in ready.reason.text()


def test_the_latest_look_wins(qtbot: QtBot, images: Path) -> None:
    job = LookJob(open_data)
    looks: list[str] = []
    job.look_ready.connect(lambda look: looks.append(look.path))
    for _ in range(20):
        job.look(DataConfig(path=str(images)))
    with qtbot.waitSignal(job.look_failed, timeout=20_000) as caught:
        job.look(DataConfig(path="/nothing"))
    assert isinstance(caught.args[0], ImageFileError)
    assert looks == []
    job.close()


def test_the_monitor_follows_epochs_and_previews(
    qtbot: QtBot, monitor: RunMonitor, tmp_path: Path
) -> None:
    (tmp_path / "previews").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "previews" / "g.png")
    np.savez(tmp_path / "previews" / "l.npz", z=np.random.default_rng(0).normal(size=(50, 2)))
    monitor.state.feed_lines([started_line(), epoch_line(0), epoch_line(1)])
    monitor.state.feed(Preview(1, "previews/g.png", "previews/g.png", "previews/l.npz"))
    qtbot.waitUntil(lambda: monitor.headline.text() == "Training epoch 3 of 3", timeout=20_000)
    assert monitor.elbo.names_shown() == ["train", "validation"]
    assert monitor.kl.names_shown() == ["angle", "shift", "content"]
    assert monitor.grid.has_image
    assert monitor.latents.points_shown == 50


def test_a_missing_or_broken_preview_is_told(monitor: RunMonitor, tmp_path: Path) -> None:
    (tmp_path / "previews").mkdir()
    (tmp_path / "previews" / "l.npz").write_bytes(b"PK\x03\x04 broken")
    monitor.state.feed(Preview(0, "g.png", "p.png", "l.npz"))
    assert not monitor.grid.has_image
    assert monitor.latents.points_shown == 0


def test_an_earlier_epoch_stays_in_view_while_new_ones_come(monitor: RunMonitor) -> None:
    for number in range(3):
        monitor.state.feed(Preview(number, "g.png", "p.png", "l.npz"))
    assert monitor.epoch.value() == 2
    monitor.epoch.setValue(0)
    monitor.state.feed(Preview(3, "g.png", "p.png", "l.npz"))
    assert monitor.epoch.value() == 0
    assert monitor.epoch_words.text() == "epoch 1"


def test_grey_buttons_say_why(monitor: RunMonitor) -> None:
    assert monitor.stop.toolTip() == "Nothing is running."
    assert monitor.explore.toolTip() == "There is nothing to explore before the first checkpoint."
    monitor.state.feed_lines([started_line(), epoch_line(0)])
    monitor.redraw()
    assert monitor.stop.isEnabled()
    assert monitor.resume.toolTip() == "The run is already training."


def test_the_verdict_is_told_with_a_way_to_try_again(qtbot: QtBot, monitor: RunMonitor) -> None:
    monitor.state.feed_lines([started_line(), epoch_line(0)])
    monitor.redraw()
    assert monitor.verdict.isHidden()
    assert monitor.again.isHidden()
    monitor.state.feed(Judged("all", "Learned so.", {}, False))
    monitor.redraw()
    assert monitor.verdict.text() == "So far: Learned so."
    assert monitor.again.isHidden()
    changes = {"train.epochs": "40"}
    monitor.state.feed(Judged("nothing", "Nothing was learned.", changes, True))
    monitor.redraw()
    assert monitor.verdict.text() == "Nothing was learned."
    assert "train.epochs=40" in monitor.again.toolTip()
    with qtbot.waitSignal(monitor.again_requested) as asked:
        monitor.again.click()
    assert asked.args == [monitor.state.folder.path, changes]


def test_a_run_at_work_is_explored_as_it_is_now(
    qtbot: QtBot, monitor: RunMonitor, tmp_path: Path
) -> None:
    monitor.state.feed_lines([started_line(), epoch_line(0)])
    monitor.redraw()
    assert not monitor.explore.isEnabled()
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-00000010.json").write_text("{}")
    monitor.redraw()
    assert monitor.explore.text() == "Explore so far"
    with qtbot.waitSignal(monitor.so_far_requested) as asked:
        monitor.explore.click()
    assert asked.args == [tmp_path]
    monitor.show_embedding("Embedding the images …")
    assert monitor.facts.text().startswith("Embedding the images …")
    assert monitor.explore.toolTip() == "The images are being embedded."


def test_a_verdict_of_a_run_from_a_terminal_is_found(tmp_path: Path) -> None:
    kept = Verdict("pose", "Learned the pose, not the content.", "0.1 nats.")
    (tmp_path / "verdict.json").write_text(kept.to_json())
    state = TrainingState.from_folder(tmp_path)
    assert state.judged is not None
    assert state.judged.words == "Learned the pose, not the content. 0.1 nats."


def test_the_presets_stand_in_groups_after_the_recommendation(dialog: TrainDialog) -> None:
    names = [dialog.preset.itemText(index) for index in range(dialog.preset.count())]
    assert names[0] == "Recommended for these images"
    assert names.index("Start here") < names.index("fast-cpu") < names.index("As published")
    model = dialog.preset.model()
    assert model is not None
    head = model.index(names.index("As published"), 0)
    assert not model.flags(head) & Qt.ItemFlag.ItemIsEnabled
    dialog.preset.setCurrentIndex(names.index("fast-particles"))
    dialog.preset.activated.emit(names.index("fast-particles"))
    assert dialog.state.form.config() == load_preset("fast-particles")
    assert dialog.about.text() == dialog.state.about != ""


def test_a_failed_run_says_what_happened_and_what_to_do(
    monitor: RunMonitor, tmp_path: Path
) -> None:
    monitor.state.feed_lines([started_line(), epoch_line(0)])
    (tmp_path / "run.pid").write_text("999999999")
    monitor.state.process_ended()
    monitor.redraw()
    assert monitor.headline.text() == "Failed after 1 epoch"
    assert "killed" in monitor.reason.text()
    assert "Resume" in monitor.todo.text()


def test_a_finished_run_is_one_click_from_exploring(
    qtbot: QtBot, monitor: RunMonitor, tmp_path: Path
) -> None:
    (tmp_path / "embeddings.h5").touch()
    monitor.state.feed_lines([started_line(1), epoch_line(0, 1)])
    monitor.state.process_ended()
    monitor.redraw()
    assert monitor.state.status is RunStatus.FINISHED
    with qtbot.waitSignal(monitor.explore_requested, timeout=20_000) as caught:
        monitor.explore.click()
    assert caught.args[0] == tmp_path / "embeddings.h5"


def test_a_closed_monitor_hears_no_more(qtbot: QtBot, tmp_path: Path) -> None:
    state = TrainingState(tmp_path)
    monitor = RunMonitor(state)
    monitor.let_go()
    monitor.deleteLater()
    qtbot.wait(1)
    state.feed_lines([started_line(), epoch_line(0), "words"])


def test_runs_are_listed_and_compared(
    qtbot: QtBot, tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    for name in ("one", "two"):
        run = make_run(name)
        (run / "metrics.jsonl").write_text(epoch_line(0) + "\n" + epoch_line(1) + "\n")
    runs = RunList(RecentRuns(tmp_path / "recent.json"), [tmp_path])
    view = RunListView(runs)
    qtbot.addWidget(view)
    runs.refresh()
    assert view.table.rowCount() == 2
    for row in range(2):
        view.table.cellClicked.emit(row, 0)
    assert sorted(view.comparison.chart.names_shown()) == ["one", "two"]
    assert len(runs.compared) == 2
    view.table.cellClicked.emit(0, 0)
    assert len(view.comparison.chart.names_shown()) == 1
    first = view.table.item(0, 1)
    with qtbot.waitSignal(view.run_opened, timeout=20_000) as caught:
        view.table.itemActivated.emit(first)
    assert caught.args[0].name in ("one", "two")
    view.let_go()


def test_an_empty_list_offers_the_next_step(qtbot: QtBot, tmp_path: Path) -> None:
    view = RunListView(RunList(RecentRuns(tmp_path / "recent.json")))
    qtbot.addWidget(view)
    assert not view.empty.isHidden()
    with qtbot.waitSignal(view.new_run_requested, timeout=20_000):
        view.new_run.click()
    view.let_go()


def test_closing_offers_to_leave_stop_or_stay(qtbot: QtBot) -> None:
    question = ClosingQuestion(["digits"])
    qtbot.addWidget(question)
    assert question.text() == "digits is training."
    assert question.defaultButton() is question.leave
    assert question.escapeButton() is question.stay
