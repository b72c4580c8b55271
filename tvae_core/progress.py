"""What long work reports: frozen records that travel as JSON lines."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from tvae_core.errors import TvaeError
from tvae_core.files import parsed_json

Share = Callable[[float], None]  # is told the share of the work that is done, 0 to 1
Cancel = Callable[[], bool]  # is asked whether to stop; `errors.Cancelled` is then raised


@dataclass(frozen=True)
class Record:
    """One report of long work."""

    kind: ClassVar[str] = "record"

    def to_json(self) -> str:
        """Return the record as one JSON line; NaN and infinity become null."""
        values = {"kind": self.kind} | dataclasses.asdict(self)
        return json.dumps(_finite(values), allow_nan=False)


@dataclass(frozen=True)
class Started(Record):
    """Work began.

    `reference_parameters` is what the TARGET-VAE with the same settings has, where `system` is one
    it is compared with; otherwise 0.
    """

    kind: ClassVar[str] = "started"
    run: str
    images: int
    epochs: int
    device: str
    parameters: int = 0
    first_epoch: int = 0
    system: str = "target-vae"
    reference_parameters: int = 0


@dataclass(frozen=True)
class Remark(Record):
    """Something about the images, the settings or the machine that a person should know."""

    kind: ClassVar[str] = "remark"
    what: str


@dataclass(frozen=True)
class Chosen(Record):
    """A setting that was chosen from a look at the images; `key` is empty for a note."""

    kind: ClassVar[str] = "chosen"
    key: str
    value: str
    reason: str


@dataclass(frozen=True)
class Step(Record):
    """A share of an epoch is done; sent at most a few times a second."""

    kind: ClassVar[str] = "step"
    epoch: int
    step: int
    steps: int
    elbo: float
    images_per_second: float
    eta_s: float


@dataclass(frozen=True)
class Epoch(Record):
    """An epoch is done. ELBO and its parts are nats per image, means over the split.

    `skipped` counts its steps that were not taken because the gradient was not finite.
    """

    kind: ClassVar[str] = "epoch"
    epoch: int
    epochs: int
    step: int
    elbo: float
    log_likelihood: float
    kl_pose: float
    kl_angle: float
    kl_shift: float
    kl_content: float
    validation_elbo: float | None
    learning_rate: float
    temperature: float
    seconds: float
    eta_s: float
    skipped: int = 0


@dataclass(frozen=True)
class Preview(Record):
    """Pictures of the state of a run were written into its folder."""

    kind: ClassVar[str] = "preview"
    epoch: int
    decoded_grid: str
    pairs: str
    latents: str


@dataclass(frozen=True)
class Judged(Record):
    """What a run has learned so far, or in the end.

    `learned` is all, pose, content or nothing; `words` say it; `settings` are those to try again
    with, by their names, empty where nothing needs to change, and `again` the command that does.
    """

    kind: ClassVar[str] = "judged"
    learned: str
    words: str
    settings: dict[str, str]
    final: bool
    again: str = ""


@dataclass(frozen=True)
class Embedded(Record):
    """So many images are embedded."""

    kind: ClassVar[str] = "embedded"
    done: int
    total: int
    images_per_second: float


@dataclass(frozen=True)
class Finished(Record):
    """Work ended well; `path` is what it made."""

    kind: ClassVar[str] = "finished"
    path: str
    reason: str
    seconds: float


@dataclass(frozen=True)
class Failed(Record):
    """Work ended badly; what was finished is kept."""

    kind: ClassVar[str] = "failed"
    what: str
    where: str
    todo: str

    @classmethod
    def from_error(cls, error: TvaeError) -> Failed:
        """Return the record of an error."""
        return cls(error.what, error.where, error.todo)


_KINDS: dict[str, type[Record]] = {
    record.kind: record
    for record in (
        Started,
        Remark,
        Chosen,
        Step,
        Epoch,
        Preview,
        Judged,
        Embedded,
        Finished,
        Failed,
    )
}


def from_json(line: str) -> Record:
    """Return the record of a JSON line.

    Raises
    ------
    ValueError
        The line is not a record of a known kind.
    """
    values = parsed_json(line)
    if not isinstance(values, dict) or values.get("kind") not in _KINDS:
        raise ValueError(f"not a progress record: {line[:80]}")
    record = _KINDS[values.pop("kind")]
    known = {field.name for field in dataclasses.fields(record)}
    return record(**{key: value for key, value in values.items() if key in known})


def _finite(values: dict[str, object]) -> dict[str, object]:
    bad = (float("inf"), float("-inf"))
    return {k: None if v != v or v in bad else v for k, v in values.items()}
