"""Gates of trust, all of them: commands killed, refused, signalled and cut off; files that harm.

    python benchmarks/trust.py [--gates 1 3 5 ...] [--works W ...] [--minutes M] [--out FOLDER]

What was tried lies in FOLDER/trust.jsonl and is never tried twice: start it again, and it goes on.
The table is FOLDER/table.md; docs/trust.md says what it means. `--every K` tries each K-th
operation of each command only; `--in-turn` takes the errnos, the ways to be killed and the signals
in turn rather than all of them at each operation; `--kinds` does so at the first and the last
operation of each kind on each file only.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.trust import gates, hostile, mutants, writers
from tests.trust.faults import ERRNOS, KILLS, Injector, can_inject
from tests.trust.gates import Stage, Trying
from tests.trust.places import without_room
from tests.trust.samples import write_samples
from tests.trust.works import WORKS, stages

_BATCH = 50  # mutants that one child reads
STARTS, _TOGETHER = 1000, 50  # of two writers, and how many are tried at once
WORDS = {
    1: (
        "a command killed before, after or amidst an operation: what was there or the new "
        "whole, and it can be done again"
    ),
    3: "an operation fails (EIO, ENOSPC, EDQUOT, EACCES): exit 3, one line, the old file stays",
    2: "a command killed at a moment drawn by chance: as at an operation",
    5: "SIGINT or SIGTERM at an operation: ends within 10 s, and it can be done again",
    50: "the same at a moment drawn by chance",
    6: (
        "a file changed at random: read, or refused in one line; no signal, no hang, no 512 "
        "MB; ours never differ unsaid"
    ),
    7: "files of sizes, depths and expansions no honest file has: refused, within 512 MB",
    8: "pickles under every name that is read: nothing executes",
    4: "files find no room (RLIMIT_FSIZE): exit 3, one line, no signal, the old file stays",
    9: "HDF5 that takes its values from other files: refused",
    13: "two writers at one moment: never both inside, nothing lost",
    19: (
        "power cut after any operation, with what was not synced lost: old or new, and it can"
        " be done again"
    ),
}


@dataclass(frozen=True)
class Ground:
    """What the gates share: the injector, the works done once, and a scratch folder."""

    injector: Injector
    staged: list[Stage]
    finished: Path  # the folder of a run with a store, clusters and a verdict
    scratch: Path
    every: int
    mutants: int
    kinds: bool = False
    starts: int = STARTS
    in_turn: bool = False
    moments: int = 20

    def places(self, stage: Stage) -> list[int]:
        """Return the operations of a work that are tried."""
        tried = stage.kinds if self.kinds else range(1, stage.operations + 1)
        return list(tried)[:: self.every]

    def faults(self, stage: Stage, faults: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
        """Give operations and the faults that are tried at them: all, or one of them in turn."""
        if not (self.kinds or self.in_turn):
            yield self.places(stage), list(faults)
            return
        for turn, place in enumerate(self.places(stage)):
            yield [place], [faults[turn % len(faults)]]


def operations(ground: Ground, number: int) -> Iterator[Trying]:
    """Try the operations of each work, or moments of it: gates 1 to 5, and 19."""
    for stage in ground.staged:
        if number == 4:
            yield from without_room(ground.injector, stage)
        elif number in MOMENTS:
            yield from gates.at_moments(ground.injector, stage, ground.moments, MOMENTS[number])
        elif number == 19:
            yield from gates.cut_off(ground.injector, stage, ground.every)
        else:
            tried, faults = FAULTS[number]
            for places, some in ground.faults(stage, faults):
                yield from tried(ground.injector, stage, places, some)


def changed(ground: Ground, number: int) -> Iterator[Trying]:
    """Read files changed at random: gate 6."""
    folder = ground.scratch / "samples"
    folder.mkdir(exist_ok=True)
    for file in write_samples(ground.finished, folder):
        for first in range(0, ground.mutants, _BATCH):
            seeds = range(first, min(first + _BATCH, ground.mutants))
            yield (
                f"{file.name}: {len(seeds)} from {first}",
                partial(_mutants_broken, ground.injector, file, seeds, folder),
            )


def _mutants_broken(injector: Injector, file: Path, seeds: range, folder: Path) -> list[str]:
    found = mutants.tried(injector, file, seeds, folder)
    return [f"seed {seed}: {wrong}" for seed, wrong in found if wrong]


def harmful(ground: Ground, number: int) -> Iterator[Trying]:
    """Read files that were made to harm: gates 7, 8 and 9."""
    folder = ground.scratch / "hostile"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if number == 8:
        proof = folder / "executed"
        for file in hostile.pickles(folder, proof):
            yield file.name, partial(_unpickled, ground.injector, file, proof)
        return
    for name, make in (hostile.SIZES if number == 7 else hostile.WAYS_OUT).items():
        yield name, partial(_harmed, ground.injector, folder / name, make)


def together(ground: Ground, number: int) -> Iterator[Trying]:
    """Let two processes write at one moment: gate 13."""
    for name, pair in writers.PAIRS.items():
        for first in range(0, ground.starts, _TOGETHER):
            folder = ground.scratch / "together"
            yield f"{name}: {_TOGETHER} from {first}", partial(pair, folder, _TOGETHER)


def _unpickled(injector: Injector, file: Path, proof: Path) -> list[str]:
    trial = injector.trial(["info", str(file)], file.parent)
    wrong = [] if trial.exit in (2, 4) else [f"exit {trial.exit}"]
    return wrong + (["it executed"] if proof.exists() else [])


def _harmed(injector: Injector, file: Path, make: hostile.Make) -> list[str]:
    make(file)
    words = ["tests.trust.mutants:read_limited", str(file)]
    trial = injector.trial(words, file.parent, limit=10)
    told = trial.told.strip() or f"signal {trial.signal}"
    return [] if told == "refused" else [told]


FAULTS: dict[int, tuple[Callable[..., Iterator[Trying]], tuple[int, ...]]] = {
    1: (gates.killed, KILLS), 3: (gates.failing, ERRNOS),
    5: (gates.signalled, (signal.SIGINT, signal.SIGTERM)),
}  # fmt: skip
MOMENTS: dict[int, tuple[int, ...]] = {
    2: (signal.SIGKILL,), 50: (signal.SIGINT, signal.SIGTERM),
}  # fmt: skip
GATES: dict[int, Callable[[Ground, int], Iterator[Trying]]] = {
    1: operations, 3: operations, 5: operations, 6: changed, 7: harmful, 8: harmful, 9: harmful,
    2: operations, 4: operations, 13: together, 19: operations, 50: operations,
}  # fmt: skip


def main() -> None:
    """Try the gates that were asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gates", type=int, nargs="+", default=list(GATES), choices=list(GATES))
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no trial after these")
    parser.add_argument("--every", type=int, default=1, help="each K-th operation only")
    parser.add_argument("--kinds", action="store_true", help="an operation of each kind only")
    parser.add_argument("--in-turn", action="store_true", help="one fault an operation, in turn")
    parser.add_argument("--moments", type=int, default=20, help="of each command, gates 2 and 50")
    names = [work.name for work in WORKS]
    parser.add_argument("--works", nargs="+", default=names, choices=names, help="gates 1 to 5, 19")
    parser.add_argument("--starts", type=int, default=STARTS, help="of two writers, each file")
    parser.add_argument("--mutants", type=int, default=3000, help="of each format")
    parser.add_argument("--out", type=Path, default=Path("trust"))
    arguments = parser.parse_args()
    if reason := can_inject():
        raise SystemExit(reason)
    arguments.out.mkdir(parents=True, exist_ok=True)
    log = arguments.out / "trust.jsonl"
    known = _known(log)
    end = time.monotonic() + 60 * arguments.minutes
    scratch = arguments.out / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    with Injector(scratch) as injector:
        ground = _ground(injector, scratch, arguments)
        for number in arguments.gates:
            began = time.monotonic()
            _try(number, ground, known, log, end)
            print(f"gate {number}: {time.monotonic() - began:.0f} s", flush=True)
    (arguments.out / "table.md").write_text(_page(_known(log), arguments), encoding="utf-8")


def _ground(injector: Injector, scratch: Path, arguments: argparse.Namespace) -> Ground:
    done = list(stages(injector, scratch / "works"))
    staged = [
        gates.measured(injector, work, before, after, scratch)
        for work, before, after in done
        if work.name in arguments.works
    ]
    return Ground(
        injector, staged, done[-1][1], scratch, arguments.every, arguments.mutants,
        arguments.kinds, arguments.starts, arguments.in_turn, arguments.moments,
    )  # fmt: skip


def _try(
    number: int, ground: Ground, known: dict[tuple[int, str], list[str]], log: Path, end: float
) -> None:
    with log.open("a", encoding="utf-8") as stream:
        for name, tried in GATES[number](ground, number):
            if (number, name) in known:
                continue
            wrong = tried()
            stream.write(json.dumps({"gate": number, "tried": name, "wrong": wrong}) + "\n")
            stream.flush()
            if wrong:
                print(f"gate {number}: {name}: {'; '.join(wrong)}", flush=True)
            if time.monotonic() > end:
                return


def _known(log: Path) -> dict[tuple[int, str], list[str]]:
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    found = [json.loads(line) for line in lines]
    return {(entry["gate"], entry["tried"]): entry["wrong"] for entry in found}


def _page(known: dict[tuple[int, str], list[str]], arguments: argparse.Namespace) -> str:
    lines = [
        "# Gates of trust: what was tried",
        "",
        f"Made by `python benchmarks/trust.py --every {arguments.every} --mutants "
        f"{arguments.mutants}` on {platform.system()}, Python {platform.python_version()}, "
        f"{datetime.now(UTC):%d %B %Y}.",
        "",
        "| gate | promise | tried | held |",
        "|---|---|---|---|",
    ]
    broken = []
    for number, words in sorted(WORDS.items()):
        mine = {name: wrong for (gate, name), wrong in known.items() if gate == number}
        if not mine:
            continue
        held = sum(not wrong for wrong in mine.values())
        many = f"{len(mine):,}" + (f" batches of {_BATCH}" if number in (6, 13) else "")
        lines.append(f"| {number} | {words} | {many} | {held:,} |")
        broken += [f"- gate {number}, {name}: {w[0][:200]}" for name, w in mine.items() if w]
    return (
        "\n".join([*lines, "", *(["What did not hold:", "", *broken[:40]] if broken else [])])
        + "\n"
    )


if __name__ == "__main__":
    main()
