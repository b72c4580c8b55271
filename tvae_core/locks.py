"""Locks between processes: one works on a run, or on the notes on a store, and the rest wait or go.

A lock is filelock's: the system lets go of it when its process ends, however that comes about.
Where a disk offers no locks, a file stands for one; it says whose it is, and that of a dead process
of this machine is taken over. Beside a lock that is held lies a mark that names who holds it.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

with warnings.catch_warnings():
    # where the system has no locks, said of what this page tells at its top
    warnings.filterwarnings("ignore", "only soft file lock is available")
    import filelock

from tvae_core.errors import BusyError, TvaeError
from tvae_core.files import file_error, parsed_json, read_text

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@dataclass
class _Held:
    """The lock of one path in this process; a thread that holds it may take it again."""

    path: Path
    within: threading.RLock = field(default_factory=threading.RLock)
    depth: int = 0
    lock: filelock.BaseFileLock | None = None


_all: dict[Path, _Held] = {}
_guard = threading.Lock()


@contextmanager
def held(
    target: Path, refused: Callable[[str], TvaeError] | None = None, wait_s: float = 0.0
) -> Iterator[None]:
    """Hold the lock of a file or folder for the time of the block.

    Parameters
    ----------
    target : path
        What nobody else may work on; its folder is there. The lock is `.NAME.lock` beside it.
    refused : callable, optional
        Makes the error of who holds it: the words name process, machine and time.
    wait_s : float
        How long to wait for another to end, seconds.

    Raises
    ------
    TvaeError
        Another process or thread holds it: what `refused` makes of that.
    FileError
        The lock cannot be made.
    """
    one = _of(target)
    if not one.within.acquire(timeout=max(wait_s, 0.01)):
        raise _refusal(target, refused)
    try:
        if one.depth == 0:
            one.lock = _locked(target, refused, wait_s)
        one.depth += 1
        try:
            yield
        finally:
            one.depth -= 1
            if one.depth == 0 and one.lock is not None:
                _mark_of(target).unlink(missing_ok=True)
                one.lock.release()
                one.lock = None
    finally:
        one.within.release()


def holder(target: Path) -> str:
    """Return in words who holds the lock of `target`, as its mark tells."""
    try:
        mark = parsed_json(read_text(_mark_of(target))[:1000])
        return f"process {mark['pid']} on {mark['machine']} since {mark['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def lock_file(target: Path) -> Path:
    """Return the file that the lock of `target` is on."""
    return target.parent / f".{target.name}.lock"


def _of(target: Path) -> _Held:
    with _guard:
        path = target.parent.resolve() / target.name
        return _all.setdefault(path, _Held(path))


def _locked(
    target: Path, refused: Callable[[str], TvaeError] | None, wait_s: float
) -> filelock.BaseFileLock:
    lock: filelock.BaseFileLock = filelock.FileLock(lock_file(target), thread_local=False)
    try:
        try:
            lock.acquire(timeout=wait_s, poll_interval=0.02)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            lock = filelock.SoftFileLock(lock_file(target), thread_local=False)
            lock.acquire(timeout=wait_s, poll_interval=0.02)
    except filelock.Timeout:
        raise _refusal(target, refused) from None
    except OSError as error:
        raise file_error(error, lock_file(target), "cannot be locked") from error
    with suppress(OSError):  # a lock without a mark is one all the same
        _mark_of(target).unlink(missing_ok=True)  # it may be a link to somewhere else
        with open(_mark_of(target), "x", encoding="utf-8") as stream:
            stream.write(_mark())
    return lock


def _refusal(target: Path, refused: Callable[[str], TvaeError] | None) -> TvaeError:
    who = holder(target)
    if refused is not None:
        return refused(who)
    return BusyError(f"in use by {who}", target, "wait until it is done, or stop it")


def _mark_of(target: Path) -> Path:
    return target.parent / f".{target.name}.holder"


def _mark() -> str:
    since = f"{datetime.now().astimezone():%Y-%m-%d %H:%M}"
    return json.dumps({"pid": os.getpid(), "machine": platform.node(), "since": since}) + "\n"
