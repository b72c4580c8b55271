"""How long does the explorer wait for an image, and how soon does a newer request get its turn?

    python benchmarks/decode.py --baseline [--threads 2]

The generator has the paper's size (512 hidden units, 1,024 Fourier features). "At rest" is an
upright image whose coordinate branch is kept; "turned" is one at a pose of its own; "cancelled" is
the time from asking to stop until the decoder has stopped.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import measure
import torch
from plain import PlainTargetVae

from tvae_core.config import ModelConfig
from tvae_core.engine.device import set_threads
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.using.decode import Decoder
from tvae_core.errors import Cancelled

PLAIN = "plain baseline"
CASES = [(64, 2), (64, 6), (128, 2), (128, 6)]


def main() -> None:
    """Print the table."""
    options = measure.parser(__doc__)
    options.set_defaults(repeats=15)
    given = options.parse_args()
    print(measure.machine(given.threads))
    rows = []
    for side, layers in CASES:
        for variant in ([PLAIN] if given.baseline else []) + ["at rest", "turned", "cancelled"]:
            arguments = {
                "what": f"{side}x{side}, {layers} layers", "variant": variant, "batch": 1,
                "threads": given.threads, "repeats": given.repeats, "side": side, "layers": layers,
            }  # fmt: skip
            rows.append(measure.row_of_child(__file__, arguments))
    measure.print_table(rows, PLAIN)


@torch.no_grad()
def child(arguments: dict[str, Any]) -> None:
    """Measure one row."""
    torch.manual_seed(0)
    config = ModelConfig(generator_layers=arguments["layers"], encoder_kernels=4, rotations=4)
    side, variant, repeats = arguments["side"], arguments["variant"], arguments["repeats"]
    set_threads(arguments["threads"])
    if variant == PLAIN:
        plain = PlainTargetVae(config, side, 1)
        zero = torch.zeros(1)

        def work() -> None:
            plain.draw(torch.randn(1, 2), zero, torch.zeros(1, 2)).sigmoid()

        seconds, adds = measure.seconds_of(work, repeats), measure.counted(work, 1)
    else:
        decoder = Decoder(TargetVae(config, side, 1))
        angle = 0.3 if variant == "turned" else 0.0

        def work() -> None:
            decoder.decode(torch.randn(2).numpy(), angle_rad=angle)

        seconds, adds = measure.seconds_of(work, repeats), measure.counted(work, 1)
        if variant == "cancelled":
            seconds, adds = [_cancelled(decoder) for _ in range(repeats)], 0.0
    measure.report(arguments, seconds, 1, adds)


def _cancelled(decoder: Decoder) -> float:
    """Return the seconds a decode goes on after it was asked to stop, half-way."""
    stop, ended = threading.Event(), []

    def work() -> None:
        try:
            decoder.decode(torch.randn(64, 2).numpy(), cancelled=stop.is_set)
        except Cancelled:
            ended.append(time.perf_counter())

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.1)
    began = time.perf_counter()
    stop.set()
    thread.join()
    return ended[0] - began


if __name__ == "__main__":
    asked = measure.child_arguments()
    main() if asked is None else child(asked)
