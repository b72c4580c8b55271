"""Training from the window: a run is made in the dialog, followed, explored, left and found."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from tests.core.engine.runs import tiny_run, write_images
from tests.gui.conftest import settle
from tests.gui.hands import drag
from tests.gui.training.conftest import FAKE
from tvae_core.config import RunConfig
from tvae_core.engine.training.train import train
from tvae_core.errors import Cancelled
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.listing import RecentRuns
from tvae_core.runs.status import RunStatus
from tvae_gui.jobs.decode_job import engine_decoder
from tvae_gui.jobs.run_keeper import RunKeeper
from tvae_gui.main_window import MainWindow
from tvae_gui.session import demo
from tvae_gui.training.closing_question import ClosingQuestion
from tvae_gui.training.run_list import RunListView
from tvae_gui.training.run_monitor import RunMonitor
from tvae_gui.training.train_dialog import TrainDialog
from tvae_gui.training.training import RECENT_RUNS, SO_FAR

SMALL = {
    "train.epochs": "2",
    "train.batch_size": "16",
    "train.preview_images": "16",
    "train.threads": "1",
    "model.encoder_kernels": "4",
    "model.generator_hidden": "16",
    "model.fourier_features": "16",
    "model.rotations": "4",
    "embed.atlas_nodes": "4",
}
Make = Callable[..., MainWindow]


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """96 images of 16 x 16 px: bars turned about their centre."""
    rng = np.random.default_rng(0)
    y, x = np.indices((16, 16)) - 7.5
    angles = rng.uniform(0, np.pi, 96)[:, None, None]
    found = np.abs(x * np.sin(angles) - y * np.cos(angles)) < rng.uniform(1, 3, (96, 1, 1))
    np.save(tmp_path / "bars.npy", (found & (np.hypot(x, y) < 6)).astype(np.float32))
    return tmp_path / "bars.npy"


@pytest.fixture
def make_fake_run(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Make run folders for the fake trainer; their processes end with the test."""
    made: list[RunFolder] = []

    def make(name: str, plan: str = '{"epochs": 2}') -> Path:
        run = tmp_path / "runs" / name
        run.mkdir(parents=True)
        (run / "fake.json").write_text(plan)
        RunConfig().save(run / "config.json")
        made.append(RunFolder(run))
        return run

    yield make
    for folder in made:
        if (pid := folder.process()) is not None:
            os.kill(pid, signal.SIGKILL)


def visible(kind: type[Any]) -> list[Any]:
    """Return the visible windows of a kind."""
    return [w for w in QApplication.topLevelWidgets() if isinstance(w, kind) and w.isVisible()]


def start_fake(window: MainWindow, run: Path) -> RunKeeper:
    """Start a run of the fake trainer in a window."""
    keeper = window.training.keeper()
    keeper._command = FAKE
    keeper.resume(run)
    return keeper


def test_a_run_is_started_in_the_window_followed_and_explored(
    qtbot: QtBot, make_window: Make, bars: Path, tmp_path: Path
) -> None:
    window = make_window(engine_decoder)
    window.commands.run("train")
    (dialog,) = visible(TrainDialog)
    dialog.path.setText(str(bars))
    dialog.path.editingFinished.emit()
    qtbot.waitUntil(lambda: dialog.state.look is not None, timeout=20_000)
    for key, text in SMALL.items():
        dialog.state.form.set(key, text)
    qtbot.waitUntil(lambda: not dialog.state.why_not, timeout=60_000)
    ended = window.training.keeper().run_ended
    with qtbot.waitSignal(ended, timeout=240_000) as end:
        dialog.start.click()
    run, status = end.args
    assert status is RunStatus.FINISHED
    assert RunFolder(run).process() is None
    assert not visible(TrainDialog)

    (monitor,) = visible(RunMonitor)
    qtbot.waitUntil(monitor.explore.isEnabled, timeout=20_000)
    monitor.explore.click()
    assert window.state.store is not None
    assert window.state.store.path == run / "embeddings.h5"
    settle(qtbot, window)
    before = np.array(window.probe.values)
    x0, x1, y0, y1 = window.state.extent
    steps = np.linspace(0.3, 0.7, 8)
    drag(window, [(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t) for t in steps])
    qtbot.waitUntil(lambda: window.probe.is_exact, timeout=20_000)
    assert window.probe.values is not None
    assert not np.allclose(before, window.probe.values)
    assert RecentRuns(tmp_path / "config" / RECENT_RUNS).read() == [run]


def test_recommended_settings_fill_the_dialog_and_say_why(
    qtbot: QtBot, make_window: Make, bars: Path
) -> None:
    window = make_window()
    window.training.open_dialog(bars)
    (dialog,) = visible(TrainDialog)
    assert "still being" in dialog.state.why_not
    qtbot.waitUntil(lambda: dialog.state.recommendation is not None, timeout=60_000)
    found = dialog.state.recommendation
    assert found is not None
    assert dialog.state.form.config() == found.config
    assert dialog.command.text().endswith(f"--data {bars}")
    for choice in found.choices:
        assert dialog.form.rows[choice.key].why.text() == f"Why: {choice.reason}."
    assert "Chosen from a look at" in dialog.about.text()
    key = found.choices[-1].key
    dialog.state.form.set(key, 3)
    assert dialog.form.rows[key].why.text() == ""
    assert f"--set {key}=3" in dialog.command.text()


def test_a_stopped_run_is_explored_with_its_newest_checkpoint(
    qtbot: QtBot, make_window: Make, tmp_path: Path
) -> None:
    run = tiny_run(tmp_path / "stopped", write_images(tmp_path))
    with pytest.raises(Cancelled):
        list(train(run, cancelled=run.metrics.exists))
    window = make_window(engine_decoder)
    window.training.open_monitor(run.path)
    (monitor,) = visible(RunMonitor)
    assert monitor.explore.text() == "Explore so far"
    monitor.explore.click()
    qtbot.waitUntil(lambda: window.state.store is not None, timeout=120_000)
    assert window.state.store is not None
    assert window.state.store.path == run.path / SO_FAR
    assert not run.store.exists()
    settle(qtbot, window)


def test_trying_again_opens_a_new_run_with_the_changes(
    make_window: Make, make_fake_run: Callable[..., Path], bars: Path
) -> None:
    run = make_fake_run("first")
    config = RunConfig()
    config.data.path = str(bars)
    config.save(run / "config.json")
    window = make_window()
    window.training.try_again(run, {"train.epochs": "44", "model.rotations": "16"})
    (dialog,) = visible(TrainDialog)
    assert dialog.state.form.config().train.epochs == 44
    assert dialog.state.form.config().model.rotations == 16
    assert dialog.path.text() == str(bars)
    assert dialog.state.run != run


def test_images_that_cannot_be_read_are_told_in_the_dialog(
    qtbot: QtBot, make_window: Make, tmp_path: Path
) -> None:
    (tmp_path / "broken.npy").write_bytes(b"nothing")
    window = make_window()
    window.training.open_dialog()
    (dialog,) = visible(TrainDialog)
    dialog.state.choose_images(str(tmp_path / "broken.npy"))
    qtbot.waitUntil(lambda: dialog.state.look_error is not None, timeout=20_000)
    assert "cannot be read" in dialog.state.why_not


def test_a_copied_run_opens_the_dialog_with_its_settings(
    make_window: Make, make_fake_run: Callable[..., Path], bars: Path
) -> None:
    run = make_fake_run("first")
    config = RunConfig()
    config.data.path, config.train.epochs = str(bars), 7
    config.save(run / "config.json")
    window = make_window()
    window.training.open_runs()
    (listed,) = visible(RunListView)
    listed.copy_requested.emit(run)
    (dialog,) = visible(TrainDialog)
    assert dialog.state.form.config().train.epochs == 7
    assert dialog.state.form.data_path == str(bars)


def test_a_copied_run_without_settings_is_told(
    make_window: Make, make_fake_run: Callable[..., Path]
) -> None:
    run = make_fake_run("first")
    (run / "config.json").write_text("{")
    window = make_window()
    window.training.copy_run(run)
    assert "config.json" in window.message_bar.text
    assert not visible(TrainDialog)


@pytest.mark.parametrize("way", ["open", "drop"])
def test_a_run_without_embeddings_opens_its_monitor(
    make_window: Make, make_fake_run: Callable[..., Path], way: str
) -> None:
    run = make_fake_run("begun")
    window = make_window()
    assert window.open(run) if way == "open" else window.take_file(run) is None
    (monitor,) = visible(RunMonitor)
    assert monitor.state.folder.path == run
    assert window.message_bar.isHidden()


def test_a_monitor_and_the_list_that_were_closed_open_again(
    make_window: Make, make_fake_run: Callable[..., Path]
) -> None:
    run = make_fake_run("begun")
    window = make_window()
    for _ in range(2):
        window.training.open_runs()
        window.training.open_monitor(run)
        (monitor,), (listed,) = visible(RunMonitor), visible(RunListView)
        assert listed.table.rowCount() == 1
        monitor.close()
        listed.close()


def test_runs_are_found_again_after_reopening_the_window(
    qtbot: QtBot, make_window: Make, make_fake_run: Callable[..., Path]
) -> None:
    run = make_fake_run("long", '{"epochs": 1, "step_s": 60}')
    first = make_window()
    start_fake(first, run)
    qtbot.waitUntil(lambda: (run / "run.pid").exists(), timeout=20_000)
    first.training._ask = lambda names: "leave"  # type: ignore[method-assign]
    assert first.close()
    assert RunFolder(run).process() is not None
    second = make_window()
    qtbot.waitUntil(
        lambda: [item.name for item in second.training.runs.runs] == ["long"], timeout=20_000
    )
    assert "running" in second.start_page.runs.item(0).text()
    second.start_page.runs.itemClicked.emit(second.start_page.runs.item(0))
    (monitor,) = visible(RunMonitor)
    second.training._ask = lambda names: "stop"  # type: ignore[method-assign]
    qtbot.waitUntil(lambda: monitor.state.status is RunStatus.RUNNING, timeout=20_000)
    assert not second.close()
    qtbot.waitUntil(lambda: not second.isVisible(), timeout=20_000)
    assert RunFolder(run).process() is None
    assert RunFolder(run).has_checkpoint()


def test_the_window_stays_when_the_user_stays(
    qtbot: QtBot, make_window: Make, make_fake_run: Callable[..., Path]
) -> None:
    run = make_fake_run("long", '{"epochs": 1, "step_s": 60}')
    window = make_window()
    start_fake(window, run)
    qtbot.waitUntil(lambda: (run / "run.pid").exists(), timeout=20_000)
    window.training._ask = lambda names: "stay"  # type: ignore[method-assign]
    assert not window.close()
    assert window.isVisible()
    assert RunFolder(run).process() is not None
    window.training._ask = lambda names: "leave"  # type: ignore[method-assign]


@pytest.mark.parametrize("answer", ["leave", "stop", "stay"])
def test_the_closing_question_gives_the_answer_that_was_clicked(qtbot: QtBot, answer: str) -> None:
    question = ClosingQuestion(["hinge"])
    qtbot.addWidget(question)
    QTimer.singleShot(0, getattr(question, answer).click)
    assert question.answer() == answer
    assert question.defaultButton() is question.leave
    assert question.escapeButton() is question.stay


def test_the_demo_opens_when_there_is_one_and_says_why_when_there_is_none(
    make_window: Make, own_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "shipped", lambda name: own_store.parent / name)
    window = make_window()
    assert not window.start_page.demo_button.isEnabled()
    assert "tvae demo" in window.start_page.demo_button.toolTip()
    own_store.rename(own_store.with_name("example.h5"))
    window.close_run()
    assert window.start_page.demo_button.isEnabled()
    window.start_page.demo_button.click()
    assert window.state.store is not None
    assert window.state.store.path.name == "example.h5"


def test_a_recent_store_that_is_gone_is_told_and_taken_off(
    make_window: Make, own_store: Path
) -> None:
    window = make_window()
    assert window.open(own_store)
    window.close_run()
    assert window.start_page.recent.count() == 1
    item = window.start_page.recent.item(0)
    own_store.unlink()
    window.start_page.recent.itemClicked.emit(item)
    assert window.state.store is None
    assert window.message_bar.text
    assert window.start_page.recent.count() == 0


@pytest.mark.parametrize("answer", ["elsewhere.mrcs", ""])
def test_a_run_whose_images_moved_asks_where_they_are(
    qtbot: QtBot,
    make_window: Make,
    make_fake_run: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    answer: str,
) -> None:
    window, run = make_window(), make_fake_run("moved")
    config = RunConfig().changed([f"data.path={tmp_path / 'gone' / 's.mrcs'}"])
    config.save(run / "config.json")
    asked = []
    monkeypatch.setattr(
        QFileDialog,
        "getOpenFileName",
        lambda _parent, words, *_: (asked.append(words), (answer, ""))[1],
    )
    keeper = window.training.keeper()
    keeper._command = FAKE
    if answer:
        with qtbot.waitSignal(keeper.run_ended, timeout=30_000):
            window.training.resume(run)
        words = json.loads((run / "words.json").read_text())
        assert words == ["--images-at", answer, "--json"]
    else:
        window.training.resume(run)
        assert not (run / "words.json").exists()
    assert asked == ["Where is s.mrcs now?"]
