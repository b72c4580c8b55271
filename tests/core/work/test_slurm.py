"""Slurm through submitit: the script, a job that is requeued and goes on, an end to it; sweeps."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.core.engine.runs import TINY, tiny_run, write_images
from tvae_core.cli.main import main
from tvae_core.config import RunConfig
from tvae_core.errors import ConfigError, DeviceError
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.job import QUEUED, REQUEUED, Job, cancel_job, live_job, read_job, write_job
from tvae_core.runs.listing import summarise
from tvae_core.runs.status import RunStatus
from tvae_core.work.jobs import JobsRequest
from tvae_core.work.slurm import SlurmOptions, minutes
from tvae_core.work.sweep import sweep_of
from tvae_core.work.train import TrainRequest
from tvae_gui.state.training_state import TrainingState

Capture = pytest.CaptureFixture[str]


def until(met: Callable[[], object], seconds: float = 300.0) -> None:
    """Wait until a condition is met."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "waited in vain"
        threading.Event().wait(0.1)


def tvae(*words: object) -> None:
    """Run a command in a process of its own, which what it submits outlives."""
    command = [sys.executable, "-m", "tvae_core.cli.main", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def sbatch(text: str) -> dict[str, str]:
    """The options of an sbatch script, as Slurm reads them: up to the first command."""
    lines = text.splitlines()
    assert lines[0] == "#!/bin/bash"
    head = lines[: next(n for n, line in enumerate(lines) if line and line[0] != "#")]
    words = [shlex.split(line.removeprefix("#SBATCH "))[0] for line in head if "#SBATCH" in line]
    return {name: value for name, _, value in (word[2:].partition("=") for word in words)}


def test_the_script_of_a_dry_run_asks_for_what_was_asked(tmp_path: Path, capsys: Capture) -> None:
    run = tmp_path / "my run"
    asked = "partition=gpu,gpus=4,time=8:00:00,nodes=2,mem=64GB,cpus=16,signal=300"
    assert main(["train", str(run), "--slurm", asked, "--dry-run"]) == 0
    text = capsys.readouterr().out
    options = sbatch(text)
    assert options["partition"] == "gpu"
    assert (options["gpus-per-node"], options["nodes"], options["cpus-per-task"]) == (
        "4",
        "2",
        "16",
    )
    assert (options["time"], options["mem"], options["signal"]) == ("480", "64GB", "USR2@300")
    assert options["job-name"] == "tvae-my run"
    assert "requeue" in options
    command = shlex.split(text.strip().splitlines()[-1])
    assert command[0] == "srun"
    assert command[-5:] == [sys.executable, "-u", "-m", "submitit.core._submit", str(run / "slurm")]
    assert not run.exists()


def test_a_sweep_is_an_array_of_jobs(tmp_path: Path, capsys: Capture) -> None:
    words = ["--slurm", "partition=p,time=60,parallel=2", "--sweep", "z_dim=2,8", "seed=0..2"]
    assert main(["train", str(tmp_path / "all"), *words, "--dry-run", "--json"]) == 0
    options = sbatch(json.loads(capsys.readouterr().out)["script"])
    assert options["array"] == "0-5%2"


def test_a_sweep_is_every_combination() -> None:
    runs = sweep_of(["z_dim=2,8", "train.seed=0..1"])
    assert runs == {
        "z_dim-2_seed-0": ("model.z_dim=2", "train.seed=0"),
        "z_dim-2_seed-1": ("model.z_dim=2", "train.seed=1"),
        "z_dim-8_seed-0": ("model.z_dim=8", "train.seed=0"),
        "z_dim-8_seed-1": ("model.z_dim=8", "train.seed=1"),
    }


@pytest.mark.parametrize("word", ["z_dims=2", "z_dim", "z_dim=", "z_dim=2,2", "seed=5..3", "x=1"])
def test_a_sweep_over_nothing_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(word.partition("=")[0])):
        sweep_of([word])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("90", 90), ("8:00:00", 480), ("30:00", 30), ("2-00:00:00", 2880), ("1-12", 2160),
        ("1-12:30", 2190), ("8h", 480), ("45m", 45), ("90s", 2), ("2d", 2880),
    ],
)  # fmt: skip
def test_a_time_is_read_as_slurm_reads_it(text: str, wanted: int) -> None:
    assert minutes(text) == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time=8", ""), ("partion=gpu,time=8", "did you mean 'partition'"), ("gpus=4", "time"),
        ("time=soon", "no time"), ("time=8,gpus=many", "gpus=many"), ("time=8,gpus", "gpus"),
        ("time=8,cluster=moon", "slurm or local"), ("time=8,nodes=0", "nodes=0"),
    ],
)  # fmt: skip
def test_options_that_slurm_does_not_have_are_told(text: str, says: str) -> None:
    if not says:
        assert SlurmOptions.parse(text).values == {"time": 8}
        return
    with pytest.raises(ConfigError, match=re.escape(says)):
        SlurmOptions.parse(text)


def test_without_slurm_nothing_is_begun(tmp_path: Path) -> None:
    images, run = write_images(tmp_path), tmp_path / "run"
    request = TrainRequest(folder=run, data=str(images), slurm="time=8")
    with pytest.raises(DeviceError, match="cluster=local"):
        request.run()
    assert not run.exists()


def test_a_job_is_requeued_goes_on_and_can_be_cancelled(tmp_path: Path) -> None:
    settings = ("train.epochs=9999", "train.stop_epochs=0", "train.checkpoint_minutes=60")
    run = tiny_run(tmp_path / "run", write_images(tmp_path), *settings)
    tvae("train", run.path, "--slurm", "cluster=local,time=30")
    job = read_job(run.path)
    assert job is not None
    try:
        until(lambda: run.epochs_done() > 1)
        assert summarise(run.path).state == "running"
        (task,) = psutil.Process(int(job.number)).children()
        task.send_signal(signal.SIGUSR2)  # what Slurm sends ahead of a preemption or the time limit
        until(lambda: not task.is_running() or task.status() == psutil.STATUS_ZOMBIE)
        again = read_job(run.path)
        assert again is not None
        assert (again.number, again.requeues) == (job.number, 1)
        assert run.has_checkpoint()
        done = run.epochs_done()
        until(lambda: run.epochs_done() > done)
        epochs = [json.loads(line)["epoch"] for line in run.metrics.read_text().splitlines()]
        assert epochs == list(range(len(epochs)))
        (listed,) = JobsRequest(folder=tmp_path, cancel=True).run()
        assert listed.job.state == "cancelled"
        until(lambda: run.process() is None)
        assert summarise(run.path).status is RunStatus.STOPPED
        assert live_job(run.path) is None
    finally:
        end(int(job.number))


def end(number: int) -> None:
    """End what is left of a local job."""
    try:
        controller = psutil.Process(number)
    except psutil.NoSuchProcess:
        return
    left = [*controller.children(recursive=True), controller]
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=10)


def test_a_job_trains_to_the_end_and_says_so(tmp_path: Path) -> None:
    images = write_images(tmp_path)
    config = tmp_path / "config.json"
    RunConfig.model_validate(TINY).changed(["train.epochs=1"]).save(config)
    words = ["--data", images, "--config", config, "--sweep", "seed=0,1"]
    tvae("train", tmp_path / "all", *words, "--slurm", "cluster=local,time=9")
    runs = [tmp_path / "all" / f"seed-{seed}" for seed in (0, 1)]
    until(lambda: all((job := read_job(run)) and job.state == "ended" for run in runs))
    for run in runs:
        found = summarise(run)
        assert (found.status, found.state) == (RunStatus.FINISHED, "finished")
        assert found.has_store
    assert [summarise(run).settings["train.seed"] for run in runs] == [0, 1]


def test_a_sweep_without_slurm_trains_one_after_the_other(tmp_path: Path, capsys: Capture) -> None:
    images = write_images(tmp_path)
    config = tmp_path / "config.json"
    RunConfig.model_validate(TINY).changed(["train.epochs=1"]).save(config)
    words = ["train", str(tmp_path / "all"), "--data", str(images), "--config", str(config)]
    words += ["--sweep", "z_dim=1,2"]
    assert main(words) == 0
    said = capsys.readouterr().out
    for z_dim in (1, 2):
        run = RunFolder(tmp_path / "all" / f"z_dim-{z_dim}")
        assert run.config().model.z_dim == z_dim
        assert run.store.exists()
        assert re.search(rf"z_dim-{z_dim}: ELBO -\d", said)
    stores = {run: run.stat().st_mtime_ns for run in (tmp_path / "all").glob("*/embeddings.h5")}
    assert main(words) == 0  # nothing is left to do
    assert {run: run.stat().st_mtime_ns for run in stores} == stores


@pytest.mark.parametrize("state", [QUEUED, REQUEUED])
def test_who_looks_at_the_folder_sees_a_job_that_waits(tmp_path: Path, state: str) -> None:
    run = tiny_run(tmp_path / "run", write_images(tmp_path))
    write_job(run.path, Job("slurm", "123"), state)
    found = summarise(run.path)
    assert (found.status, found.state) == (RunStatus.QUEUED, state)
    assert found.reason == f"{state} as Slurm job 123"
    seen = TrainingState.from_folder(run.path)
    assert seen.status is RunStatus.QUEUED
    assert seen.headline == f"{state.capitalize()} as Slurm job 123"


def test_a_job_that_fell_silent_is_not_running(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run", write_images(tmp_path))
    write_job(run.path, Job("slurm", "123"), "running")
    assert summarise(run.path).state == "running"
    long_ago = time.time() - 3600
    os.utime(run.path / "job.json", (long_ago, long_ago))
    assert summarise(run.path).state == "not started"


def test_cancelling_tells_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny_run(tmp_path / "run", write_images(tmp_path))
    write_job(run.path, Job("slurm", "123_4"), QUEUED)
    command = tmp_path / "bin" / "scancel"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\necho "$@" > {shlex.quote(str(tmp_path / "told"))}\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)
    assert cancel_job(run.path)
    assert (tmp_path / "told").read_text() == "123_4\n"
    assert summarise(run.path).state == "not started"
    assert not cancel_job(run.path)
