"""The folder of a run: where each of its files lies."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tvae_core.config import RunConfig, load_config
from tvae_core.errors import ConfigError, TrainingError
from tvae_core.files import write_text
from tvae_core.progress import Epoch


@dataclass(frozen=True)
class RunFolder:
    """A run: config.json, metrics.jsonl, checkpoints/, previews/, log.txt, embeddings.h5."""

    path: Path

    @property
    def config_file(self) -> Path:
        """The run's config."""
        return self.path / "config.json"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def previews(self) -> Path:
        """Folder of the pictures made each epoch."""
        return self.path / "previews"

    @property
    def metrics(self) -> Path:
        """One `Epoch` record a line."""
        return self.path / "metrics.jsonl"

    @property
    def model(self) -> Path:
        """The best model, one safetensors file."""
        return self.path / "model.safetensors"

    @property
    def embeddings(self) -> Path:
        """The run's store."""
        return self.path / "embeddings.h5"

    @property
    def begun(self) -> bool:
        """Whether the run has checkpoints or metrics already."""
        return self.metrics.exists() or any(self.checkpoints.glob("*.json"))

    def config(self) -> RunConfig:
        """Return the run's config.

        Raises
        ------
        ConfigError
            The folder is no run.
        """
        if not self.config_file.exists():
            raise ConfigError("no run here (config.json is missing)", self.path)
        return load_config(self.config_file)

    def create(self, config: RunConfig) -> None:
        """Make the folder and write its config."""
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        self.previews.mkdir(exist_ok=True)
        config.save(self.config_file)

    def log(self, line: str) -> None:
        """Append a line to the run's log."""
        with open(self.path / "log.txt", "a", encoding="utf-8") as stream:
            stream.write(line.rstrip("\n") + "\n")

    def append_metrics(self, record: Epoch) -> None:
        """Append an epoch to metrics.jsonl, dropping epochs that a resumed run does again."""
        kept = []
        if self.metrics.exists():
            lines = self.metrics.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if _epoch_of(line) < record.epoch]
        write_text(self.metrics, "\n".join([*kept, record.to_json()]) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold `run.pid` so that no second process trains the same run.

        Raises
        ------
        TrainingError
            Another process is training this run.
        """
        file = self.path / "run.pid"
        other = _running_pid(file)
        if other:
            raise TrainingError(f"the run is being trained by process {other}", self.path)
        file.write_text(str(os.getpid()))
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def _epoch_of(line: str) -> int:
    try:
        return int(json.loads(line)["epoch"])
    except (ValueError, KeyError, TypeError):
        return 1 << 60


def _running_pid(file: Path) -> int | None:
    try:
        pid = int(file.read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid if pid != os.getpid() and not _is_zombie(pid) else None


def _is_zombie(pid: int) -> bool:
    """Return whether a process is dead but not yet reaped, as in a container without init."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return False
    return after_name.split()[0] == "Z"
