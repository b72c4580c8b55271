"""`tvae symmetry RUN`: which rotations leave the decoded objects as they are.

Without --z, of all images or of a set: the mean content is decoded at every angle and compared
with itself at angle 0; up to 64 images of the set say how the symmetry varies over it.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ConfigError

_MEMBERS = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae symmetry`."""
    parser.description = __doc__
    parser.add_argument("run", help="folder of a run, or a store")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--set", dest="named_set", help="a named set of the sidecar")
    chosen.add_argument("--z", metavar="Z1,Z2", help="a content")
    parser.add_argument("--angles", type=int, default=360, help="over one turn (default 360)")
    parser.add_argument("--json", action="store_true", help="one JSON object, with the whole curve")


def run(arguments: argparse.Namespace) -> int:
    """Find and say the symmetry."""
    from tvae_core.analysis.symmetry import (
        symmetries_of_contents,
        symmetry_of_decoder,
        symmetry_of_set,
    )
    from tvae_core.cli.decode import numbers
    from tvae_core.engine.using.decode import Decoder
    from tvae_core.store import EmbeddingStore

    if arguments.angles < 48:
        raise ConfigError(f"--angles {arguments.angles} is too few", todo="48 or more")
    with EmbeddingStore(arguments.run) as store:
        decoder = Decoder.from_store(store)
        if arguments.z:
            z = np.array([numbers(arguments.z, decoder.z_dim)])
        else:
            z = store.z_mean[_chosen(store, arguments.named_set)]
    middle = z.mean(0)
    mean = symmetry_of_decoder(
        lambda angle: decoder.decode(np.repeat(middle[None], len(angle), 0), angle),
        arguments.angles,
    )
    some = z[np.unique(np.linspace(0, len(z) - 1, _MEMBERS).astype(int))]
    members = symmetries_of_contents(decoder.decode(some), arguments.angles)
    whole = symmetry_of_set(mean, members)
    if arguments.json:
        print(json.dumps(_facts(whole, middle, len(z))))
        return 0
    print(f"mean content: {mean.hint}")
    for peak in mean.peaks[:8]:
        print(f"  {peak.angle_deg:6.1f}°  {peak.correlation:6.3f}  {peak.name}")
    if not arguments.z:
        counts = ", ".join(f"{name} {n}" for name, n in whole.counts.items())
        print(f"of {len(some)} of {len(z):,} images: {counts}")
    return 0


def _chosen(store: Any, name: str | None) -> NDArray[np.bool_]:
    from tvae_core.sidecar import load_sidecar

    if name is None:
        return np.ones(store.images, dtype=bool)
    sets = {s.name: s for s in load_sidecar(store).sets}
    if name not in sets or not sets[name].count:
        known = ", ".join(sets) or "none"
        raise ConfigError(f"no set {name!r} with images", store.path, f"sets: {known}")
    return np.asarray(sets[name].mask)


def _facts(found: Any, z: NDArray[np.floating], images: int) -> dict[str, Any]:
    mean = found.mean
    return {
        "images": images,
        "z": [float(v) for v in z],
        "symmetry": mean.name,
        "order": mean.order,
        "score": mean.score,
        "peaks": [vars(peak) for peak in mean.peaks],
        "counts": found.counts,
        "angle_deg": mean.angle_deg.tolist(),
        "correlation": np.round(mean.correlation, 5).tolist(),
        "low": np.round(found.low, 5).tolist(),
        "high": np.round(found.high, 5).tolist(),
    }
