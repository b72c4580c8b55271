"""Parts: one naming rule, no pattern of a reader matches them, and those of the dead are swept."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tvae_core import parts
from tvae_core.files import write_bytes, write_text
from tvae_core.parts import is_part, part_beside, sweep

LEAVE = """
import os, sys
from pathlib import Path
from tvae_core.parts import part_beside
with part_beside(Path(sys.argv[1])) as part:
    (part / "half.npz").write_text("half")
    os._exit(0)
"""


def left_part(folder: Path) -> Path:
    """Let a process end while it writes, and return what it leaves."""
    words = [sys.executable, "-c", LEAVE, str(folder / "out.npz")]
    subprocess.run(words, check=True)
    [part] = folder.iterdir()
    return part


def test_a_part_of_an_ended_process_is_swept(tmp_path: Path) -> None:
    part = left_part(tmp_path)
    assert is_part(part)
    write_text(tmp_path / "other.txt", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["other.txt"]


def test_no_pattern_for_files_matches_what_is_being_written(tmp_path: Path) -> None:
    left_part(tmp_path)
    assert list(tmp_path.glob("*.npz")) == []


def test_a_part_of_a_living_process_stays(tmp_path: Path) -> None:
    with part_beside(tmp_path / "out.h5") as part:
        parts._swept.clear()
        sweep(tmp_path)
        assert part.is_dir()
    assert not part.exists()


@pytest.mark.parametrize("name", [".notes.part", ".a.123456-123456-x-1-123456.part", "a.part"])
def test_what_only_looks_like_a_part_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    sweep(tmp_path)
    assert (tmp_path / name).is_dir()


def test_a_link_with_the_name_of_a_part_is_left_alone(tmp_path: Path) -> None:
    part = left_part(tmp_path)
    name = part.name
    aside = tmp_path / "aside"
    part.rename(aside)
    (tmp_path / name).symlink_to(aside)
    sweep(tmp_path)
    assert (aside / "half.npz").exists()


def test_a_part_of_another_machine_is_kept_until_it_is_old(tmp_path: Path) -> None:
    part = left_part(tmp_path)
    name = part.name.split(".")
    name[-2] = "000000" + name[-2][6:]
    foreign = part.rename(tmp_path / ".".join(name))
    sweep(tmp_path)
    assert foreign.is_dir()
    parts._swept.clear()
    os.utime(foreign, (0, 0))
    sweep(tmp_path)
    assert not foreign.exists()


def test_names_as_long_as_the_disk_takes(tmp_path: Path) -> None:
    target = tmp_path / ("ü" * 120 + ".txt")
    write_bytes(target, b"whole")
    assert target.read_bytes() == b"whole"


def test_a_replaced_file_keeps_its_rights(tmp_path: Path) -> None:
    target = tmp_path / "secret.txt"
    target.write_text("old")
    target.chmod(0o600)
    write_text(target, "new")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert target.read_text() == "new"
