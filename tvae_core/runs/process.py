"""Whether the process that a file names lives; the ends of text files that it writes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

_TAIL = 1 << 16
_CLOCK_SLACK_S = 2.0


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is more than a zombie."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return _stat(pid)[:1] not in (["Z"], ["X"])


def tail_of(path: Path, limit: int = _TAIL) -> str:
    """Return the last whole lines of a text file, at most `limit` bytes; empty without a file."""
    try:
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


def read_pid(path: Path) -> int | None:
    """Return the process number in a file, None without one."""
    try:
        text = path.read_text(encoding="utf-8")[:200].strip()
        value = json.loads(text)
    except (OSError, ValueError):
        return None
    value = value.get("pid") if isinstance(value, dict) else value
    return value if isinstance(value, int) else None


def is_younger(pid: int, path: Path) -> bool:
    """Return whether the process began after the file was written: its number was reused."""
    fields = _stat(pid)
    if len(fields) < 20:
        return False
    try:
        boot = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text().splitlines()
            if line.startswith("btime")
        )
        began = boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return began > path.stat().st_mtime + _CLOCK_SLACK_S
    except (OSError, StopIteration, ValueError):
        return False


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; empty where there is no /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()
