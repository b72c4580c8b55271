"""How long is a training step, forward, backward and Adam, against the plain implementation?

    python benchmarks/train_step.py --baseline [--threads 2] [--only paper-mnist]

Each row runs in a process of its own on the same random images. The switches after the paper's
presets are `model.shift_limit_sigmas` and `train.pixel_share`; after the fast ones, as in
docs/results/, `model.rotation_mixing` and `train.samples`. The plain implementation takes small
batches only, for its memory.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import measure
import torch
from plain import PlainTargetVae

from tvae_core.config import RunConfig
from tvae_core.engine.data import Batch
from tvae_core.engine.device import set_threads
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training.step import Schedule, micro_batch_size, train_step
from tvae_core.presets import load_preset

PLAIN = "plain baseline"
PRESET = "the preset"
WITHIN_4_SIGMA = ("model.shift_limit_sigmas=4",)


@dataclass(frozen=True)
class Case:
    """A preset on images of `side` pixels, its batch, and the settings of each variant.

    plain_batch: of the plain implementation, which has the paper's presets only; 0 leaves it out.
    """

    side: int
    batch: int
    variants: dict[str, tuple[str, ...]]
    plain_batch: int = 0


def _paper(share: str) -> dict[str, tuple[str, ...]]:
    return {
        f"{PRESET}: all pixels, all cells": (),
        "cells within 4 sigma": WITHIN_4_SIGMA,
        f"and 1/{share} of the pixels": (*WITHIN_4_SIGMA, f"train.pixel_share={1 / int(share)}"),
    }


def _fast(*own: str) -> dict[str, tuple[str, ...]]:
    alone, eight = "model.rotation_mixing=0", "train.samples=8"
    return {
        f"{PRESET}: mixing over r, 4 cells": own,
        "no mixing, 4 cells": (*own, alone),
        "mixing, 8 cells": (*own, eight),
        "no mixing, 8 cells (as it was)": (*own, alone, eight),
    }


CASES = {
    "paper-mnist": Case(50, 20, _paper("4"), 20),
    "paper-particles": Case(100, 8, _paper("8"), 2),
    "fast-cpu": Case(34, 10, _fast("model.encoder_kernels=32", "model.kernel_px=21",
                                   "model.shift_prior_std_px=2.5")),
    "fast-particles": Case(40, 10, _fast("model.kernel_px=31", "model.shift_prior_std_px=1.25")),
}  # fmt: skip


def main() -> None:
    """Print the table."""
    options = measure.parser(__doc__)
    options.add_argument("--only", choices=list(CASES), action="append")
    given = options.parse_args()
    print(measure.machine(given.threads))
    rows: list[measure.Row] = []
    for preset in given.only or CASES:
        case = CASES[preset]
        asked = [(PLAIN, case.plain_batch)] if given.baseline and case.plain_batch else []
        asked += [(name, case.batch) for name in case.variants]
        rows += measure.rows_of(__file__, preset, asked, given)
    measure.print_table(rows, PLAIN)


def child(arguments: dict[str, Any]) -> None:
    """Measure one row."""
    preset, batch = arguments["what"], arguments["batch"]
    torch.manual_seed(0)
    case = CASES[preset]
    images = torch.rand(batch, 1, case.side, case.side)
    config = load_preset(preset).changed([f"train.batch_size={batch}"])
    if arguments["variant"] == PLAIN:
        torch.set_num_threads(arguments["threads"])
        step = _plain_step(config, images)
    else:
        set_threads(arguments["threads"])
        step = _our_step(config.changed([*case.variants[arguments["variant"]]]), images)
    seconds = measure.seconds_of(step, arguments["repeats"])
    measure.report(arguments, seconds, batch, measure.counted(step, batch))


def _plain_step(config: RunConfig, images: torch.Tensor) -> Any:
    model = PlainTargetVae(config.model, images.shape[-1], 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.train.learning_rate)

    def step() -> None:
        optimizer.zero_grad()
        (-model(images).mean()).backward()
        optimizer.step()

    return step


def _our_step(config: RunConfig, images: torch.Tensor) -> Any:
    model = TargetVae(config.model, images.shape[-1], 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.train.learning_rate)
    micro = micro_batch_size(model, config, torch.device("cpu"))
    schedule = Schedule(config.train.learning_rate, 1.0)

    def step() -> None:
        train_step(model, optimizer, Batch(images), config, schedule, 0, micro, lambda: None)

    return step


if __name__ == "__main__":
    asked = measure.child_arguments()
    main() if asked is None else child(asked)
