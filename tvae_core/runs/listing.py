"""The runs on disk: those in watched folders and those used of late, each in a few figures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from tvae_core.analysis.verdict import Verdict
from tvae_core.errors import ConfigError
from tvae_core.files import parsed_json, read_text, write_text
from tvae_core.progress import Epoch, Failed, Finished, Record, Started, from_json
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.job import live_job
from tvae_core.runs.process import tail_of
from tvae_core.runs.status import RunStatus, says_stopped

_LATEST = 1 << 20  # bytes of records that a list of runs looks at
_REMEMBERED = 40
_DEPTH = 2


@dataclass(frozen=True)
class RunSummary:
    """What the list says of one run.

    `best_elbo` is of the validation images when there are any, in nats per image; `verdict` is what
    the run has learned so far, None where nobody judged it.
    """

    path: Path
    status: RunStatus
    epochs: int
    epochs_planned: int
    best_elbo: float | None
    reason: str
    modified_s: float
    settings: dict[str, object]
    verdict: Verdict | None = None
    job: str = ""  # queued, running or requeued, of one that a queue has

    @property
    def state(self) -> str:
        """What the run is doing, in a word or two."""
        named = "not started" if self.status is RunStatus.QUEUED else self.status.value
        return self.job or named

    @property
    def name(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def has_store(self) -> bool:
        """Whether there is something to explore."""
        return RunFolder(self.path).store.is_file()


def find_runs(folders: Iterable[Path]) -> list[Path]:
    """Return the runs in folders and their sub-folders, two levels deep."""
    found: dict[Path, None] = {}
    for folder in folders:
        for path in _walk(folder, _DEPTH):
            found[path.resolve()] = None
    return list(found)


def summarise(path: Path) -> RunSummary:
    """Return what a run's folder says, reading only the ends of its files."""
    folder = RunFolder(path)
    epochs = [r for r in records_of(folder.metrics, _LATEST) if isinstance(r, Epoch)]
    status, reason = _status(folder, bool(epochs))
    job = live_job(path)
    scores = [e.elbo if e.validation_elbo is None else e.validation_elbo for e in epochs]
    known = [score for score in scores if isinstance(score, int | float)]
    return RunSummary(
        path=path,
        status=status,
        epochs=epochs[-1].epoch + 1 if epochs else 0,
        epochs_planned=epochs[-1].epochs if epochs else 0,
        best_elbo=max(known) if known else None,
        reason=reason,
        modified_s=_modified(folder),
        settings=_settings(folder),
        verdict=Verdict.from_json(folder.verdict_text()),
        job="" if job is None else job.state,
    )


class RecentRuns:
    """Runs used of late, in a JSON file of the user's settings; a broken file is an empty one."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or Path(platformdirs.user_config_dir("tvae")) / "recent-runs.json"

    def read(self) -> list[Path]:
        """Return the runs, latest first; those that are gone are left out."""
        try:
            values = parsed_json(read_text(self.path))
            names = [name for name in values["runs"] if isinstance(name, str)]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return []
        return [Path(name) for name in names if _is_run(Path(name))]

    def add(self, run: Path) -> None:
        """Put a run first."""
        self._write([run, *(path for path in self.read() if path != run)])

    def forget(self, run: Path) -> None:
        """Take a run off; its files stay."""
        self._write([path for path in self.read() if path != run])

    def _write(self, runs: list[Path]) -> None:
        names = [str(path) for path in runs[:_REMEMBERED]]
        try:
            write_text(self.path, json.dumps({"runs": names}, indent=2) + "\n")
        except OSError:
            return  # a read-only home folder must not stop the work


def _walk(folder: Path, depth: int) -> list[Path]:
    if _is_run(folder):
        return [folder]
    if depth == 0:
        return []
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []
    return [run for path in inside if path.name[0] != "." for run in _walk(path, depth - 1)]


def _is_run(path: Path) -> bool:
    try:
        return RunFolder(path).is_run() and "model" in _read_config(RunFolder(path))
    except (OSError, ConfigError):
        return False


def records_of(path: Path, most_bytes: int = 1 << 26) -> list[Record]:
    """Return the records of a file of lines, the last `most_bytes`; a damaged line is none."""
    records = []
    for line in tail_of(path, most_bytes).splitlines():
        try:
            records.append(from_json(line))
        except (ValueError, TypeError, RecursionError):
            continue
    return records


def _status(folder: RunFolder, has_epochs: bool) -> tuple[RunStatus, str]:
    if folder.process() is not None:
        return RunStatus.RUNNING, ""
    if (job := live_job(folder.path)) is not None:
        return (RunStatus.QUEUED if job.waits else RunStatus.RUNNING), job.words
    if folder.never_spoke():
        return RunStatus.FAILED, "The process ended before it began to train."
    last = _last_word(folder)
    if isinstance(last, Failed):
        stopped = says_stopped(last.what)
        return (RunStatus.STOPPED, "") if stopped else (RunStatus.FAILED, last.what)
    if isinstance(last, Finished) and last.path.endswith(".h5"):
        return RunStatus.FINISHED, last.reason
    if folder.was_cut_off():
        return RunStatus.FAILED, "The training process was killed."
    if last is None and not has_epochs:
        return RunStatus.QUEUED, ""
    return (RunStatus.FINISHED if folder.store.is_file() else RunStatus.STOPPED), ""


def _last_word(folder: RunFolder) -> Record | None:
    for record in reversed(records_of(folder.progress, _LATEST)):
        if isinstance(record, Started | Finished | Failed):
            return record
    return None


def _read_config(folder: RunFolder) -> dict[str, object]:
    try:
        values = parsed_json(read_text(folder.config_file))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _settings(folder: RunFolder) -> dict[str, object]:
    sections = _read_config(folder)
    return {
        f"{section}.{name}": value
        for section, values in sections.items()
        if isinstance(values, dict)
        for name, value in values.items()
    }


def _modified(folder: RunFolder) -> float:
    for path in (folder.metrics, folder.progress, folder.config_file):
        try:
            return path.stat().st_mtime
        except OSError:
            continue
    return 0.0
