"""A run's process is known by number, start and boot: nothing else blocks a run or is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.engine.runs import tiny_run, write_images
from tvae_core.cli.main import main
from tvae_core.errors import TrainingError
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.process import is_alive, mark, proven_process, send

SLEEP = "import sys; print('up', flush=True); sys.stdin.read()"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """A process that lives until its input is closed."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", SLEEP], text=True, **pipes)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.communicate()


def test_a_mark_proves_the_process_that_wrote_it(
    tmp_path: Path, child: subprocess.Popen[str]
) -> None:
    file = tmp_path / "run.pid"
    file.write_text(mark(child.pid))
    assert proven_process(file) == child.pid
    file.write_text(mark())
    assert proven_process(file) == os.getpid()


@pytest.mark.parametrize("change", ["started", "boot", "pid", "number alone", "older", "junk"])
def test_another_process_of_the_same_number_proves_nothing(
    tmp_path: Path, child: subprocess.Popen[str], change: str
) -> None:
    file = tmp_path / "run.pid"
    held = json.loads(mark(child.pid))
    if change == "started":
        held["started"] -= 60
    elif change == "boot":
        held["boot"] = "another"
    elif change == "pid":
        held["pid"] = os.getppid()
    elif change == "older":
        del held["started"], held["boot"]
    file.write_text({"number alone": str(child.pid), "junk": "?"}.get(change, json.dumps(held)))
    assert proven_process(file) is None
    assert not send(file, signal.SIGKILL)
    assert is_alive(child.pid)
    assert child.poll() is None


def test_a_signal_reaches_the_proven_process_alone(
    tmp_path: Path, child: subprocess.Popen[str]
) -> None:
    file = tmp_path / "run.pid"
    file.write_text(mark(child.pid))
    assert send(file, signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM
    assert proven_process(file) is None
    assert not send(file, signal.SIGTERM)


@pytest.mark.parametrize("content", ["PID", "MARK", "", "null", "[1]", "-1", "true", "1e400"])
def test_a_stale_file_never_blocks_a_run(
    tmp_path: Path, child: subprocess.Popen[str], content: str
) -> None:
    run = tiny_run(tmp_path / "run", write_images(tmp_path), "train.epochs=1")
    stale = json.dumps(json.loads(mark(child.pid)) | {"boot": "before the restart"})
    run.pid_file.write_text(content.replace("PID", str(child.pid)).replace("MARK", stale))
    run.launch_file.write_text(str(child.pid))
    assert run.process() is None
    assert not run.signal(signal.SIGTERM)
    with run.locked():
        assert run.process() == os.getpid()
    assert not run.pid_file.exists()


def test_a_run_that_is_being_trained_is_not_trained_twice(
    tmp_path: Path, child: subprocess.Popen[str]
) -> None:
    run = RunFolder(tmp_path)
    run.pid_file.write_text(mark(child.pid))
    with pytest.raises(TrainingError, match=f"by process {child.pid}"), run.locked():
        pass
    assert run.pid_file.exists()


def test_a_number_alone_is_believed_where_the_process_trains_this_run(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLEEP, "train", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (tmp_path / "run.pid").write_text(str(process.pid))
        assert RunFolder(tmp_path).process() == process.pid
        process.communicate()


def test_a_stopped_run_resumes_beside_a_stale_file(
    tmp_path: Path, child: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tiny_run(tmp_path / "run", write_images(tmp_path), "train.epochs=1")
    run.pid_file.write_text(str(child.pid))
    assert main(["train", str(run.path)]) == 0, capsys.readouterr().err
