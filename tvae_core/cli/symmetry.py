"""`tvae symmetry RUN`: which rotations leave the decoded objects unchanged.

Without --z, of all images or of a set: the mean content is decoded at every angle and compared
with itself at angle 0; up to 64 images of the set show how the symmetry varies within it.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from tvae_core.cli.reporting import progress, tell
from tvae_core.work.poses import SymmetryFound, SymmetryRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae symmetry`."""
    parser.description = __doc__
    SymmetryRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Find and say the symmetry."""
    request = SymmetryRequest.of(arguments)
    with progress(arguments) as told:
        found = request.run(told, arguments.cancelled)
    tell(arguments, _facts(found), *_lines(found, request.z is None))
    return 0


def _lines(found: SymmetryFound, of_several: bool) -> list[str]:
    mean = found.whole.mean
    lines = [f"mean content: {mean.hint}"]
    lines += [f"  {p.angle_deg:6.1f}°  {p.correlation:6.3f}  {p.name}" for p in mean.peaks[:8]]
    if of_several:
        counts = ", ".join(f"{name} {n}" for name, n in found.whole.counts.items())
        lines.append(f"of {found.members} of {found.images:,} images: {counts}")
    return lines


def _facts(found: SymmetryFound) -> dict[str, Any]:
    whole, mean = found.whole, found.whole.mean
    return {
        "images": found.images,
        "z": [float(v) for v in found.z],
        "symmetry": mean.name,
        "order": mean.order,
        "score": mean.score,
        "peaks": [vars(peak) for peak in mean.peaks],
        "counts": whole.counts,
        "angle_deg": mean.angle_deg.tolist(),
        "correlation": np.round(mean.correlation, 5).tolist(),
        "low": np.round(whole.low, 5).tolist(),
        "high": np.round(whole.high, 5).tolist(),
    }
