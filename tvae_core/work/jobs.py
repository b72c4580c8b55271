"""The jobs of runs: what their folders say, what Slurm says, and an end to them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from tvae_core.errors import ConfigError
from tvae_core.progress import Cancel
from tvae_core.runs.job import Job, cancel_job, job_file, live_job, read_job
from tvae_core.runs.listing import RunSummary, find_runs, summarise
from tvae_core.work.request import Option, Place, Progress, Request, never, quiet

_SQUEUE_S = 20.0
_GONE = "no longer in the queue"


@dataclass(frozen=True)
class JobOfRun:
    """A run, its job, and what Slurm says of it; empty where it was not asked."""

    run: RunSummary
    job: Job
    slurm: str = ""

    @property
    def words(self) -> str:
        """The job in words."""
        return f"{self.job.words}{f' ({self.slurm})' if self.slurm else ''}"


class JobsRequest(Request):
    """Which runs' jobs to list, or to cancel."""

    name: ClassVar[str] = "jobs"

    folder: Annotated[Path, Place("a run, or a folder of runs; here by default")] = Path()
    cancel: Annotated[bool, Option("cancel the jobs that wait or run")] = False

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> list[JobOfRun]:
        """Return the jobs of the runs in the folder, after cancelling; see `Request.run`."""
        if not self.folder.is_dir():
            raise ConfigError("no such folder", self.folder)
        runs = [run for run in find_runs([self.folder]) if job_file(run).exists()]
        if self.cancel:
            for run in runs:
                cancel_job(run)
        queue = _queue() if any(live_job(run) for run in runs) else None
        found = [(run, read_job(run)) for run in runs]
        return [JobOfRun(summarise(run), job, _said(job, queue)) for run, job in found if job]


def _queue() -> dict[str, str] | None:
    """Return what squeue says of this user's jobs, state by number; None where it is not here."""
    if shutil.which("squeue") is None:
        return None
    try:
        done = subprocess.run(
            ["squeue", "--me", "--noheader", "--array", "--format", "%i %T"],
            capture_output=True, text=True, timeout=_SQUEUE_S, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[0]: row[1].lower() for row in rows if len(row) == 2}


def _said(job: Job, queue: dict[str, str] | None) -> str:
    if queue is None or job.executor != "slurm" or job.state not in ("queued", "running"):
        return ""
    return queue.get(job.number, _GONE)
