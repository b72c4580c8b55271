"""Preparing the images of a run ahead of its training."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from tvae_core.progress import Cancel
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.images import keep_run_images, open_images_of_run, place_of_images
from tvae_core.runs.preparing import Preparation, cores
from tvae_core.work.request import Option, Progress, never, quiet
from tvae_core.work.train import NewRunRequest


@dataclass(frozen=True)
class Prepared:
    """What was prepared.

    `folder` is None where nothing needs to be: the images fit into memory, or are not to be kept.
    """

    images: int
    folder: Path | None
    form: str
    bytes_on_disk: int
    remarks: tuple[str, ...] = ()


class PrepareRequest(NewRunRequest):
    """Which images to prepare, and how, for which run: as for `tvae train`."""

    name: ClassVar[str] = "prepare"

    workers: Annotated[
        int,
        Option("processes that prepare; 0: one for each core", metavar="N"),
        Field(ge=0, le=1024),
    ] = 0

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> Prepared:
        """Begin the run where it is new, and prepare its images; see `Request.run`."""
        from tvae_core.runs.begin import begin

        folder = RunFolder(self.folder)
        config, chosen = self._config_and_choice()
        remarks: list[str] = []
        with ExitStack() as held:
            if config is not None:
                remarks += [one.what for one in begin(folder, config, self.anyway, held)]
                if chosen is not None:
                    chosen.save(folder.chosen_file)
        data = place_of_images(folder, folder.config().data, self.images_at)
        with open_images_of_run(folder, data) as images:
            images.stack.require_all()
            keep_run_images(folder, images.stack.identity, self.images_at)
            workers = self.workers or cores()
            with closing(Preparation(folder, images, data, workers)) as preparation:
                remarks += [one.what for one in preparation.begin()]
                preparation.fill(progress, cancelled)
                file = preparation.file
            keep_run_images(folder, images.stack.identity, self.images_at)
            if file is None:
                return Prepared(len(images), None, "float32", 0, tuple(remarks))
            about = file.about
            return Prepared(
                len(images), file.folder, about.form, about.bytes_on_disk, tuple(remarks)
            )
