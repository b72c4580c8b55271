"""`tvae evaluate RUN`: the figures of the paper's tables, on the images held out."""

from __future__ import annotations

import argparse
from pathlib import Path

from tvae_core.cli.reporting import add_images_at


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae evaluate`."""
    parser.add_argument("run", help="folder of a trained and embedded run")
    parser.add_argument(
        "--truth",
        help="truth.csv or .npz with label, angle_rad, shift_x_px, shift_y_px; by default the "
        "truth.csv beside the images, else the labels the images come with",
    )
    add_images_at(parser)
    parser.add_argument("--samples", type=int, default=8, help="draws of q an image, for the ELBO")
    parser.add_argument("--turns", type=int, default=160, help="known turns of an image (table 3)")
    parser.add_argument(
        "--turned-images", type=int, default=10, help="images of each class that are turned, 0 none"
    )
    parser.add_argument("--seed", type=int, default=0, help="of samples and clusters")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0: one a core")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate."""
    from tvae_core.engine.judging.judge import Effort, evaluate

    effort = Effort(
        samples=arguments.samples,
        turns=arguments.turns,
        turned_images=arguments.turned_images,
        seed=arguments.seed,
        device=arguments.device,
        threads=arguments.threads,
    )
    truth = Path(arguments.truth) if arguments.truth else None
    result = evaluate(Path(arguments.run), truth, effort, arguments.images_at)
    print(result.markdown)
    print(result.path)
    return 0
