import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from tests.gui.training.conftest import FAKE
from tvae_core.config import RunConfig
from tvae_core.errors import TvaeError
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.process import is_alive
from tvae_core.runs.status import RunStatus
from tvae_gui.jobs import train_job
from tvae_gui.jobs.run_keeper import RunKeeper
from tvae_gui.jobs.tail import Tail

MakeRun = Callable[..., Path]


def test_a_run_is_followed_to_its_end(qtbot: QtBot, keeper: RunKeeper, make_run: MakeRun) -> None:
    run = make_run(epochs=3)
    with qtbot.waitSignal(keeper.run_ended, timeout=20_000):
        state = keeper.resume(run)
    assert state is not None
    assert state.status is RunStatus.FINISHED
    assert state.store == run / "embeddings.h5"
    assert [epoch.epoch for epoch in state.epochs] == [0, 1, 2]
    assert set(state.log) == {"a line that is no record", "a word on the error stream"}
    assert keeper.working() == []


def test_the_process_is_niced_and_in_a_session_of_its_own(
    qtbot: QtBot, keeper: RunKeeper, make_run: MakeRun
) -> None:
    run = make_run(step_s=30)
    state = keeper.resume(run)
    assert state is not None
    qtbot.waitUntil(lambda: state.status is RunStatus.RUNNING, timeout=20_000)
    pid = RunFolder(run).process()
    assert pid is not None
    assert os.getpriority(os.PRIO_PROCESS, pid) >= 10
    assert os.getsid(pid) != os.getsid(0)


def test_stop_writes_a_checkpoint_and_resume_goes_on(
    qtbot: QtBot, keeper: RunKeeper, make_run: MakeRun
) -> None:
    run = make_run(epochs=2, step_s=30)
    state = keeper.resume(run)
    assert state is not None
    qtbot.waitUntil(lambda: state.step is not None, timeout=20_000)
    with qtbot.waitSignal(keeper.run_ended, timeout=20_000):
        keeper.stop(run)
        assert state.status is RunStatus.STOPPING
    assert state.status is RunStatus.STOPPED
    assert RunFolder(run).has_checkpoint()
    (run / "metrics.jsonl").touch()
    (run / "fake.json").write_text(json.dumps({"epochs": 2}))
    with qtbot.waitSignal(keeper.run_ended, timeout=20_000):
        keeper.resume(run)
    assert state.status is RunStatus.FINISHED


def test_stop_never_kills_a_run_that_is_busy_but_says_so_and_ends_it_when_asked_again(
    qtbot: QtBot, keeper: RunKeeper, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_job, "_SLOW_AFTER_MS", 300)
    run = make_run(step_s=30, end="ignore-stop")
    state = keeper.resume(run)
    assert state is not None
    qtbot.waitUntil(lambda: state.step is not None, timeout=20_000)
    keeper.stop(run)
    qtbot.waitUntil(lambda: state.is_slow_to_stop, timeout=20_000)
    assert state.status is RunStatus.STOPPING
    assert RunFolder(run).process() is not None
    assert "has not ended yet" in "\n".join(state.log)
    with qtbot.waitSignal(keeper.run_ended, timeout=20_000):
        keeper.stop(run)
    assert state.status is RunStatus.STOPPED


def test_a_killed_process_shows_failed_with_words(
    qtbot: QtBot, keeper: RunKeeper, make_run: MakeRun
) -> None:
    run = make_run(epochs=9, step_s=0.2)
    state = keeper.resume(run)
    assert state is not None
    qtbot.waitUntil(lambda: len(state.epochs) > 0, timeout=20_000)
    pid = RunFolder(run).process()
    assert pid is not None
    with qtbot.waitSignal(keeper.run_ended, timeout=20_000):
        os.kill(pid, signal.SIGKILL)
    assert state.status is RunStatus.FAILED
    assert "killed" in state.reason
    assert "Resume" in state.todo
    (run / "fake.json").write_text(json.dumps({"epochs": 9}))
    with qtbot.waitSignal(keeper.run_ended, timeout=20_000):
        keeper.resume(run)
    assert state.status is RunStatus.FINISHED


def test_a_process_that_cannot_begin_shows_its_last_words(
    qtbot: QtBot, keeper: RunKeeper, make_run: MakeRun
) -> None:
    run = make_run(end="no-start")
    with qtbot.waitSignal(keeper.run_ended, timeout=20_000):
        state = keeper.resume(run)
    assert state is not None
    assert state.status is RunStatus.FAILED
    assert "No module named 'torch'" in state.reason


def test_a_failure_of_the_training_itself_is_told(
    qtbot: QtBot, keeper: RunKeeper, make_run: MakeRun
) -> None:
    with qtbot.waitSignal(keeper.run_ended, timeout=20_000):
        state = keeper.resume(make_run(end="fail"))
    assert state is not None
    assert state.status is RunStatus.FAILED
    assert state.todo == "lower the learning rate"


def test_a_window_that_closed_and_opened_again_finds_the_run(
    qtbot: QtBot, keeper: RunKeeper, make_run: MakeRun
) -> None:
    run = make_run(epochs=4, step_s=0.5)
    first = keeper.resume(run)
    assert first is not None
    qtbot.waitUntil(lambda: len(first.epochs) >= 1, timeout=20_000)
    keeper.detach()
    assert RunFolder(run).process() is not None
    again = RunKeeper(FAKE)
    second = again.open(run)
    assert second is not first
    assert second.status is RunStatus.RUNNING
    assert second.last_epoch >= 0
    with qtbot.waitSignal(again.run_ended, timeout=20_000):
        pass
    assert second.status is RunStatus.FINISHED
    assert len(second.epochs) == 4
    again.detach()


def test_the_run_outlives_the_program_that_started_it(make_run: MakeRun, qtbot: QtBot) -> None:
    run = make_run(step_s=30)
    program = (
        "import sys; from pathlib import Path; from PyQt6.QtCore import QCoreApplication\n"
        "from tvae_gui.jobs.train_job import start_detached\n"
        "from tvae_core.runs.folder import RunFolder\n"
        "from tvae_core.work.train import TrainRequest\n"
        "app, path = QCoreApplication([]), Path(sys.argv[1])\n"
        "start_detached(RunFolder(path), sys.argv[2:], TrainRequest(folder=path))\n"
    )
    subprocess.run([sys.executable, "-c", program, str(run), *FAKE], check=True, timeout=20)
    pid = RunFolder(run).process()
    assert pid is not None
    assert is_alive(pid)


def test_an_old_failure_is_not_told_as_news(
    qtbot: QtBot, keeper: RunKeeper, trained_run: Path
) -> None:
    with qtbot.assertNotEmitted(keeper.run_ended):
        state = keeper.open(trained_run)
    assert state.status is RunStatus.STOPPED
    assert state.last_epoch == 2


def test_a_second_start_of_a_working_run_is_refused(
    qtbot: QtBot, keeper: RunKeeper, make_run: MakeRun
) -> None:
    run = make_run(step_s=30)
    keeper.resume(run)
    with qtbot.waitSignal(keeper.failed, timeout=20_000) as caught:
        assert keeper.resume(run) is None
    assert "already training" in str(caught.args[0])


def test_a_new_run_never_mixes_with_what_is_there(
    qtbot: QtBot, keeper: RunKeeper, trained_run: Path
) -> None:
    before = (trained_run / "config.json").read_text()
    with qtbot.waitSignal(keeper.failed, timeout=20_000) as caught:
        assert keeper.start(trained_run, RunConfig()) is None
    assert isinstance(caught.args[0], TvaeError)
    assert (trained_run / "config.json").read_text() == before


def test_a_run_started_anew_gets_its_config(
    qtbot: QtBot, keeper: RunKeeper, tmp_path: Path
) -> None:
    config = RunConfig()
    config.model.z_dim = 5
    with qtbot.waitSignal(keeper.run_ended):  # the fake trainer finds no plan and ends
        state = keeper.start(tmp_path / "new" / "run", config)
    assert state is not None
    assert state.status is RunStatus.FAILED
    assert json.loads(state.folder.config_file.read_text())["model"]["z_dim"] == 5


def test_stopping_all_tells_when_the_last_one_ended(
    qtbot: QtBot, keeper: RunKeeper, make_run: MakeRun
) -> None:
    states = [keeper.resume(make_run(name, step_s=30)) for name in "ab"]
    qtbot.waitUntil(lambda: all(state and state.step for state in states), timeout=20_000)
    assert len(keeper.working()) == 2
    with qtbot.waitSignal(keeper.all_stopped, timeout=20_000):
        keeper.stop_all()
    assert keeper.working() == []


def test_a_dropped_keeper_leaves_no_timers(
    qtbot: QtBot, make_run: MakeRun, trained_run: Path
) -> None:
    keeper = RunKeeper(FAKE)
    keeper.open(trained_run)
    keeper.detach()
    del keeper
    gc.collect()
    assert not [o for o in gc.get_objects() if type(o) is train_job.TrainJob and o.children()]


def test_a_tail_gives_whole_lines_and_waits_for_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "f"
    tail = Tail(path)
    assert tail.read() == []
    path.write_bytes(b"one\ntw")
    assert tail.read() == ["one"]
    path.write_bytes(b"one\ntwo\n\xff\n")
    assert tail.read() == ["two", "�"]
    path.write_bytes(b"new\n")
    assert tail.read() == ["new"]


def test_a_tail_reads_large_files_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("x" * 999 + "\n" * 1 + ("y" * 999 + "\n") * 999)
    tail = Tail(path)
    first = tail.read()
    assert not tail.at_end
    assert len(first) < 300
    assert len(first) + len(tail.read_rest()) == 1000
