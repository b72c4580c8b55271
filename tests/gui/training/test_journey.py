"""A person chooses images, starts a run from the dialog and follows it to its embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from tvae_core.runs.status import RunStatus
from tvae_gui.jobs.look_job import LookJob
from tvae_gui.jobs.run_keeper import RunKeeper
from tvae_gui.state.new_run import NewRunState
from tvae_gui.training.run_monitor import RunMonitor
from tvae_gui.training.train_dialog import TrainDialog

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


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """96 images of 16 x 16 px: bars turned about their centre."""
    rng = np.random.default_rng(0)
    y, x = np.indices((16, 16)) - 7.5
    angles = rng.uniform(0, np.pi, 96)[:, None, None]
    bars = np.abs(x * np.sin(angles) - y * np.cos(angles)) < rng.uniform(1, 3, (96, 1, 1))
    np.save(tmp_path / "digits.npy", (bars & (np.hypot(x, y) < 6)).astype(np.float32))
    return tmp_path / "digits.npy"


def test_a_tiny_run_is_trained_for_real_from_the_dialog(
    qtbot: QtBot, digits: Path, tmp_path: Path
) -> None:
    state, look, keeper = NewRunState(tmp_path / "runs"), LookJob(), RunKeeper()
    dialog = TrainDialog(state)
    qtbot.addWidget(dialog)
    state.look_wanted.connect(look.look)
    look.look_ready.connect(state.show_look)
    dialog.run_requested.connect(keeper.start)

    dialog.path.setText(str(digits))
    dialog.path.editingFinished.emit()
    qtbot.waitUntil(lambda: state.look is not None, timeout=20_000)
    for key, text in SMALL.items():
        state.form.set(key, text)
    assert state.why_not == ""
    with qtbot.waitSignal(keeper.run_started, timeout=20_000) as started:
        dialog.start.click()
    training = keeper.open(started.args[0])
    monitor = RunMonitor(training)
    qtbot.addWidget(monitor)
    qtbot.waitSignal(keeper.run_ended, timeout=120_000).wait()

    assert training.status is RunStatus.FINISHED, (training.reason, list(training.log))
    assert [epoch.epoch for epoch in training.epochs] == [0, 1]
    assert len(training.previews) == 2
    monitor.redraw()
    assert monitor.grid.has_image
    assert monitor.latents.points_shown > 0
    assert monitor.explore.isEnabled()
    assert training.folder.store.is_file()
    keeper.detach()
    look.close()
    monitor.let_go()
