"""A run whose images are kept on disk ends with the same bits however they are read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from tests.core.engine.runs import tiny_run, write_images
from tvae_core.engine.training.train import train
from tvae_core.errors import Cancelled, FileError, ImageFileError
from tvae_core.files import sha256_of_file
from tvae_core.images import prepared_cache, prepared_file
from tvae_core.images.prepared_cache import PreparedCache
from tvae_core.images.prepared_file import PreparedFile
from tvae_core.progress import Remark
from tvae_core.runs import costs, preparing
from tvae_core.runs.folder import RunFolder
from tvae_core.work.prepare import PrepareRequest

COUNT = 60


@pytest.fixture(autouse=True)
def _nothing_fits_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TVAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(costs, "CACHE_BYTES", 0)
    monkeypatch.setattr(prepared_file, "_MOST_IN_BLOCK", 7)
    yield
    assert not [one for one in _children() if "prepare_worker" in one]


def _children() -> list[str]:
    import psutil

    return [" ".join(one.cmdline()) for one in psutil.Process().children(recursive=True)]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_images(tmp_path, COUNT)


def trained(run: RunFolder, resume: bool = False) -> tuple[str, list[str]]:
    remarks = [one.what for one in train(run, resume=resume) if isinstance(one, Remark)]
    return sha256_of_file(run.model), remarks


def prepared(run: RunFolder) -> PreparedFile:
    done = PrepareRequest(folder=run.path, workers=2).run()
    assert done.folder is not None
    file = PreparedFile(done.folder)
    assert file.is_complete
    return file


def test_kept_as_float32_a_run_is_the_run_from_memory(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = {
        kept: trained(tiny_run(tmp_path / kept, images, f"data.kept_as={kept}", "train.epochs=2"))[
            0
        ]
        for kept in ("none", "float32", "auto")
    }
    monkeypatch.setattr(costs, "CACHE_BYTES", 1 << 28)
    ends["memory"] = trained(tiny_run(tmp_path / "memory", images, "train.epochs=2"))[0]
    assert len(set(ends.values())) == 1


def test_what_is_there_already_makes_no_difference(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = "data.kept_as=float16"
    ahead = tiny_run(tmp_path / "ahead", images, setting)
    prepared(ahead).close()
    whole, said = trained(ahead)
    assert any("are read from" in one for one in said)

    partly = tiny_run(tmp_path / "partly", images, setting)
    file = prepared(partly)
    for block in (1, 4):
        file._forget(block)
    file.close()
    assert trained(partly)[0] == whole

    asked = count()
    stopped = tiny_run(tmp_path / "stopped", images, setting)
    with pytest.raises(Cancelled):
        list(train(stopped, cancelled=lambda: next(asked) > 12))
    monkeypatch.setattr(prepared_cache, "free_bytes", lambda folder: 0.0)
    for entry in PreparedCache().entries():
        assert PreparedCache().remove(entry)
    resumed, said = trained(stopped, resume=True)  # nowhere to keep them
    assert resumed == whole
    assert any("each epoch makes them anew" in one for one in said)


def test_two_runs_share_what_one_has_prepared(tmp_path: Path, images: Path) -> None:
    runs = [tiny_run(tmp_path / name, images, "data.kept_as=uint8") for name in ("a", "b")]
    first = prepared(runs[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "_worker", lambda: pytest.fail("a process was started"))
        second = prepared(runs[1])
    assert first.folder == second.folder
    assert len(PreparedCache().entries()) == 1
    first.close()
    second.close()


def test_images_that_changed_since_a_run_began_are_not_prepared_for_it(
    tmp_path: Path, images: Path
) -> None:
    run = tiny_run(tmp_path / "run", images, "data.kept_as=float16", "train.epochs=1")
    trained(run)
    pixels = np.load(images)
    pixels[1] += 1
    np.save(images, pixels)
    os.utime(images, ns=(1, 1))
    with pytest.raises(ImageFileError, match=r"image 1 .*changed since the run was started"):
        PrepareRequest(folder=run.path, workers=1).run()


def test_a_disk_that_fills_up_is_one_line_and_training_goes_on(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); "
    limited += "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limited += "runpy.run_module('tvae_core.runs.prepare_worker', run_name='__main__')"
    start = subprocess.Popen

    def small(words: list[str], **given: object) -> subprocess.Popen[str]:
        return start([sys.executable, "-c", limited], **given)  # type: ignore[call-overload]

    run = tiny_run(tmp_path / "run", images, "data.kept_as=float16")
    other = tiny_run(tmp_path / "other", images, "data.kept_as=float16")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing.subprocess, "Popen", small)
        with pytest.raises(FileError) as told:
            PrepareRequest(folder=run.path, workers=1).run()
        assert "\n" not in str(told.value)
        ended = trained(run)[0]
    assert trained(other)[0] == ended


def test_a_machine_that_starts_no_process_is_one_line(tmp_path: Path, images: Path) -> None:
    def refused() -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    run = tiny_run(tmp_path / "run", images, "data.kept_as=float16")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "_worker", refused)
        with pytest.raises(FileError, match="processes cannot be started"):
            PrepareRequest(folder=run.path, workers=1).run()


_KILLED = """
import sys
from pathlib import Path
from tvae_core.images import prepared_file
from tvae_core.runs import costs, prepare_worker
from tvae_core.work.prepare import PrepareRequest
costs.CACHE_BYTES = 0
prepared_file._MOST_IN_BLOCK = 1
PrepareRequest(folder=Path(sys.argv[1]), workers=1).run(lambda share, of: print(share, flush=True))
"""


def test_killed_at_any_time_it_goes_on_where_it_was(tmp_path: Path, images: Path) -> None:
    run = tiny_run(tmp_path / "run", images, "data.kept_as=float16")
    shares: list[float] = []
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(run.path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        before = shares[-1] if shares else 0.0
        share = next((float(line) for line in child.stdout if float(line) > before), 1.0)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        shares.append(share)
    assert shares == sorted(shares)
    assert shares[0] > 0
    file = prepared(run)
    assert dict(file.check()) == dict.fromkeys(range(file.about.blocks), True)
    file.close()
