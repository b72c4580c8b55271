"""A run's folder on disk: the names of its files, its lock, and whether its process lives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from tvae_core.config import OBJECTS, RunConfig, load_config
from tvae_core.errors import ConfigError, TrainingError, TvaeError
from tvae_core.files import parsed_json, read_text, write_text
from tvae_core.locks import held
from tvae_core.progress import Epoch
from tvae_core.runs.job import live_job
from tvae_core.runs.process import age_s, mark, proven_process, send

_NO_EPOCH = 1 << 60  # of a line of metrics.jsonl that is no record


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    `progress` and `log_file` are the standard output and error of runs that the window started,
    `launch_file` the process it started, which later writes `pid_file` itself and removes it when
    it ends by itself.
    """

    path: Path

    @property
    def name(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def config_file(self) -> Path:
        """The run's settings."""
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
    def objects(self) -> Path:
        """Folder of the objects that were cut out of large images."""
        return self.path / OBJECTS

    @property
    def metrics(self) -> Path:
        """One `Epoch` record a line."""
        return self.path / "metrics.jsonl"

    @property
    def progress(self) -> Path:
        """Every record that the process printed."""
        return self.path / "progress.jsonl"

    @property
    def log_file(self) -> Path:
        """What the process wrote besides."""
        return self.path / "log.txt"

    @property
    def pid_file(self) -> Path:
        """The process, while it runs."""
        return self.path / "run.pid"

    @property
    def launch_file(self) -> Path:
        """The process that the window started last."""
        return self.path / "launch.pid"

    @property
    def store(self) -> Path:
        """What the run makes."""
        return self.path / "embeddings.h5"

    @property
    def model(self) -> Path:
        """The best model, one safetensors file."""
        return self.path / "model.safetensors"

    @property
    def images_file(self) -> Path:
        """What the run's images are known by."""
        return self.path / "images.npz"

    @property
    def chosen_file(self) -> Path:
        """Which settings were chosen from a look at the images, and why; not in every run."""
        return self.path / "chosen.json"

    @property
    def verdict_file(self) -> Path:
        """What the run has learned so far, in words."""
        return self.path / "verdict.json"

    @property
    def begun(self) -> bool:
        """Whether the run was trained before, if only a little."""
        return self.metrics.exists() or any(self.checkpoints.glob("*.json"))

    def is_run(self) -> bool:
        """Whether the folder holds a run."""
        return self.config_file.is_file()

    def is_used(self) -> bool:
        """Whether anything is in the folder that a new run would mix with."""
        return self.path.is_file() or (self.path.is_dir() and any(self.path.iterdir()))

    def process(self) -> int | None:
        """Return the run's living process, None when there is none."""
        for path in (self.pid_file, self.launch_file):
            if (number := proven_process(path)) is not None:
                return number
        return None

    def works(self) -> bool:
        """Whether a process, or a job in a queue, is at the run or will be by itself."""
        return self.process() is not None or live_job(self.path) is not None

    def signal(self, number: Signals) -> bool:
        """Signal the run's process; return False when none is proved to be the run's own.

        Raises
        ------
        PermissionError
            It belongs to another user.
        """
        return send(self.pid_file, number) or send(self.launch_file, number)

    def was_cut_off(self) -> bool:
        """Whether the process died before it could tidy up."""
        return self.pid_file.exists() and self.process() is None

    def metrics_are_ahead(self) -> bool:
        """Whether epochs were trained whose process did not print here, as from a terminal."""
        if not self.progress.exists():
            return self.metrics.exists()
        return self.metrics.exists() and age_s(self.metrics) < age_s(self.progress) - 5

    def never_spoke(self) -> bool:
        """Whether the process that the window started last ended before its first word."""
        if not self.launch_file.exists() or self.process() is not None:
            return False
        began = self.launch_file.stat().st_mtime
        spoken = [path.stat() for path in (self.progress, self.metrics) if path.exists()]
        return not any(stat.st_size and stat.st_mtime >= began for stat in spoken)

    def epochs_done(self) -> int:
        """Return how many epochs are finished."""
        if not self.metrics.exists():
            return 0
        lines = read_text(self.metrics, errors="replace").splitlines()
        epochs = [_epoch_of(line) for line in lines]
        return max((epoch + 1 for epoch in epochs if epoch < _NO_EPOCH), default=0)

    def verdict_text(self) -> str:
        """Return the JSON of the verdict on the run so far, empty where there is none."""
        try:
            return read_text(self.verdict_file).strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def has_checkpoint(self) -> bool:
        """Whether there is something to resume from."""
        return any(self.checkpoints.glob("step-*.json"))

    def config(self) -> RunConfig:
        """Return the run's config.

        Raises
        ------
        ConfigError
            The folder is no run.
        """
        if not self.config_file.exists():
            raise ConfigError("no run here (config.json is missing)", self.path)
        return load_config(self.config_file, kept=self.begun)

    def create(self, config: RunConfig) -> None:
        """Make the folder and write its config."""
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        self.previews.mkdir(exist_ok=True)
        config.save(self.config_file)

    def log(self, line: str) -> None:
        """Append a line to the run's log; a run that was refused has none."""
        if not self.path.is_dir():
            return
        self.refuse_links()
        with open(self.log_file, "a", encoding="utf-8") as stream:
            stream.write(line.rstrip("\n") + "\n")

    def append_metrics(self, record: Epoch) -> None:
        """Append an epoch to metrics.jsonl, dropping epochs that a resumed run does again."""
        kept = []
        if self.metrics.exists():
            lines = read_text(self.metrics, errors="replace").splitlines()
            kept = [line for line in lines if _epoch_of(line) < record.epoch]
        write_text(self.metrics, "\n".join([*kept, record.to_json()]) + "\n")

    def refuse_links(self) -> None:
        """Refuse to work on a run in which a link leads out: it may be a stranger's.

        Files are replaced by renaming, which follows no link; folders, and the journals that grow,
        would be written through one.

        Raises
        ------
        TrainingError
            Naming the link and where it leads.
        """
        inside = os.path.realpath(self.path)
        written = (self.checkpoints, self.previews, self.path / OBJECTS, self.log_file)
        for path in (*written, self.progress, self.path / "launch.log"):
            real = os.path.realpath(path)
            if path.is_symlink() and not real.startswith(inside + os.sep):
                raise TrainingError(
                    f"is a link that leads out of the run, to {real}", path,
                    "nothing is written through it: put the folder or file itself in its place",
                )  # fmt: skip

    @contextmanager
    def locked(self, wait_s: float = 0.0) -> Iterator[None]:
        """Hold the run, so that no other process begins, trains or changes it; mark `run.pid`.

        Raises
        ------
        TrainingError
            Another process holds it: its number, machine and since when; or a link leads out of it.
        """
        self.refuse_links()

        def refused(who: str) -> TrainingError:
            return TrainingError(
                f"the run is being trained by {who}", self.path, "wait until it is done, or stop it"
            )

        with held(self.path / "run", refused, wait_s):
            file = self.pid_file
            if (other := proven_process(file)) == os.getpid():
                yield  # held already, further out
                return
            if other is not None:  # of an older program, which held no lock
                raise refused(f"process {other}")
            write_text(file, mark())
            try:
                yield
            finally:
                file.unlink(missing_ok=True)

    def forget_the_dead(self) -> None:
        """Remove the mark of a process that has ended.

        Raises
        ------
        TrainingError
            A process works on the run.
        """
        with held(
            self.path / "run",
            lambda who: TrainingError(
                f"this run is already training ({who})", self.path, "stop it first"
            ),
        ):
            self.pid_file.unlink(missing_ok=True)


def make_run(path: Path, config_text: str) -> RunFolder:
    """Make a run's folder with its settings.

    Raises
    ------
    TvaeError
        The folder is in use or cannot be written.
    """
    folder = RunFolder(path)
    if folder.is_used():
        raise TvaeError("this folder is not empty", path, "choose another run name")
    try:
        path.mkdir(parents=True, exist_ok=True)
        write_text(folder.config_file, config_text)
    except OSError as error:
        raise TvaeError(
            f"the run's folder cannot be written ({error.strerror})", path, "choose another folder"
        ) from None
    return folder


def _epoch_of(line: str) -> int:
    try:
        return int(parsed_json(line)["epoch"])
    except (ValueError, KeyError, TypeError):
        return _NO_EPOCH
