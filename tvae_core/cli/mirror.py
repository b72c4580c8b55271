"""`tvae mirror RUN`: latent regions whose objects are each other's mirror image.

In a stack of particles such views are of opposite sides. The decoded images of the run's
atlas are flipped and registered to each other; nodes where the run has no image are left out.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from tvae_core.cli.reporting import progress, tell
from tvae_core.work.poses import MirrorRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae mirror`."""
    parser.description = __doc__
    MirrorRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Find and list the pairs of regions."""
    with progress(arguments) as told:
        done = MirrorRequest.of(arguments).run(told, arguments.cancelled)
    found = done.mirrors
    pairs = [_facts(region, done.atlas) for region in found.regions]
    facts = {"nodes": found.populated, "chiral": found.chiral, "pairs": pairs}
    tell(arguments, facts, found.words, *map(_line, pairs))
    return 0


def _line(pair: dict[str, Any]) -> str:
    first, second = (_place(pair[side]) for side in ("first", "second"))
    return f"  {first}  <->  {second}   {pair['nodes']:>4} nodes   {pair['score']:.2f}"


def _facts(region: Any, atlas: Any) -> dict[str, Any]:
    flat = atlas.z.reshape(-1, atlas.z.shape[-1])
    return {
        "first": np.round(flat[region.first].mean(0), 4).tolist(),
        "second": np.round(flat[region.second].mean(0), 4).tolist(),
        "nodes": len(region.first),
        "score": region.score,
    }


def _place(z: list[float]) -> str:
    return "z = (" + ", ".join(f"{v:6.2f}" for v in z) + ")"
