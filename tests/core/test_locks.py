"""One at a time: of two that write, both changes are kept or the second is refused by name."""

from __future__ import annotations

import errno
import multiprocessing
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.core.engine.runs import tiny_run, write_images
from tests.factories import store_content
from tvae_core import locks
from tvae_core.cli.main import main
from tvae_core.engine.using.embed import embed
from tvae_core.errors import BusyError, TrainingError
from tvae_core.locks import held, holder, lock_file
from tvae_core.runs.folder import RunFolder
from tvae_core.sidecar import Labelling, change_sidecar, load_sidecar, sidecar_path
from tvae_core.store import EmbeddingStore, write_store

HOLD = (
    "import sys; from pathlib import Path; from tvae_core.locks import held\n"
    "with held(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
)


@contextmanager
def held_elsewhere(target: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of a target until the block ends."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(target)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child
    finally:
        child.communicate()


def test_a_living_holder_is_named(tmp_path: Path) -> None:
    target = tmp_path / "a.h5"
    with held_elsewhere(target) as child:
        with pytest.raises(BusyError) as caught, held(target):
            pass
        told = str(caught.value)
        assert f"process {child.pid} on {platform.node()} since 20" in told
        assert "\n" not in told
    with held(target):
        assert holder(target).startswith(f"process {os.getpid()} on ")


def test_a_dead_holders_lock_is_taken_over(tmp_path: Path) -> None:
    target = tmp_path / "a.h5"
    with held_elsewhere(target) as child:
        child.kill()
        child.wait()
        assert locks._mark_of(target).exists()  # it could not tidy up
        with held(target):
            assert holder(target).startswith(f"process {os.getpid()} on ")


def test_a_lock_is_taken_again_further_in_and_let_go_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "a.h5"
    with held(target), held(target):
        pass
    assert lock_file(target).exists()
    assert not locks._mark_of(target).exists()
    with held_elsewhere(target):
        pass


def test_another_thread_waits_or_is_refused(tmp_path: Path) -> None:
    target, refused = tmp_path / "a.h5", []

    def try_it() -> None:
        try:
            with held(target):
                pass
        except BusyError as error:
            refused.append(str(error))

    with held(target):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert f"process {os.getpid()}" in refused[0]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_works_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    target = tmp_path / "a.h5"
    monkeypatch.setattr(locks.filelock.FileLock, "acquire", fail)
    with held(target):
        other = locks.filelock.SoftFileLock(lock_file(target))
        with pytest.raises(locks.filelock.Timeout):
            other.acquire(timeout=0)
    with held(target):
        pass


def _add(path: Path, name: str, times: int) -> None:
    for number in range(times):
        with EmbeddingStore(path) as store:
            labels = Labelling(np.zeros(store.images, np.int32), method=name)
            added = {f"{name}{number}": labels}
            change_sidecar(store, lambda notes, new=added: notes.labellings.update(new))


def test_two_processes_that_change_the_notes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "e.h5"
    write_store(path, store_content(images=20))
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_add, args=(path, name, 12)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    with EmbeddingStore(path) as store:
        assert set(load_sidecar(store).labellings) == {f"{n}{k}" for n in "ab" for k in range(12)}


def test_notes_that_another_is_changing_are_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tvae_core.sidecar._WAIT_S", 0.1)
    path = tmp_path / "e.h5"
    write_store(path, store_content(images=20))
    with held_elsewhere(sidecar_path(path)) as child:
        assert main(["cluster", str(path), "--method", "k-means", "--count", "2"]) == 3
        assert f"being changed by process {child.pid} on" in capsys.readouterr().err
    assert not sidecar_path(path).exists()


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A finished run of one epoch."""
    made = tiny_run(tmp_path / "run", write_images(tmp_path), "train.epochs=1")
    assert main(["train", str(made.path), "--no-embed"]) == 0
    return made


def test_embed_beside_embed_is_refused_by_name(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    with held_elsewhere(run.store) as child:
        assert main(["embed", str(run.path)]) == 3
        assert f"in use by process {child.pid} on" in capsys.readouterr().err
    assert not run.store.exists()
    list(embed(run))
    assert run.store.exists()


def test_a_run_that_another_process_holds_is_neither_begun_nor_resumed(
    tmp_path: Path, run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = RunFolder(tmp_path / "fresh")
    fresh.path.mkdir()
    for folder, words in ((run, ["--resume"]), (fresh, ["--data", run.config().data.path])):
        with held_elsewhere(folder.path / "run") as child:
            words = [*words] if folder is run else [*words, "--preset", "fast-cpu"]
            assert main(["train", str(folder.path), *words]) == 3
            assert f"being trained by process {child.pid} on" in capsys.readouterr().err
            with pytest.raises(TrainingError, match="already training"):
                folder.forget_the_dead()
    assert not fresh.config_file.exists()


def test_of_two_starts_at_one_moment_one_trains(tmp_path: Path) -> None:
    images = write_images(tmp_path)
    config = tiny_run(tmp_path / "other", images, "train.epochs=2").config_file
    words = ["train", str(tmp_path / "run"), "--data", str(images), "--config", str(config)]
    command = [sys.executable, "-m", "tvae_core.cli.main", *words, "--no-embed"]
    pair = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [child.communicate() for child in pair]
    assert sorted(child.returncode for child in pair) == [0, 3], told
    assert RunFolder(tmp_path / "run").epochs_done() == 2
    loser = next(err for child, (_, err) in zip(pair, told, strict=True) if child.returncode == 3)
    assert loser.count("\n") == 1
