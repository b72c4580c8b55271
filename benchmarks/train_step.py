"""How long is a training step, forward, backward and Adam, against the plain implementation?

    python benchmarks/train_step.py --baseline [--threads 2] [--only paper-mnist]

Each row runs in a process of its own on the same random images. The presets are the paper's; the
two switches after them are `model.shift_limit_sigmas` and `train.pixel_share`. The plain
implementation takes small batches only, for its memory.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import measure
import torch
from plain import PlainTargetVae

from tvae_core.config import RunConfig, load_preset
from tvae_core.engine.data import Batch
from tvae_core.engine.device import set_threads
from tvae_core.engine.step import Schedule, micro_batch_size, train_step
from tvae_core.engine.target_vae import TargetVae

SIDES = {"paper-mnist": 50, "paper-particles": 100}
BATCHES = {"paper-mnist": (20, 20), "paper-particles": (2, 8)}  # plain (memory), ours
PLAIN = "plain baseline"
CELLS = ["model.shift_limit_sigmas=4"]
SHARES = {"paper-mnist": "train.pixel_share=0.25", "paper-particles": "train.pixel_share=0.125"}
PRESET = "the preset: all pixels, all cells"
WITHIN = "cells within 4 sigma"
SHARED = "and 1/4 (mnist), 1/8 (particles) of the pixels"
VARIANTS = (PRESET, WITHIN, SHARED)


def settings(preset: str, variant: str) -> list[str]:
    """Return the settings that make a variant of a preset."""
    cells = [] if variant == PRESET else CELLS
    return [*cells, SHARES[preset]] if variant == SHARED else cells


def main() -> None:
    """Print the table."""
    options = measure.parser(__doc__)
    options.add_argument("--only", choices=list(SIDES), action="append")
    given = options.parse_args()
    print(measure.machine(given.threads))
    rows: list[measure.Row] = []
    for preset in given.only or SIDES:
        plain, ours = BATCHES[preset]
        asked = [(PLAIN, plain)] if given.baseline else []
        asked += [(name, ours) for name in VARIANTS]
        rows += measure.rows_of(__file__, preset, asked, given)
    measure.print_table(rows, PLAIN)


def child(arguments: dict[str, Any]) -> None:
    """Measure one row."""
    preset, batch = arguments["what"], arguments["batch"]
    torch.manual_seed(0)
    images = torch.rand(batch, 1, SIDES[preset], SIDES[preset])
    config = load_preset(preset).changed([f"train.batch_size={batch}"])
    if arguments["variant"] == PLAIN:
        torch.set_num_threads(arguments["threads"])
        step = _plain_step(config, images)
    else:
        set_threads(arguments["threads"])
        step = _our_step(config.changed(settings(preset, arguments["variant"])), images)
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
