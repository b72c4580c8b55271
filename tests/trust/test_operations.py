"""Gates 1, 2, 3, 5 and 19, thinned: a command is killed, refused, stopped or cut off at its k-th
operation.

benchmarks/trust.py tries every operation.
"""

from __future__ import annotations

import errno
import signal
from pathlib import Path

import pytest

from tests.trust.faults import FAIL, HOLD, KILL_AFTER, Injector
from tests.trust.gates import (
    INTERRUPTED,
    LIMIT_S,
    Stage,
    at_moments,
    cut_off,
    failing,
    interrupted,
    killed,
    signalled,
)
from tests.trust.works import WORKS, contents

SLOW = ("evaluate", "decode", "export figure", "clusters beside")
NAMES = [work.name for work in WORKS if work.name not in SLOW]


def spread(count: int, places: int) -> list[int]:
    """Return places from the first operation to the last."""
    return sorted({1 + round(i * (count - 1) / (places - 1)) for i in range(places)})


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_that_fails(injector: Injector, staged: dict[str, Stage], name: str) -> None:
    stage = staged[name]
    places = spread(stage.operations, 9)[1:8:3] if name != "train" else [stage.operations // 2]
    for tried, wrong in failing(injector, stage, places, [errno.ENOSPC]):
        assert wrong() == [], tried


@pytest.mark.parametrize("name", NAMES)
def test_a_kill(injector: Injector, staged: dict[str, Stage], name: str) -> None:
    stage = staged[name]
    places = spread(stage.operations, 4)[1:-1] if name != "train" else [stage.operations // 3]
    for tried, wrong in killed(injector, stage, places):
        assert wrong() == [], tried


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_moment_drawn_by_chance(
    injector: Injector, staged: dict[str, Stage], number: int
) -> None:
    for tried, wrong in at_moments(injector, staged["embed"], 2, [number]):
        assert wrong() == [], tried


@pytest.mark.parametrize("name", ["train", "embed", "export mrcs", "average"])
def test_a_signal(injector: Injector, staged: dict[str, Stage], name: str) -> None:
    stage = staged[name]
    middle, late = stage.operations // 2, stage.operations // 4 * 3
    tried = [*signalled(injector, stage, [middle], [signal.SIGTERM])]
    if name != "train":
        tried += signalled(injector, stage, [late], [signal.SIGINT])
    for what, wrong in tried:
        assert wrong() == [], what


@pytest.mark.parametrize("name", ["train", "embed", "export folder"])
def test_a_signal_to_what_never_asks(
    injector: Injector, staged: dict[str, Stage], name: str
) -> None:
    stage = staged[name]
    for what, wrong in interrupted(injector, stage, [stage.operations // 3], [signal.SIGINT]):
        assert wrong() == [], what


@pytest.mark.parametrize("words", [(), ("tests.trust.works:never_asks",)], ids=["asks", "never"])
def test_a_signal_ends_a_training(
    injector: Injector, staged: dict[str, Stage], words: tuple[str, ...]
) -> None:
    """It does not go on to its end, which would be no harm to its files."""
    stage = staged["train"]
    words = (*words, *stage.work.words)
    with stage.copy() as folder:
        place = stage.operations // 3
        trial = injector.trial(words, folder, place, HOLD, send=signal.SIGINT, limit=LIMIT_S)
        assert trial.exit == INTERRUPTED, trial.told
        assert trial.operations < stage.operations, "it went on to its end"


@pytest.mark.parametrize("name", ["cluster", "export star", "export folder"])
def test_a_power_cut(injector: Injector, staged: dict[str, Stage], name: str) -> None:
    for tried, wrong in cut_off(injector, staged[name], every=7):
        assert wrong() == [], tried


def test_the_injector_itself(injector: Injector, tmp_path: Path) -> None:
    """What it is told to break breaks: a gate that nothing can close would prove nothing."""
    words = ["tests.trust.works:write_badly", "out.txt"]
    assert injector.trial(words, tmp_path).operations == 2  # open, write
    trial = injector.trial(words, tmp_path, 2, FAIL, errno.ENOSPC)
    assert (trial.exit, trial.signal) == (99, None)
    assert "No space left" in trial.told
    assert contents(tmp_path)  # half of a file where a whole one was
    assert injector.trial(words, tmp_path, 1, KILL_AFTER).signal == 9
    assert (tmp_path / "out.txt").read_text() == ""
