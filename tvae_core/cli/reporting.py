"""What a command tells: a bar on a terminal, JSON for machines, a line now and then elsewhere."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from tqdm import tqdm

from tvae_core import words
from tvae_core.errors import Cancelled, TvaeError
from tvae_core.files import file_error
from tvae_core.progress import (
    Chosen,
    Embedded,
    Epoch,
    Failed,
    Finished,
    Judged,
    Record,
    Remark,
    Started,
    Step,
)

_EVERY_S = 10.0  # between two lines of progress where there is no terminal


def tell(arguments: argparse.Namespace, facts: Mapping[str, Any] | list[Any], *lines: str) -> None:
    """Print what came of a command: `facts` as JSON in one line with `--json`, else `lines`."""
    if arguments.json:
        print(json.dumps(_plain(facts), allow_nan=False))
    elif lines:
        print("\n".join(lines))


def report(
    records: Iterable[Record], as_json: bool, log: Callable[[str], None], quiet: bool = False
) -> str:
    """Consume records, showing each; return the path of the last `Finished`.

    A failure is also told as a `Failed` record when `as_json`; `quiet` shows no progress.
    """
    show: Callable[[Record], None] = _show_json if as_json else _Display(quiet)
    path = ""
    try:
        for record in records:
            if not isinstance(record, (Step, Embedded)):
                log(record.to_json())
            show(record)
            if isinstance(record, Finished):
                path = record.path
    except (TvaeError, OSError, KeyboardInterrupt) as raised:
        if isinstance(raised, KeyboardInterrupt):
            error: TvaeError = Cancelled("stopped")
        else:
            error = raised if isinstance(raised, TvaeError) else file_error(raised)
        failed = Failed.from_error(error)
        with suppress(OSError):  # a full disk takes no log either
            log(failed.to_json())
        if as_json:
            _show_json(failed)
        raise error from raised
    return path


def _plain(value: Any) -> Any:
    """Return a value as JSON takes it: records as objects, NaN and infinity as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if hasattr(value, "tolist"):  # NumPy's
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, type(None))) else str(value)


@contextmanager
def progress(arguments: argparse.Namespace) -> Iterator[Callable[[float, str], None]]:
    """Show how far the work is; what is yielded is told the share done, 0 to 1, and of what."""
    if arguments.quiet:
        yield lambda share, _: None
    elif sys.stderr.isatty():
        with tqdm(total=100, leave=False) as bar:
            yield lambda share, _: _move(bar, share)
    else:
        lines = Lines(sys.stderr)
        began = time.monotonic()
        yield lambda share, of: lines(of, share, _left_s(share, time.monotonic() - began))


class Lines:
    """Progress in words where there is no terminal: a line now and then."""

    def __init__(self, to: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._to = to
        self._clock = clock
        self._told = clock()

    def __call__(self, of: str, share: float, left_s: float | None) -> None:
        """Tell the share done, 0 to 1, and how long the rest will take, unless told just now."""
        now = self._clock()
        if now - self._told < _EVERY_S:
            return
        self._told = now
        left = "" if left_s is None or left_s < 1 else f", about {words.duration(left_s)} left"
        self._to.write(f"{of}: {100 * share:.0f} %{left}\n")
        self._to.flush()


def _left_s(share: float, seconds: float) -> float | None:
    return seconds * (1 - share) / share if share > 0 else None


def _move(bar: tqdm, share: float) -> None:  # type: ignore[type-arg]
    bar.update(round(100 * share) - bar.n)


def _show_json(record: Record) -> None:
    sys.stdout.write(record.to_json() + "\n")
    sys.stdout.flush()


class _Display:
    """Records as a person reads them."""

    def __init__(self, quiet: bool = False) -> None:
        self._bar: tqdm | None = None  # type: ignore[type-arg]
        self._lines = Lines(sys.stdout)
        self._is_quiet = quiet

    def __call__(self, record: Record) -> None:
        if isinstance(record, Step):
            name = f"epoch {record.epoch + 1}"
            self._move(record.step, record.steps, name, record.elbo, record.eta_s)
            return
        if isinstance(record, Embedded):
            rate = record.images_per_second  # 0 while finished blocks are taken up
            left_s = (record.total - record.done) / rate if rate > 0 else None
            self._move(record.done, record.total, "embedding", None, left_s)
            return
        self._close()
        text = _sentence(record)
        if text:
            print(text, flush=True)

    def _move(
        self, done: int, total: int, name: str, elbo: float | None, left_s: float | None
    ) -> None:
        if self._is_quiet:
            return
        if not sys.stderr.isatty():
            self._lines(name, done / max(total, 1), left_s)
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


def _rest(record: Epoch) -> str:
    return f"  {words.duration(record.eta_s)} left" if record.eta_s > 0 else ""


def _skipped(steps: int) -> str:
    return f"  {words.count(steps, 'step')} skipped (gradient not finite)" if steps else ""


def _judged(record: Judged) -> str:
    """Return the verdict at the end, with the settings to try again with."""
    if not record.final:
        return ""
    return record.words + (f"\nTry again so: {record.again}" if record.again else "")


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
    if isinstance(record, Judged):
        return _judged(record)
    if isinstance(record, Epoch):
        held_out = record.validation_elbo
        validation = "" if held_out is None else f"  validation {held_out:9.2f}"
        return (
            f"epoch {record.epoch + 1:>4}/{record.epochs}  ELBO {record.elbo:9.2f}{validation}  "
            f"KL pose {record.kl_pose:5.2f} content {record.kl_content:5.2f}  "
            f"{record.seconds:6.1f} s{_skipped(record.skipped)}{_rest(record)}"
        )
    if isinstance(record, Finished):
        return f"{record.path}: {record.reason}, {record.seconds:.0f} s"
    return ""
