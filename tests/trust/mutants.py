"""Files changed at random, and whether a reader told of it, in a child with limits."""

from __future__ import annotations

import io
import json
import random
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from tests.trust.faults import Injector
from tests.trust.works import content

MORE_BYTES = 512 << 20
LIMIT_S = 10
_NUMBERS = (b"-1", b"0", b"1e400", b"nan", b"99999999999999999999", b"2147483648", b"")


def mutated(original: bytes, seed: int) -> bytes:
    """Return a file's bytes with one to four changes; most of them near its beginning."""
    chance = random.Random(seed)
    found = bytearray(original)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if found:
            chance.choice(_CHANGES)(found, chance)
    return bytes(found)


def _place(found: bytearray, chance: random.Random) -> int:
    end = len(found) if chance.random() < 0.4 else min(len(found), 1200)
    return chance.randrange(end)


def _flip(found: bytearray, chance: random.Random) -> None:
    found[_place(found, chance)] ^= 1 << chance.randrange(8)


def _overwrite(found: bytearray, chance: random.Random) -> None:
    at, length = _place(found, chance), chance.choice((1, 2, 4, 8, 64))
    value = chance.choice((b"\0", b"\xff", b"\x7f", bytes([chance.randrange(256)])))
    found[at : at + length] = value * min(length, len(found) - at)


def _cut(found: bytearray, chance: random.Random) -> None:
    del found[_place(found, chance) :]


def _drop(found: bytearray, chance: random.Random) -> None:
    at = _place(found, chance)
    del found[at : at + chance.choice((1, 4, 100))]


def _repeat(found: bytearray, chance: random.Random) -> None:
    at = _place(found, chance)
    found[at:at] = found[at : at + chance.choice((1, 16, 1000))]


def _number(found: bytearray, chance: random.Random) -> None:
    """Replace a number in a text by one that no honest file has."""
    at = _place(found, chance)
    digits = [i for i in range(at, min(at + 400, len(found))) if chr(found[i]).isdigit()]
    if digits:
        end = digits[0]
        while end < len(found) and chr(found[end]) in "0123456789.e+-":
            end += 1
        found[digits[0] : end] = chance.choice(_NUMBERS)


_CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip, _flip, _overwrite, _cut, _drop, _repeat, _number,
)  # fmt: skip


def tried(injector: Injector, file: Path, seeds: range, scratch: Path) -> Iterator[tuple[int, str]]:
    """Read mutants of a file by `tvae info`; give each seed with what was broken, "" for nothing.

    They are read in one child until one ends it; the others are read by the next.
    """
    rest = list(seeds)
    while rest:
        words = ["tests.trust.mutants:read_all", str(file), json.dumps(rest)]
        trial = injector.trial(words, scratch, limit=6 * LIMIT_S * len(rest))
        lines = [line for line in trial.told.splitlines() if line.startswith("seed ")]
        for line in lines:
            _, number, *wrong = line.split(" ", 2)
            if wrong != ["begun"]:
                yield int(number), "".join(wrong)
                rest.remove(int(number))
        if rest and trial.exit != 0:
            yield rest.pop(0), f"ended by signal {trial.signal}, exit {trial.exit}"


def read_all(file: str, seeds: str) -> int:
    """Read mutants of a file, and print for each what was wrong."""
    own = Path(file).name.startswith("embeddings.")
    expected = content(Path(file), Path(file).parent) if own else ""
    original = Path(file).read_bytes()
    folder = Path.cwd() / "mutants"
    folder.mkdir(exist_ok=True)
    mutant = folder / Path(file).name
    _limit_memory()
    for seed in json.loads(seeds):
        _say(f"seed {seed} begun")
        mutant.write_bytes(mutated(original, seed))
        wrong = read(mutant)
        if not wrong and own and content(mutant, folder) not in (expected,):
            wrong = "" if _told(mutant) else "read without a word, but different"
        _say(f"seed {seed} {wrong}".rstrip())
    return 0


def read_limited(file: str) -> int:
    """Read one file with the limits of a mutant, and print what was wrong, or "refused"."""
    from tvae_core.cli.main import main

    _limit_memory()
    wrong = read(Path(file))
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        status = main(["info", file])
    _say(wrong or ("refused" if status else "read"))
    return 0


def _used_s() -> float:
    """Return the seconds of the processor that this process and its children took."""
    own, children = (resource.getrusage(who) for who in (0, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _told(mutant: Path) -> bool:
    from tvae_core.cli.main import main

    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        return main(["validate", str(mutant)]) != 0


def _limit_memory() -> None:
    with open("/proc/self/statm", encoding="ascii") as stream:
        pages = int(stream.read().split()[0])
    size = pages * resource.getpagesize() + MORE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def read(path: Path) -> str:
    """Return how reading a file broke a promise, in words; empty when it was read or refused."""
    from tvae_core.cli.main import main

    out, error = io.StringIO(), io.StringIO()
    began = _used_s()
    signal.alarm(6 * LIMIT_S)  # of the clock, where other work may run beside
    try:
        with redirect_stdout(out), redirect_stderr(error):
            status = main(["info", str(path)])
    except BaseException as fault:  # noqa: BLE001 - any of them would be a traceback
        where = sys.exc_info()[2]
        while where and where.tb_next:
            where = where.tb_next
        name = where.tb_frame.f_code.co_filename if where else ""
        line = where.tb_lineno if where else 0
        return f"{type(fault).__name__}: {str(fault)[:100]} at {Path(name).name}:{line}".replace(
            "\n", " "
        )
    finally:
        signal.alarm(0)
    told = [line for line in error.getvalue().splitlines() if line.startswith("tvae: error")]
    if _used_s() - began > LIMIT_S:
        return f"took {_used_s() - began:.0f} s of the processor"
    if "not enough memory" in error.getvalue():
        return "more than 512 MB were asked for"
    if status not in (0, 2, 3, 4) or (status and len(told) != 1):
        return f"exit {status}, told {error.getvalue()[:200]!r}".replace("\n", " ")
    return ""
