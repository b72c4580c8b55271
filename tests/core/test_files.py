"""Writing: the old file or the new one, and what the machine refuses told in one line."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from tvae_core.errors import FileError, ImageFileError, TvaeError
from tvae_core.files import atomic_write, file_error, shown, told_of, write_text
from tvae_core.hdf5_files import new_hdf5, read_hdf5


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_names_the_target_and_leaves_it_alone(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with no_file_beyond(1000), pytest.raises(FileError) as caught:
        write_text(target, "x" * 2000)
    assert caught.value.where == str(target)
    assert "cannot be written: file too large" in str(caught.value)
    assert caught.value.exit_code == 3
    assert isinstance(caught.value, OSError)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_whatever_call_fails_the_line_says_what_and_what_to_do(tmp_path: Path, number: int) -> None:
    target = tmp_path / "a.bin"
    with pytest.raises(FileError) as caught, atomic_write(target):
        raise OSError(number, os.strerror(number))
    line = str(caught.value)
    assert line.startswith(f"{target}: cannot be written: ")
    assert os.strerror(number)[1:] in line
    assert caught.value.todo


def test_a_place_that_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileError, match=r"cannot be written: (not a dir|file exists)") as caught:
        write_text(tmp_path / "file" / "b" / "c.txt", "x")
    assert str(tmp_path / "file") in caught.value.where
    with pytest.raises(FileError, match="file name too long"):
        write_text(tmp_path / ("x" * 300), "x")


def test_a_long_name_that_fits_is_written(tmp_path: Path) -> None:
    name = "x" * 250
    write_text(tmp_path / name, "whole")
    assert (tmp_path / name).read_text() == "whole"


def test_errors_of_other_files_keep_their_name(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match=r"^b.mrc: cut off"), atomic_write(tmp_path / "a"):
        raise ImageFileError("cut off", "b.mrc")
    with pytest.raises(FileError, match=r"^/gone/x: .*no such"), atomic_write(tmp_path / "a"):
        Path("/gone/x").read_bytes()
    with pytest.raises(ImageFileError) as caught, atomic_write(tmp_path / "a") as part:
        raise ImageFileError("not sound", part)
    assert caught.value.where == str(tmp_path / "a")
    with pytest.raises(RuntimeError, match="a fault of ours"), told_of(tmp_path):
        raise RuntimeError("a fault of ours")


def test_what_cannot_be_read_back_replaces_nothing(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("old")

    def refuse(part: Path) -> None:
        assert part.read_text() == "new"
        raise FileError("cannot be read back", part)

    with (
        pytest.raises(FileError, match="cannot be read back"),
        atomic_write(target, refuse) as part,
    ):
        part.write_text("new")
    assert target.read_text() == "old"


@pytest.mark.parametrize("limit", [0, 100, 600, 2_000, 10_000, 100_000, 500_000, 1_000_000])
def test_hdf5_says_that_a_write_failed_wherever_it_fails(tmp_path: Path, limit: int) -> None:
    """HDF5 by itself says nothing, or ends the process, when the last of it cannot be written."""
    with no_file_beyond(limit), pytest.raises(OSError, match="File too large"):
        _write_much(tmp_path / "a.h5")


def _write_much(path: Path) -> None:
    rng = np.random.default_rng(0)
    with new_hdf5(path) as file:
        for number in range(20):
            file[f"group/{number}"] = rng.random(8000)
        grown = file.create_dataset("g", (0, 8), "f8", maxshape=(None, 8), chunks=(64, 8))
        for _ in range(40):
            grown.resize(len(grown) + 100, axis=0)
            grown[-100:] = rng.random((100, 8))
        file.attrs["about"] = "x" * 1000


def test_what_is_written_through_it_is_plain_hdf5(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((300, 5))
    with new_hdf5(tmp_path / "a.h5", userblock_size=512) as file:
        file["values"] = values
        file.attrs["about"] = "µ"
        grown = file.create_dataset("g", (0, 5), "f8", maxshape=(None, 5), chunks=(64, 5))
        for start in range(0, 300, 70):
            grown.resize(min(300, start + 70), axis=0)
            grown[start:] = values[start : start + 70]
    for opened in (lambda path: h5py.File(path, "r"), read_hdf5):
        with opened(tmp_path / "a.h5") as file:
            np.testing.assert_array_equal(file["values"], values)
            np.testing.assert_array_equal(file["g"], values)
            assert file.attrs["about"] == "µ"


def test_names_that_are_no_utf8_can_be_shown(tmp_path: Path) -> None:
    path = os.fsdecode(b"caf\xe9")
    assert shown(path) == "caf\\xe9"
    error = file_error(FileNotFoundError(errno.ENOENT, "No such file or directory", path))
    assert str(error).encode("utf-8")
    assert isinstance(error, TvaeError)


def test_hdf5_is_opened_in_one_place() -> None:
    """Anywhere else a failed write would be lost, and a disk without locks would refuse."""
    core = Path(__file__).parents[2] / "tvae_core"
    found = [file.name for file in core.rglob("*.py") if "h5py.File(" in file.read_text()]
    assert found == ["hdf5_files.py"]


def test_a_file_that_another_holds_locked_is_read(tmp_path: Path) -> None:
    """As on a disk that offers no locks: reading asks for none."""
    with new_hdf5(tmp_path / "a.h5") as file:
        file["values"] = np.arange(3)
    with open(tmp_path / "a.h5", "rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="lock"):
            h5py.File(tmp_path / "a.h5", "r", locking=True)
        with read_hdf5(tmp_path / "a.h5") as file:
            assert file["values"][()].tolist() == [0, 1, 2]


def test_a_folder_that_takes_no_files_names_the_target_and_not_its_temporary_name() -> None:
    nowhere = Path("/proc/stack.npy")  # no one, not even root, makes files there
    if not nowhere.parent.exists():
        pytest.skip("needs /proc")
    with pytest.raises(FileError) as caught, atomic_write(nowhere):
        pass
    assert caught.value.where == str(nowhere)
