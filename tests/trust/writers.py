"""Two processes that begin to write the same file at one moment: gate 13."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from tests.factories import store_content
from tvae_core.config import RunConfig
from tvae_core.errors import BusyError, TvaeError
from tvae_core.locks import held
from tvae_core.runs.folder import RunFolder
from tvae_core.sidecar import Labelling, change_sidecar, load_sidecar
from tvae_core.store import EmbeddingStore, write_store

Pair = Callable[[Path, int], list[str]]
_AHEAD_S = 0.02  # how long before they both begin
DONE, REFUSED = 0, 3


def both(one: Callable[[], int], other: Callable[[], int]) -> tuple[int, int]:
    """Run two functions in a process each, begun at one moment; return their exit codes."""
    start = time.monotonic() + _AHEAD_S
    children = [_forked(work, start) for work in (one, other)]
    first, second = (os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    return first, second


def _forked(work: Callable[[], int], start: float) -> int:
    child = os.fork()
    if child:
        return child
    status = 99
    try:
        while time.monotonic() < start:
            pass
        status = work()
    finally:
        os._exit(status)


def notes(folder: Path, times: int) -> list[str]:
    """Let two commands add a clustering each to the notes on a store."""
    store = _fresh_store(folder)
    wrong, said_done = [], set()
    for number in range(times):
        names = f"a{number}", f"b{number}"
        ends = both(*(partial(_add, store, name) for name in names))
        if DONE not in ends or not set(ends) <= {DONE, REFUSED}:
            wrong.append(f"{number}: exit {ends}")
        said_done |= {name for name, end in zip(names, ends, strict=True) if end == DONE}
    with EmbeddingStore(store) as opened:
        there = set(load_sidecar(opened).labellings)
    wrong += [f"lost: {name}" for name in sorted(said_done - there)]
    return wrong + [f"refused, and there: {name}" for name in sorted(there - said_done)]


def _add(path: Path, name: str) -> int:
    try:
        with EmbeddingStore(path) as store:
            labels = Labelling(np.zeros(store.images, np.int32), method=name)
            change_sidecar(store, lambda found: found.labellings.update({name: labels}))
    except BusyError:
        return REFUSED  # the other did not end in some seconds, and this one is told so
    return DONE


def run(folder: Path, times: int) -> list[str]:
    """Let two processes hold a run; each leaves a file inside that the other must not meet."""
    shutil.rmtree(folder, ignore_errors=True)
    one = RunFolder(folder / "run")
    one.path.mkdir(parents=True)
    RunConfig().save(one.config_file)
    return _alone(times, lambda: one.locked(wait_s=0.0), one.path / "inside")


def store(folder: Path, times: int) -> list[str]:
    """Let two processes hold what an embedding is written to."""
    path = _fresh_store(folder)
    return _alone(times, lambda: held(path), folder / "inside")


def _alone(times: int, hold: Callable[[], object], mark: Path) -> list[str]:
    def work() -> int:
        try:
            with hold():  # type: ignore[attr-defined]
                handle = os.open(mark, os.O_CREAT | os.O_EXCL)  # fails where the other is inside
                time.sleep(0.002)
                os.close(handle)
                mark.unlink()
        except TvaeError:
            return REFUSED
        return DONE

    wrong = []
    for number in range(times):
        ends = both(work, work)
        if DONE not in ends or not set(ends) <= {DONE, REFUSED}:
            wrong.append(f"{number}: exit {ends}")
    return wrong


def _fresh_store(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_store(folder / "e.h5", store_content(images=20, side=8))
    return folder / "e.h5"


PAIRS: dict[str, Pair] = {"notes": notes, "run": run, "store": store}
