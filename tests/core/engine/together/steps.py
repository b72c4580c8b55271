"""Steps of a tiny run by as many ranks as torchrun started; rank 0 prints their ELBOs.

python -m tvae_core.engine.together.agent --standalone --nproc-per-node 2 -m
tests.core.engine.together.steps adam
"""

from __future__ import annotations

import json
import sys

import numpy as np
import torch

from tests.core.engine.model.models import blob_images
from tests.core.engine.runs import SIDE, TINY
from tvae_core.config import RunConfig
from tvae_core.engine.data import batch_of, epoch_batches
from tvae_core.engine.judging.evaluate import mean_elbo
from tvae_core.engine.together.ranks import ALONE, Ranks, joined
from tvae_core.engine.training.linear_start import fit_linear_model
from tvae_core.engine.training.step import SharedStep, train_step
from tvae_core.engine.training.trainer_state import TrainerState, initial_model

IMAGES = 45  # batches of 16, 16 and 13: no two ranks share them evenly
KINDS = {
    "adam": [],
    "muon": ["train.optimizer=muon", "train.matrix_rate=0.02"],
    "taught": ["model.likelihood=gaussian", "train.content_start=linear", "train.taught_share=0.5"],
}


class Images:
    """Images in memory."""

    side, channels = SIDE, 1

    def __init__(self) -> None:
        self.values = blob_images(IMAGES, SIDE).numpy()

    def __len__(self) -> int:
        return IMAGES

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Return (n, C, H, W)."""
        return np.asarray(self.values[indices])


def elbos(kind: str, ranks: Ranks = ALONE, steps: int = 50) -> list[float]:
    """Return the ELBO an image of each step, and of a validation at the end."""
    torch.set_num_threads(1)
    config = RunConfig.model_validate(TINY).changed(
        ["train.batch_size=16", f"train.epochs={-(-steps // 3)}", *KINDS[kind]]
    )
    images = Images()
    model = initial_model(config, images, None, torch.device("cpu"))
    state = TrainerState(model, config, IMAGES)
    if kind == "taught":
        everything = batch_of(images, np.arange(IMAGES))
        state.teach(fit_linear_model(everything, config.model, 0))
    model.encoder.same_lifting(ranks, trained=True)
    shared, found = SharedStep(model, config, ranks), []
    for number in range(steps):
        batches = epoch_batches(np.arange(IMAGES), 16, 0, number // 3)
        whole = batches[number % 3]
        figures = train_step(
            model, state.optimizer, batch_of(images, shared.share(whole)), config,
            state.schedule(), state.step, 4, lambda: None, state.lessons(),
            shared=(shared, len(whole)),
        )  # fmt: skip
        state.after_step(figures, len(whole))
        found.append(figures.elbo / len(whole))
    ranks.check_agree(model)
    model.eval()
    return [*found, mean_elbo(model, images, np.arange(IMAGES), 7, ranks=ranks)["elbo"]]  # type: ignore[arg-type]


if __name__ == "__main__":
    with joined() as those:
        values = {kind: elbos(kind, those) for kind in sys.argv[1:]}
    if those.is_first:
        sys.stdout.write(json.dumps(values) + "\n")
        sys.stdout.flush()
