"""Runs as Slurm jobs, through submitit: submitted, requeued where they end too early, resumed.

submitit pickles what it submits (`SlurmRun`, a few words) into a folder beside the run and loads it
in the job; nothing else reads it.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tvae_core.errors import ConfigError, DeviceError, did_you_mean, extras_named
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.job import (
    CANCELLED,
    ENDED,
    REQUEUED,
    RUNNING,
    Job,
    job_file,
    read_job,
    write_job,
)
from tvae_core.runs.process import is_alive

_NAMES = {  # of an option, as submitit has it
    "partition": "partition", "account": "account", "qos": "qos", "constraint": "constraint",
    "exclude": "exclude", "nodelist": "nodelist", "mem": "mem", "gres": "gres",
    "comment": "comment", "dependency": "dependency", "gpus": "gpus_per_node", "nodes": "nodes",
    "cpus": "cpus_per_task", "time": "time",
}  # fmt: skip
_OURS = ("cluster", "requeues", "signal", "parallel")
_NUMBERS = ("gpus", "nodes", "cpus", "requeues", "signal", "parallel")
_SECONDS = {"": 60, "s": 1, "m": 60, "h": 3600, "d": 86400}
_STOP_S = 60.0  # for a checkpoint of a large model on a slow disk
_BEAT_S = 20.0
_LOOK_S = 0.2
_FIRST_PORT, _PORTS = 20_000, 10_000


@dataclass(frozen=True)
class SlurmOptions:
    """What is asked of Slurm.

    Parameters
    ----------
    cluster : str
        slurm; or local, which does the same on this machine, without Slurm.
    values : dict
        Options as submitit names them.
    requeues : int
        How often a job that runs out of time is requeued; of preemptions it may have any number.
    signal_s : int
        How long before its end a job is told to write a checkpoint.
    parallel : int
        How many jobs of an array may run at once.
    """

    cluster: str
    values: dict[str, Any]
    requeues: int = 100
    signal_s: int = 120
    parallel: int = 256

    @classmethod
    def parse(cls, text: str) -> SlurmOptions:
        """Return the options of words such as `partition=gpu,gpus=4,time=8:00:00`.

        Raises
        ------
        ConfigError
            An option is unknown, or its value is none.
        """
        given: dict[str, Any] = {}
        for word in filter(None, text.split(",")):
            name, equals, value = word.partition("=")
            known = [*_NAMES, *_OURS]
            if name not in known or not equals or not value:
                todo = did_you_mean(name, known) or f"name=value of {', '.join(known)}"
                raise ConfigError(f"no Slurm option {word!r}", "--slurm", todo)
            given[name] = _number(name, value) if name in _NUMBERS else value
        if "time" not in given:
            raise ConfigError("a job needs its time", "--slurm", "for example time=8:00:00")
        given["time"] = minutes(str(given["time"]))
        cluster = given.pop("cluster", "slurm")
        if cluster not in ("slurm", "local"):
            raise ConfigError(f"no cluster {cluster!r}", "--slurm", "slurm or local")
        ours: dict[str, Any] = {
            name: given.pop(name) for name in ("requeues", "parallel") if name in given
        }
        if "signal" in given:
            ours["signal_s"] = given.pop("signal")
        return cls(cluster, {_NAMES[name]: value for name, value in given.items()}, **ours)

    def devices(self, asked: int) -> int:
        """Return how many ranks a machine has: one for each GPU, else as many as asked for."""
        return int(self.values.get("gpus_per_node", asked))


def _number(name: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,7}", value) or (name != "gpus" and int(value) == 0):
        raise ConfigError(f"{name}={value} is no number", "--slurm")
    return int(value)


def minutes(text: str) -> int:
    """Return the minutes of a time as Slurm writes it (90, 8:00:00, 2-00:00:00) or 30m, 8h, 2d.

    Raises
    ------
    ConfigError
        It is none.
    """
    if found := re.fullmatch(r"(\d+)([smhd]?)", text):
        seconds = int(found[1]) * _SECONDS[found[2]]
    elif found := re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text):
        days, *rest = found.groups()
        parts = [int(one) for one in rest if one is not None]
        # with days it is hours first, without: of two numbers minutes and seconds
        if not days and len(parts) == 2:
            parts = [0, *parts]
        hours, minute, second = [*parts, 0, 0][:3]
        seconds = int(days or 0) * 86400 + hours * 3600 + minute * 60 + second
    else:
        raise ConfigError(f"time={text} is no time", "--slurm", "for example 8:00:00, 90 or 8h")
    if seconds < 60:
        raise ConfigError(f"time={text} is less than a minute", "--slurm", "8:00:00 is 8 hours")
    return -(-seconds // 60)


class SlurmRun:
    """The work of a job: `tvae train` on the run, whose words window and log follow as ever.

    Parameters
    ----------
    run : str
        Its folder, whose settings are written.
    words : sequence of str
        Options of `tvae train`.
    devices : int
        Ranks on each machine.
    """

    def __init__(self, run: str, words: Sequence[str], devices: int) -> None:
        self.run, self.words, self.devices = run, list(words), devices

    def __call__(self) -> int:
        """Train until the end, or until `checkpoint` stops it; return the status."""
        import submitit

        place = submitit.JobEnvironment()
        folder = RunFolder(Path(self.run))
        speaks = place.global_rank == 0
        if speaks:
            before = read_job(folder.path)
            executor = "local" if "SUBMITIT_LOCAL_JOB_ID" in os.environ else "slurm"
            job = before or Job(executor, str(place.job_id))
            write_job(folder.path, _placed(job, str(place.job_id)), RUNNING)
        status = self._train(folder, place)
        if speaks and (now := read_job(folder.path)) is not None and now.state != CANCELLED:
            write_job(folder.path, now, ENDED)
        return status

    def checkpoint(self) -> Any:
        """Stop the training, which writes its checkpoint; return what goes on with it."""
        import submitit

        pid = getattr(self, "_pid", 0)
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            until = time.monotonic() + _STOP_S
            while is_alive(pid) and time.monotonic() < until:
                time.sleep(_LOOK_S)
        run = Path(self.run)
        if (job := read_job(run)) is not None:
            if job.state == CANCELLED:
                return None
            write_job(run, _again(job), REQUEUED)
        return submitit.helpers.DelayedSubmission(SlurmRun(self.run, self.words, self.devices))

    def command(self, nodes: int = 1, node: int = 0, first: str = "") -> list[str]:
        """Return the command of a machine of the job."""
        words = ["train", self.run, *self.words]
        if RunFolder(Path(self.run)).begun and "--resume" not in words:
            words.append("--resume")
        words += ["--devices", str(self.devices)] if self.devices > 1 else []
        if nodes > 1:
            words += ["--nodes", str(nodes), "--node", str(node), "--first", first]
        return [sys.executable, "-m", "tvae_core.cli.main", *words, "--json"]

    def _train(self, folder: RunFolder, place: Any) -> int:
        nodes, first = int(place.num_nodes), ""
        if nodes > 1:
            port = _FIRST_PORT + int(re.sub(r"\D", "", str(place.job_id)) or 0) % _PORTS
            first = f"{place.hostnames[0]}:{port}"
        with (
            open(folder.progress, "a", encoding="utf-8") as records,
            open(folder.log_file, "a", encoding="utf-8") as log,
        ):
            child = subprocess.Popen(
                self.command(nodes, int(place.node), first), stdout=records, stderr=log
            )
            self._pid = child.pid
            over = threading.Event()
            threading.Thread(target=_beat, args=(folder.path, over), daemon=True).start()
            try:
                while child.poll() is None:  # and not wait: a signal must find no lock held
                    time.sleep(_LOOK_S)
            finally:
                over.set()
        return int(child.returncode)


def _placed(job: Job, number: str) -> Job:
    return Job(job.executor, number, job.state, 0.0, job.requeues, socket.gethostname())


def _again(job: Job) -> Job:
    return Job(job.executor, job.number, job.state, 0.0, job.requeues + 1, job.machine)


def _beat(run: Path, over: threading.Event) -> None:
    """Touch the file of the job, so that one that died with its machine is seen."""
    while not over.wait(_BEAT_S):
        with suppress(OSError):
            os.utime(job_file(run))


def script(options: SlurmOptions, folder: Path, runs: int = 1) -> str:
    """Return the sbatch script that submitit would submit.

    Raises
    ------
    DeviceError
        submitit is not installed.
    """
    executor = executor_of(options, folder, printed=True)
    if runs > 1:
        executor.parameters["map_count"] = runs
    text: str = executor._make_submission_file_text(executor._submitit_command_str, "0")
    return text


def submit(
    executor: Any, options: SlurmOptions, runs: Sequence[Path], words: Sequence[str], devices: int
) -> list[Job]:
    """Submit a job for each run, several as an array; their states are kept in their folders."""
    many = options.devices(devices)
    work = [SlurmRun(str(run.absolute()), words, many) for run in runs]
    for run in runs:
        job_file(run).unlink(missing_ok=True)
    apart = _own_streams() if options.cluster == "local" else nullcontext()
    with apart, executor.batch() if len(work) > 1 else nullcontext():
        submitted = [executor.submit(one) for one in work]
    jobs = []
    for run, one in zip(runs, submitted, strict=True):
        job = Job(options.cluster, str(one.job_id))
        jobs.append(read_job(run) or write_job(run, job))  # it may run already
    return jobs


@contextmanager
def _own_streams() -> Iterator[None]:
    """Let processes that are started in the block not hold the pipes that this one writes to."""
    kept = [os.dup(number) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    sys.stdout.flush()
    try:
        for number in (1, 2):
            os.dup2(nowhere, number)
        yield
    finally:
        for number, before in zip((1, 2), kept, strict=True):
            os.dup2(before, number)
            os.close(before)
        os.close(nowhere)


def executor_of(options: SlurmOptions, folder: Path, printed: bool = False) -> Any:
    """Return what submits to a cluster, or with `printed` only shows what it would submit.

    Raises
    ------
    DeviceError
        submitit is not installed, or this is no machine of a Slurm cluster.
    """
    with extras_named():
        import submitit

    if options.cluster == "local":
        local = submitit.LocalExecutor(folder, max_num_timeout=options.requeues)
        local.update_parameters(
            timeout_min=options.values["time"],
            gpus_per_node=options.values.get("gpus_per_node", 0),
            signal_delay_s=options.signal_s,
        )
        return local
    try:
        kind = _printing() if printed else submitit.SlurmExecutor
        executor = kind(folder, max_num_timeout=options.requeues)
    except RuntimeError:
        raise DeviceError(
            "srun was not found: this is no machine of a Slurm cluster", "--slurm",
            "submit from its login node, or try it here with --slurm cluster=local,time=...",
        ) from None  # fmt: skip
    given = {"ntasks_per_node": 1, "nodes": 1, "job_name": f"tvae-{folder.parent.name}"}
    executor.update_parameters(
        **(given | options.values),
        signal_delay_s=options.signal_s,
        array_parallelism=options.parallel,
        additional_parameters={"requeue": True},
        setup=[f"export PYTHONPATH={shlex.quote(os.environ['PYTHONPATH'])}"]
        if os.environ.get("PYTHONPATH")
        else None,
    )
    return executor


def _printing() -> Any:
    """Return submitit's executor of Slurm for a machine without Slurm, which only shows."""
    import submitit

    class Printing(submitit.SlurmExecutor):  # type: ignore[misc]
        """Shows its script."""

        @classmethod
        def affinity(cls) -> int:
            """Take any machine for one of a cluster."""
            return 1

    return Printing
