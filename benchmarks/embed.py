"""How many images a second are embedded, against the plain implementation?

    python benchmarks/embed.py --baseline [--threads 2] [--only paper-mnist]

Embedding is content, angle and shift with their deviations and the entropy of q(t, r | y); ours
with cells within 4 deviations of the prior. The row "with reconstruction" also draws every pixel
of every image for its error and its ELBO, which `tvae embed` does unless `embed.quality_share` is
less.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import measure
import torch
from plain import PlainTargetVae
from train_step import CASES, PLAIN, WITHIN_4_SIGMA

from tvae_core.engine.device import set_threads
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.using.inference import infer
from tvae_core.presets import load_preset

BATCHES = {"paper-mnist": (20, 40), "paper-particles": (4, 8)}  # plain (memory), ours
PLAIN_DRAWN = "plain baseline, with reconstruction"
_TWO_PX = (*WITHIN_4_SIGMA, "model.shift_pitch_px=2", "model.subpixel_shift=true")
VARIANTS: dict[str, tuple[tuple[str, ...], float]] = {
    "content and pose": (WITHIN_4_SIGMA, 0.0),
    "1/8 of the pixels": (WITHIN_4_SIGMA, 0.125),
    "with reconstruction": (WITHIN_4_SIGMA, 1.0),
    "content and pose, cells 2 px apart": (_TWO_PX, 0.0),
    "with reconstruction, cells 2 px apart": (_TWO_PX, 1.0),
}


def main() -> None:
    """Print the table."""
    options = measure.parser(__doc__)
    options.add_argument("--only", choices=list(BATCHES), action="append")
    given = options.parse_args()
    print(measure.machine(given.threads))
    rows: list[measure.Row] = []
    for preset in given.only or BATCHES:
        plain, ours = BATCHES[preset]
        asked = [(PLAIN, plain), (PLAIN_DRAWN, plain)] if given.baseline else []
        asked += [(name, ours) for name in VARIANTS]
        rows += measure.rows_of(__file__, preset, asked, given)
    measure.print_table(rows, PLAIN)


@torch.no_grad()
def child(arguments: dict[str, Any]) -> None:
    """Measure one row."""
    preset, batch, variant = arguments["what"], arguments["batch"], arguments["variant"]
    torch.manual_seed(0)
    side = CASES[preset].side
    images = torch.rand(batch, 1, side, side)
    config = load_preset(preset)
    if variant in VARIANTS:
        settings, share = VARIANTS[variant]
        set_threads(arguments["threads"])
        ours = TargetVae(config.changed(settings).model, side, 1).eval()

        def work() -> None:
            infer(ours, images, share)
    else:
        torch.set_num_threads(arguments["threads"])
        plain = PlainTargetVae(config.model, side, 1).eval()

        def work() -> None:
            found = plain.embed(images)
            if variant == PLAIN_DRAWN:
                plain.draw(found["z_mean"], found["angle_rad"], found["shift_px"])

    seconds = measure.seconds_of(work, arguments["repeats"])
    measure.report(arguments, seconds, batch, measure.counted(work, batch))


if __name__ == "__main__":
    asked = measure.child_arguments()
    main() if asked is None else child(asked)
