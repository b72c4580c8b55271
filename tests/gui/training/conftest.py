"""What the tests of the training window share."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PyQt6.QtWidgets import QApplication

from tests.state.records import epoch_line, started_line
from tvae_core.config import RunConfig
from tvae_core.runs.folder import RunFolder
from tvae_gui.jobs.run_keeper import RunKeeper

FAKE = (sys.executable, str(Path(__file__).with_name("fake_trainer.py")))


@pytest.fixture(autouse=True)
def _nothing_left(qapp: QApplication) -> Iterator[None]:
    """Every test leaves the threads and windows that it found."""
    threads = set(threading.enumerate())
    yield
    gc.collect()
    qapp.processEvents()
    assert set(threading.enumerate()) <= threads
    assert [widget for widget in qapp.topLevelWidgets() if widget.isVisible()] == []


@pytest.fixture
def make_run(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Make run folders for the fake trainer; their processes end with the test."""
    made: list[RunFolder] = []

    def make(name: str = "run", **plan: object) -> Path:
        path = tmp_path / name
        path.mkdir()
        (path / "fake.json").write_text(json.dumps(plan))
        RunConfig().save(path / "config.json")
        made.append(RunFolder(path))
        return path

    yield make
    for folder in made:
        if (pid := folder.process()) is not None:
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def keeper(qapp: QApplication) -> Iterator[RunKeeper]:
    """A keeper that starts the fake trainer."""
    made = RunKeeper(FAKE)
    yield made
    made.detach()


@pytest.fixture
def trained_run(make_run: Callable[..., Path]) -> Path:
    """A run of three epochs that was stopped."""
    run = make_run("trained")
    lines = [started_line(epochs=5), *(epoch_line(number, 5) for number in range(3))]
    (run / "progress.jsonl").write_text("\n".join(lines) + "\n")
    (run / "metrics.jsonl").write_text("\n".join(lines[1:]) + "\n")
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "step-1.json").write_text("{}")
    return run
