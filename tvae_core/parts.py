"""Parts: what is being written lies aside, in a folder of one naming rule; what is left is swept.

A part is the hidden folder `.NAME.MACHINE-BOOT-PROCESS-START-CHANCE.part` beside its target; no
pattern for files (`*.npz`) matches what lies in it. Whoever begins to write into a folder removes
the parts in it whose process has ended.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

import psutil

SUFFIX = ".part"
_RULE = re.compile(r"\..*\.([0-9a-f]{6})-([0-9a-f]{6})-(\d+)-(\d+)-[0-9a-f]{6}\.part", re.DOTALL)
_NAME_LENGTH = 20  # letters of the target's name: at most 80 bytes of the 255 that names may have
_FOREIGN_S = 2 * 24 * 3600.0  # a part of another machine is old after these seconds without change
_SLACK_S = 3  # a clock that was set right moves what the system says of a start
_swept: set[tuple[int, str]] = set()


@contextmanager
def part_beside(target: Path) -> Iterator[Path]:
    """Give a new empty folder beside `target` for the time of the block; its folder is made.

    Raises
    ------
    OSError
        It cannot be made.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent)
    part = Path(f"{begin_of_part(target)}{_owner(os.getpid())}-{token_hex(3)}{SUFFIX}")
    part.mkdir(mode=0o700)
    try:
        yield part
    finally:
        _remove(part)


def begin_of_part(target: Path) -> Path:
    """Return what the paths of all parts of a target begin with."""
    return target.parent / f".{target.name[:_NAME_LENGTH]}."


def is_part(path: Path) -> bool:
    """Return whether a path has the name of a part."""
    return _RULE.fullmatch(path.name) is not None


def sweep(folder: Path) -> None:
    """Remove the parts in a folder that ended processes have left; once a process and folder."""
    key = (os.getpid(), str(folder.resolve()))
    if key in _swept:
        return
    _swept.add(key)
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.endswith(SUFFIX) and _is_left(entry):
                _remove(Path(entry.path))


def _is_left(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a part, and the process that made it has ended."""
    found = _RULE.fullmatch(entry.name)
    if found is None or not entry.is_dir(follow_symlinks=False):
        return False
    machine, boot, process, start = found.groups()
    if machine != _short(platform.node()):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _FOREIGN_S
    return boot != _boot() or not _lives(int(process), int(start))


def _lives(number: int, start: int) -> bool:
    try:
        return bool(abs(psutil.Process(number).create_time() - start) < _SLACK_S)
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return False
    except psutil.Error:
        return True


@cache
def _owner(number: int) -> str:
    start = int(psutil.Process(number).create_time())
    return f"{_short(platform.node())}-{_boot()}-{number}-{start}"


def _boot() -> str:
    """Return what tells this boot of the machine from any other, in six letters."""
    try:
        return _short(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8"))
    except OSError:
        return _short(f"{psutil.boot_time():.0f}")


def _short(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:6]


def _remove(part: Path) -> None:
    shutil.rmtree(part, ignore_errors=True)
