"""`tvae detect RUN IMAGE`: find the objects in larger images with a trained run.

Each object's place, angle, content and confidence. The confidence is the probability that a pick is
an object, measured on fields assembled from the run's own images; the threshold is the lowest at
which no more than 1 in 20 picks was false there.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tvae_core.cli.reporting import progress, tell
from tvae_core.errors import ConfigError
from tvae_core.work.detect import Detected, DetectRequest

if TYPE_CHECKING:
    from tvae_core.analysis.picks import Picks
    from tvae_core.synthetic.plan import TrueColumns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae detect`."""
    parser.description = __doc__
    DetectRequest.add_arguments(parser)
    parser.add_argument(
        "--truth", metavar="CSV", help="the truth of `tvae synth field`, for precision and recall"
    )


def run(arguments: argparse.Namespace) -> int:
    """Find, write, report."""
    request = DetectRequest.of(arguments)
    truth = _read_truth(Path(arguments.truth)) if arguments.truth else None
    with progress(arguments) as told:
        found = request.run(told, arguments.cancelled)
    lowest = request.lowest(found)
    figures = _figures(found, lowest)
    if truth is not None:
        figures |= _compared(found.kept(lowest), truth, found.fields[0].radius_px)
    files = [f"{done.count:,} picks -> {done.path}" for done in found.written]
    files += [str(request.picture)] if request.picture else []
    written = {"written": found.written, "picture": request.picture}
    tell(arguments, figures | written, *_lines(figures), *files)
    return 0


def _figures(found: Detected, lowest: float) -> dict[str, object]:
    return {
        "images": len(found.fields),
        "picks": len(found.kept(lowest)),
        "threshold": lowest,
        "calibration": found.calibration.words(),
        "object_radius_px": round(found.fields[0].radius_px, 2),
    }


def _read_truth(file: Path) -> TrueColumns:
    from tvae_core.synthetic.write import read_truth

    if not file.is_file():
        raise ConfigError("no such file", file)
    truth = read_truth(file)
    if not {"image", "x_px", "y_px"} <= set(truth):
        raise ConfigError("the truth needs the columns image, x_px and y_px", file)
    return truth


def _compared(kept: Picks, truth: TrueColumns, radius_px: float) -> dict[str, float]:
    """Return precision and recall: a pick within half the radius of an object is that object."""
    import numpy as np

    from tvae_core.analysis.picks import agreement

    places = np.stack([truth["x_px"], truth["y_px"]], 1)
    found, _ = agreement(kept, truth["image"], places, max(2.0, 0.5 * radius_px))
    return {
        "objects": found.objects, "precision": found.precision, "recall": found.recall,
        "place_rms_px": found.rms_px,
    }  # fmt: skip


def _lines(figures: dict[str, object]) -> list[str]:
    lines = [
        f"{figures['picks']:,} objects in {figures['images']:,} images",
        str(figures["calibration"]),
    ]
    if "precision" in figures:
        lines.append(
            f"precision {figures['precision']:.3f}, recall {figures['recall']:.3f} of "
            f"{figures['objects']:,}, places {figures['place_rms_px']:.2f} px (rms)"
        )
    return lines
