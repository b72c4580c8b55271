"""How soon does the engine reach the ELBO at which the plain implementation ends?

    python benchmarks/time_to_elbo.py [--seeds 0 1 2] [--passes 60] [--threads 1]

digits-u (1,500 turned and moved digits of 24x24 for training, 297 for the ELBO), P8, z 2, 16
kernels, 64 hidden units, 128 Fourier features, batch 10, learning rate 2e-3, one soft sample a
step. The first four variants have the same mathematics; the last estimates the same ELBO from
several distinct cells a step (docs/decisions/0001) and has smoother features. All are measured by
one unbiased ELBO of held-out images (cells drawn from q itself, 4 draws). Time is processor time
of the steps alone, on one thread (with more it counts all of them).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import torch
from plain import PlainTargetVae

from tvae_core.config import RunConfig
from tvae_core.engine.data import Batch, CachedImages
from tvae_core.engine.device import set_threads
from tvae_core.engine.judging.evaluate import mean_elbo
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training.step import Schedule, micro_batch_size, train_step
from tvae_core.synthetic import plan_set

BATCH, RATE, DRAWS = 10, 2e-3, 4
SETTINGS = [
    "model.kernel_px=17", "model.encoder_kernels=16", "model.generator_hidden=64",
    "model.fourier_features=128", "model.shift_prior_std_px=2.0", "model.subpixel_shift=false",
    f"train.batch_size={BATCH}",
]  # fmt: skip
VARIANTS = {
    "plain baseline": None,
    "all pixels": ["train.pixel_share=1"],
    "1/4 of the pixels": ["train.pixel_share=0.25"],
    "1/8 of the pixels": ["train.pixel_share=0.125"],
    "as fast-cpu samples": [
        "train.sampler=cells",
        "train.samples=8",
        "train.pixel_share=0.0625",
        "model.activation=silu",
        "model.fourier_scale_px=3",
    ],
}


def main() -> None:
    """Print a row for each variant and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--passes", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    set_threads(given.threads)
    digits = plan_set("digits-u").whole()
    test = digits.truth["test"]
    images, held_out = (torch.from_numpy(digits.images[part][:, None]) for part in (~test, test))
    print(
        "| variant | seed | ms a step | s for all passes | ELBO at the end | "
        "s to the baseline's ELBO | share of its time |\n|---|---|---|---|---|---|---|",
        flush=True,
    )
    for seed in given.seeds:
        aim, whole = None, 0.0
        for name, settings in VARIANTS.items():
            curve = run(settings, images, held_out, seed, given.passes)
            seconds, elbo = curve[-1]
            aim, whole = (elbo, seconds) if aim is None else (aim, whole)
            reached = next((s for s, e in curve if e >= aim), None)
            step = 1e3 * seconds / (given.passes * -(-len(images) // BATCH))
            cells = (
                name, str(seed), f"{step:.1f}", f"{seconds:.0f}", f"{elbo:.2f}",
                "not reached" if reached is None else f"{reached:.0f}",
                "" if reached is None else f"{reached / whole:.2f}",
            )  # fmt: skip
            print("| " + " | ".join(cells) + " |", flush=True)


def run(
    settings: list[str] | None, images: torch.Tensor, held_out: torch.Tensor, seed: int, passes: int
) -> list[tuple[float, float]]:
    """Train and return seconds so far and held-out ELBO after every pass."""
    config = RunConfig().changed(SETTINGS + (settings or []))
    torch.manual_seed(seed)
    side = images.shape[-1]
    kind: Any = PlainTargetVae if settings is None else TargetVae
    model = kind(config.model, side, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    curve, spent, number = [], 0.0, 0
    for epoch in range(passes):
        order = np.random.default_rng([seed, epoch]).permutation(len(images))
        for start in range(0, len(images), BATCH):
            batch = images[order[start : start + BATCH]]
            began = time.process_time()
            if settings is None:
                optimizer.zero_grad()
                (-model(batch).mean()).backward()
                optimizer.step()
            else:
                micro = micro_batch_size(model, config, torch.device("cpu"))
                schedule = Schedule(RATE, 1.0)
                train_step(
                    model, optimizer, Batch(batch), config, schedule, number, micro, lambda: None
                )
            spent += time.process_time() - began
            number += 1
        curve.append((spent, elbo_of(model, held_out)))
    return curve


@torch.no_grad()
def elbo_of(model: Any, images: torch.Tensor) -> float:
    """Return the mean ELBO with cells drawn from q."""
    if isinstance(model, PlainTargetVae):
        draws = [model(images, hard=True).mean() for _ in range(DRAWS)]
        return float(torch.stack(draws).mean())
    model.eval()
    found = mean_elbo(model, _Held(images), np.arange(len(images)), 100, DRAWS)["elbo"]
    model.train()
    return found


class _Held(CachedImages):
    def __init__(self, images: torch.Tensor) -> None:
        self.side, self.channels = images.shape[-1], 1
        self._cache, self.ctf_rows = images.numpy(), None


if __name__ == "__main__":
    main()
