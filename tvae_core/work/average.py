"""Averaging: sets, clusters or all images, each turned upright by its pose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Protocol

import numpy as np
from pydantic import Field

from tvae_core.errors import CheckpointError, StoreError
from tvae_core.export.classes import WIENER, Chosen, Correction, Size, labelled
from tvae_core.export.target import refuse_existing
from tvae_core.images_of import IMAGES_AT, refuse_sources
from tvae_core.progress import Cancel
from tvae_core.store import EmbeddingStore
from tvae_core.work.choosing import STORE, labels_or_truth, named_set
from tvae_core.work.request import Option, Place, Progress, Request, never, quiet

if TYPE_CHECKING:
    from tvae_core.analysis.class_averages import AveragedClass
    from tvae_core.analysis.drift import Decode
    from tvae_core.export.averaging import Infer
    from tvae_core.export.class_averages import WrittenAverages


class Decodes(Protocol):
    """What decodes contents; the engine's decoder is one."""

    @property
    def decode(self) -> Decode:
        """The images of contents (n, D), as `tvae_core.analysis.drift.Decode`."""


@dataclass(frozen=True)
class Averaged:
    """The averages of classes, by name, of which size and pixel size they are."""

    names: tuple[str, ...]
    averages: tuple[AveragedClass, ...]
    size: Size
    pixel_size_angstrom: float | None


@dataclass(frozen=True)
class AverageDone:
    """Averages and the files they were written to."""

    averaged: Averaged
    written: WrittenAverages


class AverageRequest(Request):
    """Which classes to average, how, and where to write them."""

    name: ClassVar[str] = "average"

    store: Annotated[Path, Place(STORE)]
    output: Annotated[Path, Place("OUT.mrcs")]
    named_sets: Annotated[
        tuple[str, ...],
        Option("a named set; repeatable", flag="--set", metavar="NAME", group="chosen"),
    ] = ()
    labels: Annotated[
        str | None,
        Option(
            "one class per cluster of this clustering; 'truth': one per label of the images",
            metavar="NAME",
            group="chosen",
        ),
    ] = None
    realign: Annotated[
        bool,
        Option(
            "correct for the drift of the model's zero pose within a class, measured on decoded "
            "images"
        ),
    ] = False
    flip: Annotated[
        bool,
        Option("flip the phases by the sign of the CTF (as a phase-flipped run does)", group="ctf"),
    ] = False
    no_flip: Annotated[bool, Option("do not correct the CTF", group="ctf")] = False
    wiener: Annotated[
        float | None,
        Option(
            f"weight by the CTF: sum(CTF y) / (sum(CTF^2) + EPS n), EPS {WIENER} if not given",
            metavar="EPS",
            group="ctf",
            bare=WIENER,
        ),
        Field(gt=0),
    ] = None
    model_size: Annotated[bool, Option("as the model sees them")] = False
    images_at: Annotated[str, Option(IMAGES_AT, metavar="PATH")] = ""
    overwrite: Annotated[bool, Option("replace existing files")] = False

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> AverageDone:
        """Average and write; see `Request.run`."""
        self._refuse_targets()
        averaged = self.average(progress, cancelled)
        return AverageDone(averaged, self.save(averaged))

    def save(self, averaged: Averaged) -> WrittenAverages:
        """Write averages, deviations and table, and read them back; raises as `run`."""
        from tvae_core.export.class_averages import write_class_averages

        self._refuse_targets()
        pixel = averaged.pixel_size_angstrom
        return write_class_averages(
            averaged.averages, averaged.names, self.output, pixel, self.overwrite
        )

    def _refuse_targets(self) -> None:
        from tvae_core.export.class_averages import average_paths

        with EmbeddingStore(self.store) as store:
            for target in average_paths(self.output):
                refuse_existing(target, self.overwrite)
                refuse_sources(store, target, self.images_at)

    def average(
        self,
        progress: Progress = quiet,
        cancelled: Cancel = never,
        make_decoder: Callable[[EmbeddingStore], Decodes] | None = None,
    ) -> Averaged:
        """Return the averages without writing them; raises as `run`.

        `make_decoder` is where a decoder comes from, when it is not the run's own model.
        """
        from tvae_core.export.averaging import average_classes, open_averaging

        size: Size | None = "model" if self.model_size else None
        with EmbeddingStore(self.store) as store:
            classes = self._classes(store)
            decode = (make_decoder or _decoder)(store).decode if self.realign else None
            correction = self._correction(store)
            with open_averaging(store, size, correction, self.images_at) as images:
                found = average_classes(
                    store, classes, images, decode, infer=_inference(store),
                    wiener=self.wiener or WIENER, progress=progress, cancelled=cancelled,
                )  # fmt: skip
                names = tuple(chosen.name for chosen in classes)
                return Averaged(names, tuple(found), images.size, images.pixel_size_angstrom)

    def _correction(self, store: EmbeddingStore) -> Correction:
        if self.wiener is not None:
            return "wiener"
        flip = self.flip or (store.header.config.data.phase_flip and not self.no_flip)
        return "flip" if flip else "none"

    def _classes(self, store: EmbeddingStore) -> list[Chosen]:
        if self.labels is not None:
            labelling = labels_or_truth(store, self.labels)
            return labelled(labelling.labels, labelling.names)
        if not self.named_sets:
            return [Chosen("all", np.arange(store.images))]
        masks = {name: named_set(store, name).mask for name in self.named_sets}
        return [Chosen(name, np.flatnonzero(mask)) for name, mask in masks.items()]


def _decoder(store: EmbeddingStore) -> Decodes:
    from tvae_core.engine.using.decode import Decoder

    return Decoder.from_store(store)


def _inference(store: EmbeddingStore) -> Infer | None:
    """Return what found the poses of a store, None where its model cannot be used."""
    from tvae_core.engine.using.inference import poses_by

    try:
        return poses_by(store)
    except (CheckpointError, StoreError):
        return None
