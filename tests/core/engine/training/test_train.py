"""Training: it learns, it stops when asked, and a resumed run is the run that was never stopped."""

from __future__ import annotations

import inspect
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.core.engine.model.models import blob_images
from tests.core.engine.runs import TINY, tiny_run, write_images
from tvae_core.cli.reporting import report
from tvae_core.config import DataConfig, RunConfig
from tvae_core.engine.data import Batch, epoch_batches, split_images
from tvae_core.engine.model.checkpoint import load_newest, save_step, step_names
from tvae_core.engine.model.systems import build_model
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training import trainer_state
from tvae_core.engine.training.step import StepFigures, train_step
from tvae_core.engine.training.train import train
from tvae_core.engine.training.trainer_state import TrainerState
from tvae_core.errors import Cancelled, CheckpointError, ConfigError, TrainingError
from tvae_core.files import sha256_of_file
from tvae_core.progress import Epoch, Finished, Preview, Started, from_json
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.process import mark
from tvae_core.runs.status import log_words


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, images: Path) -> RunFolder:
    run = tiny_run(tmp_path_factory.mktemp("runs") / "whole", images)
    list(train(run))
    return run


def test_a_run_reports_and_keeps_what_it_did(tmp_path: Path, images: Path) -> None:
    run = tiny_run(tmp_path / "run", images)
    records = list(train(run))
    assert isinstance(records[0], Started)
    assert isinstance(records[-1], Finished)
    epochs = [r for r in records if isinstance(r, Epoch)]
    assert [e.epoch for e in epochs] == [0, 1, 2]
    assert epochs[-1].elbo > epochs[0].elbo
    kept = [from_json(line) for line in run.metrics.read_text().splitlines()]
    assert kept == epochs
    previews = [r for r in records if isinstance(r, Preview)]
    assert all(Path(getattr(p, n)).exists() for p in previews for n in ("decoded_grid", "pairs"))
    assert len(step_names(run.checkpoints)) == 2
    with np.load(previews[-1].latents) as latents:
        assert latents["z"].shape == (16, 2)


@pytest.mark.parametrize("stop_after", [1, 5, 11])
def test_a_stopped_and_resumed_run_ends_with_the_same_bits(
    tmp_path: Path, images: Path, finished: RunFolder, stop_after: int
) -> None:
    run = tiny_run(tmp_path / "run", images)
    asked = count()
    with pytest.raises(Cancelled, match="checkpoint"):
        list(train(run, cancelled=lambda: next(asked) >= 2 * stop_after))
    assert not run.model.exists()
    list(train(run, resume=True))
    assert sha256_of_file(run.model) == sha256_of_file(finished.model)
    epochs = [json.loads(line)["epoch"] for line in run.metrics.read_text().splitlines()]
    assert epochs == [0, 1, 2]


def test_a_run_stopped_while_it_validates_ends_with_the_same_bits(
    tmp_path: Path, images: Path, finished: RunFolder
) -> None:
    def validates() -> bool:
        return any(frame.function == "mean_elbo" for frame in inspect.stack())

    run = tiny_run(tmp_path / "run", images)
    with pytest.raises(Cancelled, match="checkpoint"):
        list(train(run, cancelled=validates))
    assert not run.metrics.exists()
    list(train(run, resume=True))
    assert sha256_of_file(run.model) == sha256_of_file(finished.model)


def test_a_killed_run_resumes_to_the_same_bits(
    tmp_path: Path, images: Path, finished: RunFolder
) -> None:
    run = tiny_run(tmp_path / "run", images)
    command = [sys.executable, "-m", "tvae_core.cli.main", "train", str(run.path), "--no-embed"]
    child = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if '"epoch"' in line:
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sha256_of_file(run.model) == sha256_of_file(finished.model)


def test_sigterm_writes_a_checkpoint_and_ends_at_once(tmp_path: Path, images: Path) -> None:
    run = tiny_run(tmp_path / "run", images, "train.epochs=5000", "train.checkpoint_minutes=60")
    command = [sys.executable, "-m", "tvae_core.cli.main", "train", str(run.path), "--json"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stderr is not None
    for line in child.stdout:
        if '"epoch"' in line:
            break
    began = time.monotonic()
    child.terminate()
    _, errors = child.communicate()
    assert time.monotonic() - began < 30  # not after the epochs; a busy machine takes seconds
    assert child.returncode == 130
    assert "checkpoint" in errors
    assert load_newest(run.checkpoints) is not None


def test_a_damaged_newest_checkpoint_is_passed_over(
    tmp_path: Path, images: Path, finished: RunFolder
) -> None:
    run = tiny_run(tmp_path / "run", images)
    asked = count()
    with pytest.raises(Cancelled):
        list(train(run, cancelled=lambda: next(asked) >= 20))
    newest = run.checkpoints / f"{step_names(run.checkpoints)[0]}.safetensors"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    list(train(run, resume=True))
    assert sha256_of_file(run.model) == sha256_of_file(finished.model)


def test_a_run_with_only_damaged_checkpoints_says_so(tmp_path: Path, images: Path) -> None:
    run = tiny_run(tmp_path / "run", images)
    (run.checkpoints / "step-000000001.json").write_text("{}")
    with pytest.raises(CheckpointError, match="every checkpoint"):
        list(train(run, resume=True))


def test_an_elbo_that_is_not_finite_stops_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "wild.npy"
    stack = np.random.default_rng(0).random((40, 12, 12)).astype(np.float32)
    stack[7] *= 1e30
    np.save(path, stack)
    settings = ("data.normalise=none", "model.likelihood=gaussian", "train.seed=3")
    run = tiny_run(tmp_path / "run", path, *settings)
    with pytest.raises(TrainingError, match="learning_rate"):
        list(train(run))
    saved = load_newest(run.checkpoints)
    assert saved is None or all(t.isfinite().all() for t in saved.tensors.values())


def poisoned(monkeypatch: pytest.MonkeyPatch, steps: Callable[[int], bool]) -> None:
    """Let the gradient of one weight be infinite at the steps, the ELBO staying what it is."""
    seen = count()

    def initial(*arguments: Any) -> TargetVae:
        model = trainer_state.initial_model(*arguments)
        weight = model.generator.output.weight
        weight.register_hook(lambda g: g * float("inf") if steps(next(seen)) else g)
        return model

    monkeypatch.setattr("tvae_core.engine.training.train.initial_model", initial)


def test_a_step_whose_gradient_is_not_finite_is_skipped_and_counted(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    run = tiny_run(tmp_path / "run", images, "train.clip_gradient=1")
    poisoned(monkeypatch, lambda step: step in (2, 9, 10))
    report(train(run), as_json=False, log=run.log)
    epochs = [from_json(line) for line in run.metrics.read_text().splitlines()]
    assert [e.skipped for e in epochs if isinstance(e, Epoch)] == [1, 2, 0]
    assert all(isinstance(e, Epoch) and np.isfinite(e.elbo) for e in epochs)
    assert "2 steps skipped" in capsys.readouterr().out
    assert "2 steps skipped" in log_words(run.metrics.read_text().splitlines()[1])
    assert run.model.exists()


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_skipped_step_leaves_weights_and_moments_as_they_are(optimizer: str) -> None:
    config = RunConfig.model_validate(TINY).changed([f"train.optimizer={optimizer}"])
    model = build_model(config.model, 12, 1)
    state = TrainerState(model, config, 60)
    batch = Batch(blob_images(8, 12))

    def step() -> StepFigures:
        return train_step(
            model, state.optimizer, batch, config, state.schedule(), state.step, 8, lambda: None
        )

    assert step().taken
    before = state.checkpoint()
    hook = model.generator.output.bias.register_hook(lambda g: g * float("nan"))
    skipped = step()
    hook.remove()
    assert np.isfinite(skipped.elbo)
    assert not skipped.taken
    after = state.checkpoint()
    assert after.values == before.values
    for name, tensor in before.tensors.items():
        assert tensor.equal(after.tensors[name]), name


def test_too_many_skipped_steps_in_a_row_end_the_run(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny_run(tmp_path / "run", images, "train.epochs=9")
    poisoned(monkeypatch, lambda step: step > 8)
    with pytest.raises(TrainingError, match="20 steps in a row") as ended:
        list(train(run))
    assert "learning_rate" in str(ended.value)
    assert "\n" not in str(ended.value)
    saved = load_newest(run.checkpoints)
    assert saved is not None
    assert all(t.isfinite().all() for t in saved.tensors.values())


def test_a_checkpoint_that_is_not_finite_is_not_written(tmp_path: Path, images: Path) -> None:
    run = tiny_run(tmp_path / "run", images)
    asked = count()
    with pytest.raises(Cancelled):
        list(train(run, cancelled=lambda: next(asked) >= 8))
    kept = {p.name: p.read_bytes() for p in run.checkpoints.iterdir()}
    saved = load_newest(run.checkpoints)
    assert saved is not None
    saved.tensors["model.generator.output.bias"][0] = float("inf")
    with pytest.raises(CheckpointError, match="not finite") as refused:
        save_step(run.checkpoints, 99, saved)
    assert "last good checkpoint is kept" in str(refused.value)
    assert {p.name: p.read_bytes() for p in run.checkpoints.iterdir()} == kept


def test_a_begun_run_is_not_begun_again(finished: RunFolder) -> None:
    with pytest.raises(TrainingError, match="already started"):
        next(train(finished))


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path: Path, images: Path) -> None:
    run = tiny_run(tmp_path / "run", images)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        (run.path / "run.pid").write_text(mark(other.pid))
        with pytest.raises(TrainingError, match=f"process {other.pid}"):
            next(train(run))
    finally:
        other.kill()
        other.wait()
    next(train(run))  # a dead process holds nothing


def test_splits_are_disjoint_and_whole() -> None:
    data = DataConfig(validation_share=0.2, test_share=0.1)
    split = split_images(101, data, seed=4)
    together = np.concatenate([split.train, split.validation, split.test])
    assert sorted(together) == list(range(101))
    assert (len(split.validation), len(split.test)) == (20, 10)
    again = split_images(101, data, seed=4)
    np.testing.assert_array_equal(split.train, again.train)
    batches = epoch_batches(split.train, 16, 4, 0)
    assert sorted(np.concatenate(batches)) == sorted(split.train)
    assert not np.array_equal(batches[0], epoch_batches(split.train, 16, 4, 1)[0])


def test_too_few_images_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match="none are left for training"):
        split_images(2, DataConfig(path="x.npy", validation_share=0.5, test_share=0.5), 0)
