"""`tvae mirror RUN`: latent regions whose objects are each other's mirror image.

In a stack of particles such views are seen from opposite sides. The decoded images of the run's
atlas are flipped and registered to each other; nodes where the run has no image are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy as np
from tqdm import tqdm

from tvae_core.cli.reporting import move


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae mirror`."""
    parser.description = __doc__
    parser.add_argument("run", help="folder of a run, or a store")
    parser.add_argument("--least", type=int, default=2, help="nodes of a region (default 2)")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Find and list the pairs of regions."""
    from tvae_core.analysis.mirror import atlas_mirrors
    from tvae_core.errors import StoreError
    from tvae_core.store import EmbeddingStore

    with (
        EmbeddingStore(arguments.run) as store,
        tqdm(total=100, disable=not sys.stderr.isatty(), leave=False) as bar,
    ):
        atlas = store.atlas
        if atlas is None:
            raise StoreError("the run keeps no atlas", store.path, "embed with --atlas-nodes 24")
        xy = store.z_mean if atlas.plane == "z" else store.plane(atlas.plane).coordinates
        found = atlas_mirrors(
            atlas.images, atlas.x, atlas.y, xy, arguments.least, lambda share: move(bar, share)
        )
    facts = [_facts(region, atlas) for region in found.regions]
    if arguments.json:
        print(json.dumps({"nodes": found.populated, "chiral": found.chiral, "pairs": facts}))
        return 0
    print(found.words)
    for pair in facts:
        first, second = (_place(pair[side]) for side in ("first", "second"))
        print(f"  {first}  <->  {second}   {pair['nodes']:>4} nodes   {pair['score']:.2f}")
    return 0


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
