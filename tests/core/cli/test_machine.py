"""What the machine refuses is one line and exit 3, whatever call it came from."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.core.engine.runs import TINY, write_images
from tvae_core.cli.main import main
from tvae_core.config import RunConfig
from tvae_core.store import validate

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("machine")
    RunConfig.model_validate(TINY).save(folder / "config.json")
    words = ["train", str(folder / "run"), "--data", str(write_images(folder)), "--epochs", "1"]
    assert main([*words, "--config", str(folder / "config.json")]) == 0
    return folder


def tvae(words: list[str], kilobytes: int, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `tvae` in a process of its own where no file may exceed so many kB; 0: no limit."""
    code = "import resource, sys\n"
    if kilobytes:
        code += f"resource.setrlimit(resource.RLIMIT_FSIZE, ({kilobytes * 1024},) * 2)\n"
    code += "from tvae_core.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


@pytest.mark.parametrize(
    ("words", "target"),
    [
        (["export", "RUN", "o.npy"], "o.npy"),
        (["export", "RUN", "o.h5"], "o.h5"),
        (["export", "RUN", "o.mrcs"], "o.mrcs"),
        (["embed", "RUN"], "embeddings"),
        (["cluster", "RUN", "--count", "3"], "embeddings.analysis.h5"),
        (["train", "RUN2", "--data", "images.npy", "--config", "config.json"], "RUN2"),
    ],
)
def test_a_full_disk_is_one_line_and_what_was_there_stays(
    made: Path, tmp_path: Path, words: list[str], target: str
) -> None:
    shutil.copytree(made, tmp_path / "w")
    folder = tmp_path / "w"
    names = {
        "RUN": "run",
        "RUN2": "again",
        "images.npy": "images.npy",
        "config.json": "config.json",
    }
    before = (folder / "run" / "embeddings.h5").read_bytes()
    told = tvae(
        [
            str(folder / names.get(word, word)) if "." in word or word in names else word
            for word in words
        ],
        4,
    )
    assert told.returncode == 3, told.stderr
    assert told.stderr.count("\n") == 1
    assert "cannot be written: file too large" in told.stderr
    assert names.get(target, target) in told.stderr
    assert ".part" not in told.stderr.split(":")[2] or "parts" in told.stderr
    assert (folder / "run" / "embeddings.h5").read_bytes() == before
    assert not list(folder.rglob("*.part*.h5"))


def test_a_run_on_a_full_disk_goes_on_when_there_is_room(made: Path, tmp_path: Path) -> None:
    words = ["train", str(tmp_path / "run"), "--data", str(made / "images.npy"), "--epochs", "2"]
    words += ["--config", str(made / "config.json")]
    full = tvae(words, 40)
    assert full.returncode == 3, full.stderr
    assert full.stderr.count("\n") == 1
    assert main(["train", str(tmp_path / "run"), "--resume"]) == 0
    assert validate(tmp_path / "run" / "embeddings.h5") == []


def test_a_place_that_cannot_be_written_is_one_line(made: Path, capsys: Capture) -> None:
    blocked = made / "images.npy" / "below"  # a file where a folder would have to be
    run, images = str(made / "run"), str(made / "images.npy")
    for words in (
        ["train", str(blocked), "--data", images],
        ["export", run, str(blocked / "o.npy")],
        ["export", run, str(blocked / "o.csv")],
        ["export", run, str(blocked / "folder")],
        ["embed", run, "-o", str(blocked / "e.h5")],
        ["decode", run, "-o", str(blocked / "d.png")],
        ["project", run, "-o", str(blocked / "p.png")],
        ["synth", "two-arm", str(blocked), "--count", "4"],
    ):
        status = main(words)
        error = capsys.readouterr().err
        assert status == 3, (words, error)
        assert error.count("\n") == 1
        assert str(made / "images.npy") in error


def test_names_beyond_utf8_and_ascii_terminals_end_in_no_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "größe-日本"
    folder.mkdir()
    np.save(folder / "a.npy", np.random.default_rng(0).random((5, 8, 8)))
    told = tvae(["info", str(folder / "a.npy")], 0, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert told.returncode == 0, told.stderr
    assert "gr\\xf6" in told.stdout
    latin = os.fsencode(tmp_path) + b"/caf\xe9.npy"
    shutil.copy(os.fsencode(folder / "a.npy"), latin)
    for words in (["info", os.fsdecode(latin)], ["info", os.fsdecode(latin), "--json"]):
        told = tvae(words, 0)
        assert told.returncode == 0, told.stderr
    told = tvae(["info", os.fsdecode(latin) + "x"], 0)
    assert told.returncode == 2
    assert told.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE])
def test_a_disk_that_fails_while_images_are_read_is_one_line(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, number: int
) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    for name in ("preadv", "open"):
        with monkeypatch.context() as patch:
            patch.setattr(f"tvae_core.images.raw.os.{name}", fail)
            assert main(["info", str(made / "images.npy")]) == 3
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert f"{made / 'images.npy'}: cannot be" in error
        assert os.strerror(number)[1:] in error


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_cannot_be_written_is_status_3(unbuffered: str) -> None:
    code = "import sys; from tvae_core.cli.main import main; sys.exit(main(['--help']))"
    pipe = subprocess.PIPE
    with open("/dev/full", "w") as full:
        told = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=pipe, check=False,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    assert b"Traceback" not in told.stderr
    assert b"Exception ignored" not in told.stderr
    assert b"tvae: error: no space left on device" in told.stderr
    assert told.returncode == 3
