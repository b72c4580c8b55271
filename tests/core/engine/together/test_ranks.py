"""Several ranks: the loss and the store of one, and an end for all when one is lost."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest

from tests.core.engine.runs import tiny_run, write_images
from tests.core.engine.together.steps import KINDS, elbos
from tvae_core.engine.model.checkpoint import step_names
from tvae_core.progress import Failed, from_json
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.listing import summarise
from tvae_core.runs.status import RunStatus

TVAE = [sys.executable, "-m", "tvae_core.cli.main"]
LONG = ("train.epochs=5000", "train.stop_epochs=0", "train.checkpoint_minutes=60")


def tvae(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TVAE, *map(str, words)], capture_output=True, text=True, check=False)


def ranks_of(parent: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that torchrun started, in the order of their ranks."""
    found = psutil.Process(parent.pid).children(recursive=True)
    ranks = {int(p.environ()["RANK"]): p for p in found if "RANK" in p.environ()}
    return [ranks[rank] for rank in sorted(ranks)]


@contextmanager
def training(
    run: RunFolder, *words: str
) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A run in its second epoch on two ranks, and these."""
    command = [*TVAE, "train", str(run.path), "--devices", "2", "--json", *words]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    try:
        for line in parent.stdout:
            if line.startswith('{"kind": "epoch"'):
                break
        yield parent, ranks_of(parent)
    finally:
        parent.kill()
        parent.communicate()


def arrays_of(store: Path) -> dict[str, np.ndarray]:
    """Every array of a store."""
    found: dict[str, np.ndarray] = {}

    def keep(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = np.asarray(item[()])

    with h5py.File(store) as file:
        file.visititems(keep)
    return found


def test_fifty_steps_of_two_ranks_have_the_loss_of_one() -> None:
    command = [sys.executable, "-m", "tvae_core.engine.together.agent", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "tests.core.engine.together.steps", *KINDS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    together = json.loads(done.stdout.splitlines()[0])
    for kind in KINDS:
        # the sums over a batch are added up in another order: rounding alone
        np.testing.assert_allclose(together[kind], elbos(kind), rtol=1e-5, err_msg=kind)


def test_two_ranks_make_the_run_and_the_store_of_one(tmp_path: Path) -> None:
    images = write_images(tmp_path, 300)
    runs = [tiny_run(tmp_path / name, images, "train.epochs=1") for name in ("one", "two")]
    assert tvae("train", runs[0].path, "--quiet").returncode == 0
    done = tvae("train", runs[1].path, "--devices", 2, "--quiet")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    epochs = [[json.loads(line) for line in run.metrics.read_text().splitlines()] for run in runs]
    for name in ("elbo", "validation_elbo"):
        values = [[epoch[name] for epoch in of] for of in epochs]
        np.testing.assert_allclose(values[1], values[0], rtol=1e-5)
    # its store, made by two, is that which one makes of the same model, bit by bit
    alone = tmp_path / "alone.h5"
    assert tvae("embed", runs[1].path, "-o", alone, "--quiet").returncode == 0
    by_two, by_one = arrays_of(runs[1].store), arrays_of(alone)
    assert by_two.keys() == by_one.keys()
    for name, values in by_two.items():
        np.testing.assert_array_equal(values, by_one[name], err_msg=name)
    assert len(by_two["content/mean"]) == 300
    # and so is its evaluation
    found = []
    for devices in (1, 2):
        few = ["--turns", 3, "--samples", 2, "--turned-images", 2, "--threads", 1]
        done = tvae("evaluate", runs[1].path, *few, "--devices", devices, "--json")
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout)["rows"])
    assert found[0] == found[1]


def test_a_killed_rank_ends_the_others_with_the_reason_and_the_run_goes_on(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run", write_images(tmp_path), *LONG)
    with training(run) as (parent, ranks):
        began = time.monotonic()
        ranks[1].kill()
        out, errors = parent.communicate(timeout=60)
        assert time.monotonic() - began < 30
    assert parent.returncode == 3
    assert f"rank 1 (process {ranks[1].pid}) was killed (SIGKILL" in errors
    assert errors.count("\n") == 1
    last = from_json(out.splitlines()[-1])
    assert isinstance(last, Failed)
    assert "rank 1" in last.what
    assert "--resume" in last.todo
    assert not any(rank.is_running() for rank in ranks)
    for devices in (1, 2):
        before, longer = step_names(run.checkpoints)[0], run.epochs_done() + 1
        how = ["--resume", "--quiet", "--no-embed", "--devices", devices, "--epochs", longer]
        done = tvae("train", run.path, *how)
        assert done.returncode == 0, done.stderr
        assert run.epochs_done() == longer
        assert step_names(run.checkpoints)[0] > before


@pytest.mark.parametrize("to", ["run.pid", "parent"])
def test_stop_reaches_every_rank_and_keeps_a_checkpoint(tmp_path: Path, to: str) -> None:
    run = tiny_run(tmp_path / "run", write_images(tmp_path), *LONG)
    with training(run) as (parent, ranks):
        if to == "run.pid":  # as the window does
            assert run.process() == ranks[0].pid
            assert run.signal(signal.SIGTERM)
        else:
            parent.send_signal(signal.SIGINT)
        out, errors = parent.communicate(timeout=60)
        psutil.wait_procs(ranks, timeout=30)
    assert parent.returncode == 130
    assert not any(rank.is_running() for rank in ranks)
    assert run.has_checkpoint()
    if errors == "tvae: did not stop in time, and was ended\n":
        return  # a machine so busy that nine seconds were too few: nothing is lost all the same
    assert errors == f"tvae: {run.path}: stopped; a checkpoint was written (add --resume)\n"
    assert sum('"failed"' in line for line in out.splitlines()) == 1
    run.progress.write_text(out)
    assert summarise(run.path).status is RunStatus.STOPPED


@pytest.mark.slow
def test_a_rank_that_hangs_is_given_up_in_time(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run", write_images(tmp_path), *LONG)
    with training(run) as (parent, ranks):
        began = time.monotonic()
        ranks[1].suspend()
        _, errors = parent.communicate(timeout=60)
        assert time.monotonic() - began < 30
    assert parent.returncode == 3
    assert f"rank 1 (process {ranks[1].pid}) no longer answered" in errors
    assert run.has_checkpoint()


def test_what_rank_0_refuses_is_told_once_and_as_ever(tmp_path: Path) -> None:
    done = tvae("train", tmp_path / "run", "--data", tmp_path / "none.npy", "--devices", 2)
    alone = tvae("train", tmp_path / "run", "--data", tmp_path / "none.npy")
    assert (done.returncode, done.stderr) == (alone.returncode, alone.stderr)
    assert not (tmp_path / "run").exists()


def test_two_machines_meet_and_the_first_one_speaks(tmp_path: Path, free_port: int) -> None:
    run = tiny_run(tmp_path / "run", write_images(tmp_path), "train.epochs=1")
    words = ["train", str(run.path), "--nodes", "2", "--first", f"127.0.0.1:{free_port}", "--json"]
    second = subprocess.Popen(
        [*TVAE, *words, "--node", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    first = tvae(*words, "--node", 0)
    out, errors = second.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + errors
    assert out == ""
    assert from_json(first.stdout.splitlines()[-1]).kind == "finished"
    assert run.store.exists()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
