"""Ctrl-C and SIGTERM: one line, status 130, in time; a second one at once."""

from __future__ import annotations

import argparse
import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tvae_core.cli import reporting, stopping
from tvae_core.cli.reporting import Lines, report, tell
from tvae_core.progress import Embedded

SIGNALS = [signal.SIGINT, signal.SIGTERM]
WORK = """
import sys, time
from tvae_core.cli import main as entry, stopping
from tvae_core.cli.main import main
from tvae_core.errors import Cancelled
stopping.ASKED_S, stopping.INTERRUPTED_S = {asked}, {interrupted}
class Command:
    def run(arguments):
        print("working", flush=True)
        {work}
entry.load = lambda name: (Command, Parser())
class Parser:
    def parse_args(self, words):
        import argparse
        return argparse.Namespace(quiet=False, json=False)
sys.exit(main(["train"]))
"""
ASKS = """
        while not arguments.cancelled(): time.sleep(0.01)
        raise Cancelled("stopped; kept", "run", "add --resume")"""
NEVER_ASKS = """
        while True: time.sleep(0.01)"""
FAILS = """
        try:
            while True: time.sleep(0.01)
        except KeyboardInterrupt: pass
        raise RuntimeError("driver write request failed")"""  # as HDF5 does, amidst its writing
SWALLOWS = """
        class Closing:
            def __del__(self):
                while True: time.sleep(0.01)
        Closing()
        while True: time.sleep(0.01)"""  # as it is raised where a process forks
IS_DEAF = """
        while True:
            try:
                while True: time.sleep(0.01)
            except KeyboardInterrupt: pass"""


@contextmanager
def working(work: str, asked: float = 60, interrupted: float = 60) -> Iterator[subprocess.Popen]:  # type: ignore[type-arg]
    """A process that has begun its work."""
    code = WORK.format(work=work, asked=asked, interrupted=interrupted)
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stderr is not None
    try:
        assert child.stdout.readline() == "working\n"
        yield child
    finally:
        child.kill()
        child.communicate()


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize(
    ("work", "waits", "line"),
    [
        (ASKS, (60, 60), "tvae: run: stopped; kept (add --resume)\n"),
        (NEVER_ASKS, (0.1, 60), "tvae: stopped\n"),
        (FAILS, (0.1, 60), "tvae: stopped\n"),
        (SWALLOWS, (0.1, 20), "tvae: stopped\n"),
        (IS_DEAF, (0.1, 0.1), "tvae: did not stop in time, and was ended\n"),
    ],
    ids=["asks", "never asks", "fails of it", "swallows it", "is deaf"],
)
def test_a_signal_ends_any_work_with_one_line(
    number: signal.Signals, work: str, waits: tuple[float, float], line: str
) -> None:
    with working(work, *waits) as child:
        child.send_signal(number)
        _, told = child.communicate(timeout=60)
        assert (child.returncode, told) == (130, line)


def test_a_second_signal_ends_at_once() -> None:
    with working(IS_DEAF) as child:
        child.send_signal(signal.SIGINT)
        while child.poll() is None:  # two at one moment are one to the system
            child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=60)
        assert (child.returncode, told) == (130, "tvae: ended at once\n")


def test_outside_the_main_thread_nobody_asks() -> None:
    import threading

    answers: list[bool] = []

    def ask() -> None:
        with stopping.stopped_by_signals() as asked:
            answers.append(asked())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert answers == [False]


def test_the_handlers_of_others_are_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with stopping.stopped_by_signals():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_progress_is_a_line_now_and_then_without_a_terminal() -> None:
    text, now = io.StringIO(), iter([0.0, 5.0, 11.0, 15.0, 22.0])
    lines = Lines(text, lambda: next(now))
    for share in (0.1, 0.2, 0.3, 0.5):
        lines("UMAP", share, 100 * (1 - share))
    assert text.getvalue() == "UMAP: 20 %, about 80 s left\nUMAP: 50 %, about 50 s left\n"


def test_nothing_is_foretold_while_finished_blocks_are_taken_up(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "_EVERY_S", 0.0)
    records = [Embedded(2048, 1_000_000, 0.0), Embedded(500_000, 1_000_000, 500.0)]
    report(records, as_json=False, log=lambda _: None)
    assert capsys.readouterr().out.splitlines() == [
        "embedding: 0 %", "embedding: 50 %, about 17 min left",
    ]  # fmt: skip


def test_json_takes_paths_arrays_and_what_is_not_finite(
    capsys: pytest.CaptureFixture[str],
) -> None:
    facts = {"path": Path("a"), "n": np.int64(3), "z": np.array([1.0, np.nan]), "lost": np.inf}
    tell(argparse.Namespace(json=True), facts, "a line")
    assert capsys.readouterr().out == '{"path": "a", "n": 3, "z": [1.0, null], "lost": null}\n'
