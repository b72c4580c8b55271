"""Whether the process that a file names lives; the ends of text files that it writes."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import psutil

from tvae_core.files import parsed_json, read_text

_TAIL = 1 << 16
_SLACK_S = 3.0  # a clock that was set right moves what the system says of a start
_ENDED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is more than a zombie."""
    try:
        return bool(psutil.Process(pid).status() not in _ENDED)
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return False
    except psutil.AccessDenied:
        return True


def mark(pid: int | None = None) -> str:
    """Return what a file says of a process so that it is known for sure: number, start and boot.

    A number alone is given to another process sooner or later.
    """
    number = os.getpid() if pid is None else pid
    try:
        started = psutil.Process(number).create_time()
    except psutil.Error:
        started = None
    return json.dumps({"pid": number, "started": started, "boot": _boot()}) + "\n"


def proven_process(file: Path) -> int | None:
    """Return the living process that a file marks, None unless it is proved to be that one.

    A file that holds a number alone, as older ones do, is believed where the command line of the
    process trains the run in whose folder the file lies.
    """
    found = _read_mark(file)
    number = found.get("pid")
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        return None
    try:
        process = psutil.Process(number)
        if process.status() in _ENDED:
            return None
        if set(found) == {"pid"}:
            return number if _trains(process, file.parent) else None
        started = found.get("started")
        same = isinstance(started, float) and abs(process.create_time() - started) < _SLACK_S
        return number if same and found.get("boot") == _boot() else None
    except (psutil.Error, OverflowError, ValueError):
        return None


def send(file: Path, number: signal.Signals) -> bool:
    """Signal the process that a file marks; return False, and do nothing, unless it is proved.

    Raises
    ------
    PermissionError
        It belongs to another user.
    """
    pid = proven_process(file)
    if pid is None:
        return False
    try:
        psutil.Process(pid).send_signal(number)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied as error:
        raise PermissionError(f"process {pid} belongs to another user") from error
    return True


def _read_mark(file: Path) -> dict[str, object]:
    try:
        value = parsed_json(read_text(file)[:1000])
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {"pid": value}


def _trains(process: psutil.Process, run: Path) -> bool:
    words = process.cmdline()
    here = Path(process.cwd())
    return "train" in words and any((here / word).resolve() == run.resolve() for word in words)


def _boot() -> str:
    """Return what tells this boot of the machine from any other."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return f"{psutil.boot_time():.0f}"


def tail_of(path: Path, limit: int = _TAIL) -> str:
    """Return the last whole lines of a text file, at most `limit` bytes; empty without a file."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return ""
        with path.open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, end - limit))
            text = stream.read(limit).decode("utf-8", errors="replace")
    except OSError:
        return ""
    return text if end <= limit else text.partition("\n")[2]


def last_words(log: Path) -> str:
    """Return the last line of a log; empty when it is a record, which is told elsewhere."""
    lines = [line.strip() for line in tail_of(log, 8192).splitlines() if line.strip()]
    return lines[-1] if lines and not lines[-1].startswith('{"kind"') else ""


def age_s(path: Path) -> float:
    """Return the seconds since a file was written."""
    return time.time() - path.stat().st_mtime
