"""`tvae selftest RUN`: can this run's poses be trusted?

A sample of the run's own images is turned and shifted by known amounts, and the run's encoder is
asked again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tqdm import tqdm

from tvae_core.cli.reporting import move
from tvae_core.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae selftest`."""
    parser.description = __doc__
    parser.add_argument("run", help="folder of a run, or a store")
    parser.add_argument("--images", type=int, default=0, help="how many (default 48, full 256)")
    parser.add_argument("--turns", type=int, default=0, help="an image (default 16, full 160)")
    parser.add_argument("--full", action="store_true", help="as in the paper's appendix A.3")
    parser.add_argument("--data", default="", help="the images, when they moved")
    parser.add_argument("--seed", type=int, default=0, help="which images and which turns")
    parser.add_argument("--device", default="", help="auto, cpu, cuda or cuda:N; the run's own")
    parser.add_argument("--json", metavar="FILE", help="write everything to FILE")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE")


def run(arguments: argparse.Namespace) -> int:
    """Test and report; the exit status tells that the test was made, not how it came out."""
    from dataclasses import replace

    from tvae_core.engine.device import set_threads
    from tvae_core.engine.judging.selftest import SelfTestSize, selftest
    from tvae_core.export.target import new_file
    from tvae_core.store import EmbeddingStore

    if arguments.images < 0 or arguments.turns < 0:
        raise ConfigError("--images and --turns must be positive")
    size = SelfTestSize.full() if arguments.full else SelfTestSize()
    size = replace(
        size,
        images=arguments.images or size.images,
        turns=arguments.turns or size.turns,
        seed=arguments.seed,
    )
    with (
        EmbeddingStore(arguments.run) as store,
        tqdm(total=100, disable=not sys.stderr.isatty(), leave=False) as bar,
    ):
        set_threads(store.header.config.train.threads)
        report = selftest(
            store,
            size,
            arguments.data,
            lambda share: move(bar, share),
            device=arguments.device,
        )
    print("\n".join(report.words()))
    print()
    print(_aligned(report.table()))
    symmetries = ", ".join(f"{name} {count}" for name, count in report.symmetries.items())
    print(
        f"\n{report.images} images, {report.seconds:.0f} s. Symmetry of the objects: {symmetries}."
    )
    if arguments.json:
        path = Path(arguments.json)
        with new_file(path, arguments.overwrite) as part:
            part.write_text(json.dumps(report.as_dict(), indent=2) + "\n", encoding="utf-8")
        print(path)
    return 0


def _aligned(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(t.rjust(w) for t, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    ]
    return "\n".join(lines)
