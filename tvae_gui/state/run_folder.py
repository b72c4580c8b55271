"""A run's folder on disk: the names of its files and whether its process lives."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

_TAIL = 1 << 16
_CLOCK_SLACK_S = 2.0


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    `progress` and `log` are the standard output and error of runs that the window started, `launch`
    the process it started, which later writes `pid` itself and removes it when it ends by itself.
    """

    path: Path

    @property
    def name(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def config(self) -> Path:
        """The run's settings."""
        return self.path / "config.json"

    @property
    def metrics(self) -> Path:
        """One epoch record a line."""
        return self.path / "metrics.jsonl"

    @property
    def progress(self) -> Path:
        """Every record that the process printed."""
        return self.path / "progress.jsonl"

    @property
    def log(self) -> Path:
        """What the process wrote besides."""
        return self.path / "log.txt"

    @property
    def pid(self) -> Path:
        """The process, while it runs."""
        return self.path / "run.pid"

    @property
    def launch(self) -> Path:
        """The process that the window started last."""
        return self.path / "launch.pid"

    @property
    def store(self) -> Path:
        """What the run makes."""
        return self.path / "embeddings.h5"

    @property
    def previews(self) -> Path:
        """The pictures of each epoch."""
        return self.path / "previews"

    def is_run(self) -> bool:
        """Whether the folder holds a run."""
        return self.config.is_file()

    def is_used(self) -> bool:
        """Whether anything is in the folder that a new run would mix with."""
        return self.path.is_file() or (self.path.is_dir() and any(self.path.iterdir()))

    def process(self) -> int | None:
        """Return the run's living process, None when there is none."""
        for path in (self.pid, self.launch):
            number = _read_pid(path)
            if number and is_alive(number) and not _is_younger(number, path):
                return number
        return None

    def was_cut_off(self) -> bool:
        """Whether the process died before it could tidy up."""
        return self.pid.exists() and self.process() is None

    def metrics_are_ahead(self) -> bool:
        """Whether epochs were trained whose process did not print here, as from a terminal."""
        if not self.progress.exists():
            return self.metrics.exists()
        return self.metrics.exists() and _age_s(self.metrics) < _age_s(self.progress) - 5

    def never_spoke(self) -> bool:
        """Whether the process that the window started last ended before its first word."""
        if not self.launch.exists() or self.process() is not None:
            return False
        began = self.launch.stat().st_mtime
        spoken = [path.stat() for path in (self.progress, self.metrics) if path.exists()]
        return not any(stat.st_size and stat.st_mtime >= began for stat in spoken)

    def has_checkpoint(self) -> bool:
        """Whether there is something to resume from."""
        return any((self.path / "checkpoints").glob("step-*.json"))

    def is_begun(self) -> bool:
        """Whether the run was trained before, if only a little."""
        return self.metrics.exists() or any((self.path / "checkpoints").glob("*.json"))


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


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _read_pid(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="utf-8")[:200].strip()
        value = json.loads(text)
    except (OSError, ValueError):
        return None
    value = value.get("pid") if isinstance(value, dict) else value
    return value if isinstance(value, int) else None


def _is_younger(pid: int, path: Path) -> bool:
    """Whether the process began after the file was written: its number was given out again."""
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
