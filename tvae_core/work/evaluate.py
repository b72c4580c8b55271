"""Evaluating: the figures of the paper's tables, on held-out images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from tvae_core.images_of import IMAGES_AT
from tvae_core.progress import Cancel
from tvae_core.work.ranks import SharedRequest, never_asked, this_rank
from tvae_core.work.request import Option, Place, Progress, never, quiet

if TYPE_CHECKING:
    from tvae_core.engine.judging.judge import Judged


class EvaluateRequest(SharedRequest):
    """Which run to judge, by what, and with how much effort."""

    name: ClassVar[str] = "evaluate"

    folder: Annotated[Path, Place("folder of a trained and embedded run")]
    truth: Annotated[
        Path | None,
        Option(
            "truth.csv or .npz with label, angle_rad, shift_x_px, shift_y_px; by default the "
            "truth.csv beside the images, else the labels the images come with",
            metavar="FILE",
        ),
    ] = None
    samples: Annotated[
        int, Option("draws of q per image, for the ELBO", metavar="N"), Field(ge=1)
    ] = 8
    turns: Annotated[int, Option("known turns per image (table 3)", metavar="N"), Field(ge=0)] = 160
    turned_images: Annotated[
        int, Option("images per class to turn; 0: none", metavar="N"), Field(ge=0)
    ] = 10
    images_at: Annotated[str, Option(IMAGES_AT, metavar="PATH")] = ""
    seed: Annotated[int, Option("seed of samples and clusters", metavar="N"), Field(ge=0)] = 0
    device: Annotated[str, Option("auto, cpu, cuda or cuda:N", metavar="NAME")] = "auto"
    threads: Annotated[int, Option("CPU threads; 0: one per core", metavar="N"), Field(ge=0)] = 0

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> Judged:
        """Judge the run; the figures are also written into its folder; see `Request.run`."""
        from tvae_core.engine.judging.judge import Effort, evaluate, judged
        from tvae_core.engine.together.ranks import ALONE

        if self.is_shared:
            for _ in self.shared_records(self.folder, cancelled):
                continue  # an evaluation has none
            return judged(self.folder)
        effort = Effort(
            samples=self.samples,
            turns=self.turns,
            turned_images=self.turned_images,
            seed=self.seed,
            device=self.device,
            threads=self.threads,
        )
        with this_rank() as ranks:
            return evaluate(
                self.folder, self.truth, effort, self.images_at,
                lambda share: progress(share, "evaluation"), never_asked(ranks, cancelled),
                ranks or ALONE,
            )  # fmt: skip
