"""Showing progress: a bar on a terminal, JSON lines for machines, a line an epoch elsewhere."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from tqdm import tqdm

from tvae_core import words
from tvae_core.errors import TvaeError
from tvae_core.files import file_error
from tvae_core.progress import (
    Chosen,
    Embedded,
    Epoch,
    Failed,
    Finished,
    Record,
    Remark,
    Started,
    Step,
)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print one JSON record per line")


def stop_on_signals() -> Callable[[], bool]:
    """Turn Ctrl-C and SIGTERM into a question: has someone asked to stop?"""
    asked = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    return asked.is_set


def report(records: Iterable[Record], as_json: bool, log: Callable[[str], None]) -> str:
    """Consume records, showing each; return the path of the last `Finished`.

    A failure is also told as a `Failed` record when `as_json`.
    """
    show: Callable[[Record], None] = _show_json if as_json else _Display()
    path = ""
    try:
        for record in records:
            if not isinstance(record, (Step, Embedded)):
                log(record.to_json())
            show(record)
            if isinstance(record, Finished):
                path = record.path
    except (TvaeError, OSError) as raised:
        error = raised if isinstance(raised, TvaeError) else file_error(raised)
        failed = Failed.from_error(error)
        with suppress(OSError):  # a full disk takes no log either
            log(failed.to_json())
        if as_json:
            _show_json(failed)
        raise error from raised
    return path


def move(bar: tqdm, share: float) -> None:  # type: ignore[type-arg]
    """Move a bar of 100 to a share of the work, 0..1."""
    bar.update(round(100 * share) - bar.n)


@contextmanager
def bar() -> Iterator[Callable[[float, str], None]]:
    """Show a bar on a terminal; what is yielded moves it to a share of the work, 0 to 1."""
    with tqdm(total=100, disable=not sys.stderr.isatty(), leave=False) as shown:
        yield lambda share, _: move(shown, share)


def _show_json(record: Record) -> None:
    sys.stdout.write(record.to_json() + "\n")
    sys.stdout.flush()


class _Display:
    """Records as a person reads them."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None  # type: ignore[type-arg]

    def __call__(self, record: Record) -> None:
        if isinstance(record, Step):
            self._move(record.step, record.steps, f"epoch {record.epoch + 1}", record.elbo)
            return
        if isinstance(record, Embedded):
            self._move(record.done, record.total, "embed", None)
            return
        self._close()
        text = _sentence(record)
        if text:
            print(text, flush=True)

    def _move(self, done: int, total: int, name: str, elbo: float | None) -> None:
        if not sys.stderr.isatty():
            return
        if self._bar is None or self._bar.total != total:
            self._close()
            self._bar = tqdm(total=total, leave=False)
        self._bar.set_description(name)
        if elbo is not None:
            self._bar.set_postfix_str(f"ELBO {elbo:.1f}")
        self._bar.update(done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _skipped(steps: int) -> str:
    return f"  {words.count(steps, 'step')} skipped (gradient not finite)" if steps else ""


def _sentence(record: Record) -> str:
    if isinstance(record, Started):
        of = f" (TARGET-VAE: {record.reference_parameters:,})" * bool(record.reference_parameters)
        return (
            f"{record.run}: {words.count(record.images, 'image')}, {record.system} of "
            f"{record.parameters:,} parameters{of}, on {record.device}"
        )
    if isinstance(record, Remark):
        return f"note: {record.what}"
    if isinstance(record, Chosen):
        return f"  {record.key}={record.value}: {record.reason}" if record.key else record.reason
    if isinstance(record, Epoch):
        held_out = record.validation_elbo
        validation = "" if held_out is None else f"  validation {held_out:9.2f}"
        return (
            f"epoch {record.epoch + 1:>4}/{record.epochs}  ELBO {record.elbo:9.2f}{validation}  "
            f"KL pose {record.kl_pose:5.2f} content {record.kl_content:5.2f}  "
            f"{record.seconds:6.1f} s{_skipped(record.skipped)}"
        )
    if isinstance(record, Finished):
        return f"{record.path}: {record.reason}, {record.seconds:.0f} s"
    return ""
