"""What a run is doing, told by the records and words that its process leaves."""

from __future__ import annotations

import dataclasses
import math
from enum import StrEnum

from tvae_core import words
from tvae_core.progress import (
    Chosen,
    Epoch,
    Failed,
    Finished,
    Judged,
    Record,
    Remark,
    Started,
    from_json,
)

_STOP_WORDS = ("stopped", "interrupted", "cancelled", "terminated")


class RunStatus(StrEnum):
    """What a run is doing."""

    QUEUED = "queued"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def is_live(self) -> bool:
        """Whether a process is at work."""
        return self in (RunStatus.RUNNING, RunStatus.STOPPING)


def read_record(line: str) -> Record:
    """Return the progress record of a line, its null numbers as NaN.

    Raises
    ------
    ValueError, TypeError, RecursionError
        The line is no record, or a field is of a wrong kind.
    """
    return _checked(from_json(line))


def log_words(line: str) -> str:
    """Return a line of a log as a person reads it; records become sentences or nothing."""
    if not line.startswith('{"kind"'):
        return line.rstrip()
    try:
        record = read_record(line)
    except (ValueError, TypeError, RecursionError):
        return line.rstrip()
    match record:
        case Epoch():
            skipped = f", {words.count(record.skipped, 'step')} skipped" if record.skipped else ""
            return f"Epoch {record.epoch + 1}: {words.duration(record.seconds)}{skipped}"
        case Started():
            return f"Training {words.count(record.images, 'image')} on {record.device}"
        case Finished():
            return f"Finished: {record.reason}"
    return _said(record)


def _said(record: Record) -> str:
    """Return what a record tells in words of its own, empty where it tells figures."""
    match record:
        case Judged() if record.final:
            return record.words
        case Remark() | Failed():
            return record.what[:1].upper() + record.what[1:]
        case Chosen():
            return f"{record.key} = {record.value}: " * bool(record.key) + record.reason
    return ""


def says_stopped(text: str) -> bool:
    """Return whether a process's last words tell that it was asked to stop."""
    return text.lower().startswith(_STOP_WORDS)


def _checked(record: Record) -> Record:
    """Return the record with null numbers as NaN; a TypeError when a field is of a wrong kind."""
    changes: dict[str, float] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if field.type == "float" and value is None:
            changes[field.name] = math.nan
        elif not isinstance(value, _ALLOWED[str(field.type)]) or (
            isinstance(value, bool) and field.type != "bool"
        ):
            raise TypeError(f"{field.name} is {value!r}")
    return dataclasses.replace(record, **changes)


_ALLOWED: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "float | None": (int, float, type(None)),
    "str": (str,),
    "bool": (bool,),
    "dict[str, str]": (dict,),
}
