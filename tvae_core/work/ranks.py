"""Work on several devices: torchrun starts a process for each, and what rank 0 says is passed on.

The parent stays as it is with one device: it shows the records and errors of rank 0 as its own, and
says why when a rank was lost. It needs no torch.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator

from tvae_core.errors import Cancelled, CheckpointError, TrainingError, TvaeError
from tvae_core.progress import Cancel, Failed, Record, from_json
from tvae_core.words import count
from tvae_core.work.request import Option, Request

if TYPE_CHECKING:
    from tvae_core.engine.together.ranks import Ranks

_AGENT = "tvae_core.engine.together.agent"
_PORT = 29400  # where the first machine is met, unless told otherwise
_LOST = 75  # `engine.together.watch.LOST`, known without torch
_ASK_S = 0.2
_END_S = 12.0  # a rank that is asked to stop ends within ten
_QUIET = {"LOGLEVEL": "CRITICAL", "TORCH_CPP_LOG_LEVEL": "ERROR"}  # the reason is told in a line
_ERRORS: dict[int, type[TvaeError]] = {3: TrainingError, 4: CheckpointError, 130: Cancelled}


class SharedRequest(Request):
    """A request that several devices can share, on one machine or on several."""

    devices: Annotated[
        int,
        Option("processes on this machine, each with a GPU or a share of the cores", metavar="N"),
        Field(ge=1, le=1024),
    ] = 1
    nodes: Annotated[
        int,
        Option("machines with so many devices each; start the same on all", metavar="N"),
        Field(ge=1, le=10_000),
    ] = 1
    node: Annotated[
        int, Option("which of the machines this is, from 0", metavar="I"), Field(ge=0)
    ] = 0
    first: Annotated[
        str, Option("name or address of machine 0, and a free port", metavar="HOST[:PORT]")
    ] = ""

    @property
    def is_shared(self) -> bool:
        """Whether torchrun is to start the work."""
        return self.devices > 1 or self.nodes > 1

    def for_one(self) -> Self:
        """Return what each rank is asked for."""
        return self.model_copy(update={"devices": 1, "nodes": 1, "node": 0, "first": ""})

    @model_validator(mode="after")
    def _says_where_to_meet(self) -> Self:
        if self.nodes > 1 and not self.first:
            raise ValueError("several --nodes need --first HOST, where they meet")
        if self.node >= self.nodes:
            raise ValueError(f"--node {self.node} of {count(self.nodes, 'machine')}; from 0")
        return self

    def torchrun_words(self) -> list[str]:
        """Return the words that tell torchrun how many ranks to start, and where they meet."""
        words = ["--nproc-per-node", str(self.devices)]
        if self.nodes == 1:
            return ["--standalone", *words]
        host, _, port = self.first.partition(":")
        words += ["--nnodes", str(self.nodes), "--node-rank", str(self.node)]
        return [*words, "--master-addr", host, "--master-port", port or str(_PORT)]

    def shared_records(self, run: Path, cancelled: Cancel) -> Iterator[Record]:
        """Let torchrun start the work; yield what rank 0 reports, where it is on this machine.

        Raises
        ------
        TvaeError
            What rank 0 or another ended with.
        TrainingError
            A rank was lost; the others have ended too.
        """
        command = [sys.executable, "-m", _AGENT, *self.torchrun_words()]
        command += ["-m", "tvae_core.cli.main", *self.for_one().command()[1:], "--json"]
        said: list[Failed] = []
        ended: list[dict[str, Any]] = []
        with _process(command) as child:
            for line in _lines(child, cancelled):
                record = _read(line, ended)
                if isinstance(record, Failed):
                    said.append(record)
                elif record is not None:
                    yield record
            status = child.wait()
        if status or ended:
            raise _reason(run, said, ended, status, self)


@contextmanager
def this_rank() -> Iterator[Ranks | None]:
    """Join the other ranks for the time of the block where torchrun started this process."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield None
        return
    from tvae_core.engine.together.ranks import joined

    with joined() as ranks:
        yield ranks


def never_asked(ranks: Ranks | None, cancelled: Cancel) -> Cancel:
    """Return the question whether to stop, which rank 0 asks for all: the others end with it."""
    return cancelled if ranks is None or ranks.is_first else lambda: False


@contextmanager
def _process(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Start torchrun for the time of the block, away from the signals of the terminal."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=_environment(os.environ),
        start_new_session=True,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(_END_S)
            child.kill()
        child.wait()


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    return {**own, **_QUIET, "PYTHONUNBUFFERED": "1"}


def _lines(child: subprocess.Popen[str], cancelled: Cancel) -> Iterator[str]:
    """Yield the lines of the standard output as they come; pass on a request to stop."""
    lines: queue.Queue[str | None] = queue.Queue()
    assert child.stdout is not None
    assert child.stderr is not None
    threads = [
        threading.Thread(target=_put, args=(child.stdout, lines), name="ranks' records"),
        threading.Thread(target=_pass_on, args=(child.stderr,), name="ranks' words"),
    ]
    for thread in threads:
        thread.daemon = True
        thread.start()
    asked = False
    while True:
        try:
            line = lines.get(timeout=_ASK_S)
        except queue.Empty:
            line = ""
        except KeyboardInterrupt:
            if not asked:
                raise
            line = ""  # the ranks were asked, and have as long as this process to end
        if line is None:
            break
        if line:
            yield line
        if cancelled() and not asked:
            asked = True
            child.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(_END_S)


def _put(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def _pass_on(stream: IO[str]) -> None:
    """Pass on what ranks write besides; their one line of an error comes as a record too."""
    with stream:
        for line in stream:
            if not line.startswith("tvae: "):
                sys.stderr.write(line)


def _read(line: str, ended: list[dict[str, Any]]) -> Record | None:
    """Return the record of a line; keep what the agent says of ranks that failed."""
    if line.startswith('{"kind": "ranks-ended"'):
        ended += json.loads(line)["failures"]
        return None
    with suppress(ValueError, TypeError):
        return from_json(line)
    return None


def _reason(
    run: Path,
    said: list[Failed],
    ended: list[dict[str, Any]],
    status: int,
    request: SharedRequest,
) -> TvaeError:
    """Return why the work ended: what rank 0 said, else what became of the rank that failed."""
    first = min(ended, key=_gravity, default=None)
    if said:
        last = said[-1]
        kind = next((one["status"] for one in ended if one["rank"] == 0), status)
        kind = 130 if last.what.startswith("stopped") else kind
        return _ERRORS.get(kind, TvaeError)(last.what, last.where, last.todo)
    if status == 130 and (first is None or first["status"] in (130, _LOST)):
        return Cancelled("stopped", run, "add --resume")
    again = f"tvae {request.name} {run}{' --resume' * (request.name == 'train')} goes on, on any "
    again += "number of devices"
    if first is None:
        return TrainingError(f"torchrun ended with status {status}", run, again)
    own = json.loads(first["words"]) if first["words"] else {}
    if own and first["status"] != _LOST:
        return _ERRORS.get(first["status"], TvaeError)(own["what"], own["where"], own["todo"])
    return TrainingError(f"{own.get('what') or _fate(first)}, and the others ended", run, again)


def _gravity(one: dict[str, Any]) -> int:
    """Return how far a rank's end is from being the cause."""
    if one["words"]:
        return 0
    if one["status"] < 0:
        return 1
    return 3 if one["status"] in (_LOST, 130) else 2


def _fate(one: dict[str, Any]) -> str:
    """Return in words what became of a rank that left none."""
    rank = f"rank {one['rank']} (process {one['pid']})"
    if one["status"] == _LOST:
        return "a rank on another machine was lost"
    if one["status"] >= 0:
        return f"{rank} ended with status {one['status']}"
    number = -one["status"]
    names = {known.value: known.name for known in signal.Signals}
    memory = ": perhaps there was not enough memory" * (names.get(number) == "SIGKILL")
    return f"{rank} was killed ({names.get(number, f'signal {number}')}{memory})"
