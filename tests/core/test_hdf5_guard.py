"""What a file does to the HDF5 library happens in a child: this process is told, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.factories import make_store
from tvae_core import hdf5_guard
from tvae_core.errors import ImageFileError, StoreError
from tvae_core.hdf5_files import new_hdf5, read_hdf5
from tvae_core.hdf5_guard import UnsafeError, tried_first
from tvae_core.images.opening import open_stack
from tvae_core.store import EmbeddingStore

# Zeros among the texts of a file, its "global heap", and HDF5 2.0 goes round and round in it.
HEAP = b"GCOL"


def endless(path: Path) -> Path:
    """Write a small HDF5 file on which the library never comes to an end."""
    with new_hdf5(path) as file:
        for number in range(12):
            file.attrs[f"a{number}"] = "x" * 40
        file["images"] = np.zeros((3, 8, 8), np.uint8)
    content = path.read_bytes()
    at = content.index(b"x" * 32, content.index(HEAP)) + 100
    path.write_bytes(content[:at] + bytes(64) + content[at + 64 :])
    return path


def crash(path: object) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def loop(path: object) -> None:
    while True:
        pass


def grow(path: object) -> None:
    kept = []
    while True:
        kept.append(np.empty(1 << 24, np.uint8))


@pytest.mark.parametrize(
    ("read", "told"), [(crash, "crashes"), (loop, "an end"), (grow, "more than 512 MB")]
)
def test_whatever_ends_the_child_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[object], None], told: str
) -> None:
    monkeypatch.setattr(hdf5_guard, "MOST_SECONDS", 1)
    file = tmp_path / "a"
    file.write_text("a")
    with pytest.raises(UnsafeError, match=told):
        tried_first(file, read, "")


def test_a_file_is_tried_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    file, marks = tmp_path / "a", tmp_path / "marks"
    file.write_text("a")
    marks.mkdir()

    def mark(path: object) -> None:
        (marks / str(len(list(marks.iterdir())))).touch()

    for _ in range(3):
        tried_first(file, mark, "")
    file.write_text("another")
    tried_first(file, mark, "")
    assert len(list(marks.iterdir())) == 2


def test_hdf5_without_end_is_refused_by_every_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5_guard, "MOST_SECONDS", 1)
    path = endless(tmp_path / "a.h5")
    with pytest.raises(UnsafeError, match="an end"):
        read_hdf5(path)
    with pytest.raises(ImageFileError, match="an end"):
        open_stack(path)
    with pytest.raises(StoreError, match="an end"):
        EmbeddingStore(path)


def test_a_child_that_is_no_fork_tells_the_same(tmp_path: Path) -> None:
    """As on systems that do not fork."""
    store = make_store(tmp_path / "s.h5", images=5, side=8)
    assert hdf5_guard._spawned(store, "tvae_core.hdf5_files") == 0
    (tmp_path / "no.h5").write_bytes(b"no")
    words = [sys.executable, "-m", "tvae_core.hdf5_files", str(tmp_path / "no.h5")]
    assert subprocess.run(words, check=False).returncode == 1
