"""Class averages as work in the background: what is asked for, and what came of it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tvae_core.export.classes import Chosen, Correction, Size
from tvae_core.store import EmbeddingStore
from tvae_gui.jobs.decode_job import DecoderFactory

if TYPE_CHECKING:
    from tvae_core.analysis.class_averages import AveragedClass
    from tvae_core.export.class_averages import WrittenAverages


@dataclass(frozen=True)
class AverageRequest:
    """Classes to average and how.

    `choice` are the words that name the classes to `tvae average`; empty when no command can.
    """

    store: Path
    classes: tuple[Chosen, ...]
    size: Size | None
    correction: Correction
    realign: bool
    images_at: str = ""
    choice: tuple[str, ...] | None = None

    def command(self, target: Path) -> str:
        """Return the command that does the same; empty when there is none."""
        if self.choice is None:
            return ""
        words = ["tvae", "average", str(self.store), str(target), *self.choice]
        words += ["--realign"] if self.realign else []
        words += [{"none": "--no-flip", "flip": "--flip", "wiener": "--wiener"}[self.correction]]
        words += ["--model-size"] if self.size == "model" else []
        words += ["--images-at", self.images_at] if self.images_at else []
        return shlex.join(words)


@dataclass(frozen=True)
class Averaged:
    """The averages of a request, of which size and pixel size they are."""

    request: AverageRequest
    averages: tuple[AveragedClass, ...]
    size: Size
    pixel_size_angstrom: float | None

    @property
    def names(self) -> list[str]:
        """Names of the classes."""
        return [chosen.name for chosen in self.request.classes]


def run_average(
    request: AverageRequest,
    decoder: DecoderFactory,
    progress: Callable[[float, str], None],
    cancelled: Callable[[], bool],
) -> Averaged:
    """Average; called on a thread of its own.

    Raises
    ------
    TvaeError
        As `open_averaging` and `average_classes`.
    """
    from tvae_core.export.averaging import average_classes, open_averaging

    with (
        EmbeddingStore(request.store) as store,
        open_averaging(store, request.size, request.correction, request.images_at) as images,
    ):
        decode = decoder(store).decode if request.realign else None
        found = average_classes(
            store, request.classes, images, decode, progress=progress, cancelled=cancelled
        )
        return Averaged(request, tuple(found), images.size, images.pixel_size_angstrom)


def save_averages(averaged: Averaged, target: Path, overwrite: bool) -> WrittenAverages:
    """Write averages, deviations and table, and read them back."""
    from tvae_core.export.class_averages import write_class_averages

    names: Sequence[str] = averaged.names
    return write_class_averages(
        averaged.averages, names, target, averaged.pixel_size_angstrom, overwrite
    )
