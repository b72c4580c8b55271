"""A run in a queue: what its folder says of the job, also to other machines."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from tvae_core.errors import TvaeError
from tvae_core.files import parsed_json, read_text, write_text
from tvae_core.runs.process import send

QUEUED, RUNNING, REQUEUED, ENDED, CANCELLED = [
    "queued",
    "running",
    "requeued",
    "ended",
    "cancelled",
]
STATES = (QUEUED, RUNNING, REQUEUED, ENDED, CANCELLED)
_NUMBER = re.compile(r"[1-9]\d{0,18}(_\d{1,10})?")  # the second part is of an array
_SILENT_S = 180.0  # a job that runs touches its file far more often
_SCANCEL_S = 20.0


@dataclass(frozen=True)
class Job:
    """A job that trains a run.

    Parameters
    ----------
    executor : str
        slurm, or local: the same on this machine.
    number : str
        By which its executor knows it.
    state : str
        queued, running, requeued (it was preempted or ran out of time, and goes on by itself),
        ended or cancelled.
    since_s : float
        When that state began, seconds since 1970.
    requeues : int
        How often it was requeued.
    machine : str
        Where it runs, or ran last.
    """

    executor: str
    number: str
    state: str = QUEUED
    since_s: float = 0.0
    requeues: int = 0
    machine: str = ""

    @property
    def waits(self) -> bool:
        """Whether it is to begin, or to go on, by itself."""
        return self.state in (QUEUED, REQUEUED)

    @property
    def words(self) -> str:
        """The job in words."""
        times = f", requeued {self.requeues} times" if self.requeues > 1 else ""
        where = f" on {self.machine}" if self.machine and self.state == RUNNING else ""
        name = "Slurm job" if self.executor == "slurm" else "local job"
        return f"{self.state} as {name} {self.number}{where}{times}"


def job_file(run: Path) -> Path:
    """Return the file of a run's job."""
    return run / "job.json"


def read_job(run: Path) -> Job | None:
    """Return the job of a run, None where it was never submitted."""
    try:
        values = parsed_json(read_text(job_file(run)))
        return _checked(Job(**{name: values[name] for name in Job.__dataclass_fields__}))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _checked(job: Job) -> Job:
    """Return a job that was read, as this program writes them.

    A run folder may be a stranger's, and what is in it becomes a word of `scancel` or the number of
    a process: `--me` would cancel all jobs, -1 end all processes.

    Raises
    ------
    ValueError, TypeError
        It is none.
    """
    if job.executor not in ("slurm", "local") or job.state not in STATES:
        raise ValueError("no such job")
    if not _NUMBER.fullmatch(job.number) or not isinstance(job.machine, str):
        raise ValueError("no number of a job")
    return replace(job, since_s=float(job.since_s), requeues=int(job.requeues))


def write_job(run: Path, job: Job, state: str = "") -> Job:
    """Write the job of a run, in a state that begins now."""
    job = replace(job, state=state or job.state, since_s=time.time())
    write_text(job_file(run), json.dumps(asdict(job)) + "\n")
    return job


def live_job(run: Path) -> Job | None:
    """Return the job of a run that waits or works, as far as its file tells."""
    job = read_job(run)
    if job is None or job.state in (ENDED, CANCELLED):
        return None
    if job.waits:
        return job
    try:
        return job if time.time() - job_file(run).stat().st_mtime < _SILENT_S else None
    except OSError:
        return None


def cancel_job(run: Path) -> bool:
    """Cancel the job of a run; return False where there is none that waits or works.

    Raises
    ------
    TvaeError
        Slurm's commands are not here, or it refused.
    """
    job = live_job(run)
    if job is None:
        return False
    if job.executor == "slurm":
        _scancel(job, run)
    write_job(run, job, CANCELLED)  # ahead of the end of a local one, which then leaves it so
    if job.executor == "local" and not send(run / "run.pid", signal.SIGTERM):
        _interrupt(int(job.number))  # it has not begun to train
    return True


def _interrupt(number: int) -> None:
    """Interrupt a process that carries a local job, and no other that has its number."""
    with suppress(psutil.Error, OSError):
        process = psutil.Process(number)
        if any("submitit" in word for word in process.cmdline()):
            process.send_signal(signal.SIGINT)


def _scancel(job: Job, run: Path) -> None:
    if shutil.which("scancel") is None:
        what = f"{job.words}, but scancel is not on this machine"
        raise TvaeError(what, run, f"scancel {job.number} on a machine of the cluster")
    done = subprocess.run(
        ["scancel", job.number], capture_output=True, text=True, timeout=_SCANCEL_S, check=False
    )
    if done.returncode:
        raise TvaeError(f"scancel refused: {done.stderr.strip()}", run)
