"""The gates that the injector tries: each gives what is tried, and a call that tells what broke."""

from __future__ import annotations

import errno
import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.trust.faults import ERRNOS, FAIL, HOLD, KILLS, NOTHING, Injector, Trial
from tests.trust.power_cut import Disk, Operation, cuts, lay_out, read_log
from tests.trust.works import Work, broken, contents, do_again, not_mended

INTERRUPTED = 130
LIMIT_S = 10.0
_DEAF = ("tests.trust.works:never_asks",)
Trying = tuple[str, Callable[[], list[str]]]
_VARIES = re.compile(r"(\.[0-9a-f]+(-[0-9a-f]+)+)?\.part|\d+")  # of a part file's name, and numbers


@dataclass(frozen=True)
class Stage:
    """A work, the folder before it and after it, and what they hold; `scratch` takes the trials."""

    work: Work
    before: Path
    old: dict[str, str]
    new: dict[str, str]
    operations: int
    scratch: Path
    kinds: tuple[int, ...] = ()  # the first and last operation of each kind on each file

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """Give a copy of the folder as it was before the work."""
        folder = self.scratch / "trial"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.before, folder, symlinks=True)
        yield folder

    def mended(self, injector: Injector, folder: Path) -> list[str]:
        """Do the work again, undisturbed, and return what is wrong then."""
        trial = injector.trial(do_again(self.work, folder), folder)
        return not_mended(trial, contents(folder), self.new)


def measured(injector: Injector, work: Work, before: Path, after: Path, scratch: Path) -> Stage:
    """Return a stage, its operations counted."""
    stage = Stage(work, before, contents(before), contents(after), 0, scratch)
    log = scratch / "counted"
    log.unlink(missing_ok=True)
    with stage.copy() as folder:
        count = injector.trial(work.words, folder, log=log).operations
    return Stage(work, before, stage.old, stage.new, count, scratch, _of_each_kind(read_log(log)))


def _of_each_kind(operations: Sequence[Operation]) -> tuple[int, ...]:
    """Return the first and the last operation of each call on each file; numbers are one file."""
    kinds = [(done.name, _VARIES.sub("#", done.path)) for done in operations]
    first = {kind: place for place, kind in reversed([*enumerate(kinds, 1)])}
    last = {kind: place for place, kind in enumerate(kinds, 1)}
    return tuple(sorted({*first.values(), *last.values()}))


def failing(
    injector: Injector, stage: Stage, places: Sequence[int], numbers: Sequence[int] = ERRNOS
) -> Iterator[Trying]:
    """Let the operations at `places` fail with each errno: gate 3."""
    for place in places:
        for number in numbers:
            name = f"{stage.work.name}: operation {place} fails, {errno.errorcode[number]}"
            yield name, partial(_tried, injector, stage, place, FAIL, number)


def killed(
    injector: Injector, stage: Stage, places: Sequence[int], kinds: Sequence[int] = KILLS
) -> Iterator[Trying]:
    """Kill the command before, after and amidst the operations at `places`: gates 1 and 2."""
    for place in places:
        for kind in kinds:
            name = f"{stage.work.name}: killed at operation {place}, way {kind}"
            yield name, partial(_tried, injector, stage, place, kind, 0)


def _tried(injector: Injector, stage: Stage, place: int, kind: int, number: int) -> list[str]:
    with stage.copy() as folder:
        trial = injector.trial(stage.work.words, folder, place, kind, number)
        wrong = broken(kind, trial, contents(folder), stage.old, stage.new)
        return wrong + stage.mended(injector, folder)


def signalled(
    injector: Injector, stage: Stage, places: Sequence[int], numbers: Sequence[int]
) -> Iterator[Trying]:
    """Send signals where the operations at `places` are about to happen: gate 5."""
    for place in places:
        for number in numbers:
            name = f"{stage.work.name}: signal {number} at operation {place}"
            yield name, partial(_signalled, injector, stage, place, number)


def interrupted(
    injector: Injector, stage: Stage, places: Sequence[int], numbers: Sequence[int]
) -> Iterator[Trying]:
    """Do the same to a command that never asks, and is interrupted where it stands: gate 5."""
    for place in places:
        for number in numbers:
            name = f"{stage.work.name}: interrupted by signal {number} at operation {place}"
            yield name, partial(_signalled, injector, stage, place, number, _DEAF)


def at_moments(
    injector: Injector, stage: Stage, count: int, numbers: Sequence[int]
) -> Iterator[Trying]:
    """Send signals at moments drawn by chance, calculations included: gates 2 and 5."""
    with stage.copy() as folder:
        began = time.monotonic()
        injector.trial(stage.work.words, folder)
        took = time.monotonic() - began
    rng = random.Random(stage.work.name)
    for place in range(count):
        moment, number = rng.uniform(0, took), numbers[place % len(numbers)]
        name = f"{stage.work.name}: signal {number} at moment {place} of {count}"
        yield name, partial(_at_moment, injector, stage, moment, number)


def _at_moment(injector: Injector, stage: Stage, moment: float, number: int) -> list[str]:
    killed = number == signal.SIGKILL
    with stage.copy() as folder:
        trial = injector.trial(
            stage.work.words, folder, send=number, after=moment, limit=60 if killed else LIMIT_S
        )
        found = contents(folder)
        early = trial.signal == number and found == stage.old  # before anything was begun
        wrong = [] if killed or early else badly_ended(trial, whole=found == stage.new)
        wrong += broken(NOTHING, trial, found, stage.old, stage.new)
        return wrong + stage.mended(injector, folder)


def _signalled(
    injector: Injector, stage: Stage, place: int, number: int, before: tuple[str, ...] = ()
) -> list[str]:
    words = (*before, *stage.work.words)
    with stage.copy() as folder:
        trial = injector.trial(words, folder, place, HOLD, send=number, limit=LIMIT_S)
        found = contents(folder)
        wrong = badly_ended(trial, whole=found == stage.new)
        wrong += broken(HOLD, trial, found, stage.old, stage.new)
        return wrong + stage.mended(injector, folder)


def badly_ended(trial: Trial, *, whole: bool) -> list[str]:
    """Return what is wrong in how a command ended that got a signal; `whole`: its work is done."""
    if trial.late:
        return []  # `broken` says it
    if trial.exit != INTERRUPTED and not (trial.exit == 0 and whole):
        return [f"exit {trial.exit}, signal {trial.signal}: {trial.told[-300:]}"]
    told = sum(line.startswith("tvae: ") for line in trial.told.splitlines())
    if trial.exit == INTERRUPTED and told != 1:
        return [f"told in {told} lines: {trial.told[-300:]}"]
    return ["a traceback"] if "Traceback" in trial.told else []


def cut_off(injector: Injector, stage: Stage, every: int = 1) -> Iterator[Trying]:
    """Cut the power after any operation, on two kinds of disk: gate 19."""
    for at_once in (True, False):
        with stage.copy() as folder:
            log = stage.scratch / "operations"
            log.unlink(missing_ok=True)
            disk = Disk.of(folder)
            injector.trial(stage.work.words, folder, log=log)
            for number, (count, state) in enumerate(cuts(disk, log, at_once)):
                if number % every == 0:
                    name = f"{stage.work.name}: power cut after operation {count}"
                    yield (
                        f"{name}, names {'at once' if at_once else 'late'}",
                        partial(_found_later, injector, stage, folder, state),
                    )


def _found_later(
    injector: Injector, stage: Stage, root: Path, state: dict[str, bytes | None]
) -> list[str]:
    shutil.rmtree(root, ignore_errors=True)
    lay_out(state, root, root)  # where it was: a run keeps the absolute path of its images
    trial = Trial(None, None, late=False, told="", operations=0)
    wrong = broken(NOTHING, trial, contents(root), stage.old, stage.new)
    return wrong + stage.mended(injector, root)
