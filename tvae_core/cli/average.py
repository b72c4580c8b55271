"""`tvae average STORE OUT.mrcs`: averages of sets or clusters, each image turned upright.

Writes OUT.mrcs (one image per class), OUT_std.mrcs (deviations) and OUT.star (one row per class:
count, resolution, and the ring correlation of two random halves). The resolution is where the
correlation falls below 0.143 once what noise gains by alignment is taken off: noise alone is not
resolved. Images are taken at their original size; if they are missing, the thumbnails of the store
are averaged, and a line says so.
"""

from __future__ import annotations

import argparse

import numpy as np

from tvae_core.analysis.class_averages import AveragedClass
from tvae_core.cli.reporting import progress, tell
from tvae_core.work.average import AverageRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae average`."""
    parser.description = __doc__
    AverageRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Average."""
    with progress(arguments) as told:
        done = AverageRequest.of(arguments).run(told, arguments.cancelled)
    averaged, written = done.averaged, done.written
    pixel = averaged.pixel_size_angstrom
    made = list(zip(averaged.names, averaged.averages, strict=True))
    classes = [
        {"name": name, "count": one.count, "resolution": one.resolution_px() * (pixel or 1.0)}
        for name, one in made
    ]
    facts = {"classes": classes, "unit": "A" if pixel else "px", "size": averaged.size}
    moved = averaged.size == "thumbnails"
    tell(
        arguments,
        facts | vars(written),
        *["the images have moved: thumbnails were averaged"] * moved,
        *[_line(name, one, pixel) for name, one in made],
        f"{written.count:,} averages -> {written.stack}, {written.deviations}, {written.table}, "
        "verified",
    )
    return 0


def _line(name: str, average: AveragedClass, pixel_size_angstrom: float | None) -> str:
    return f"{name}: {average.count:,} images, {_resolution(average, pixel_size_angstrom)}"


def _resolution(average: AveragedClass, pixel_size_angstrom: float | None) -> str:
    length = average.resolution_px() * (pixel_size_angstrom or 1.0)
    if not np.isfinite(length):
        return "not resolved: noise alone could make this average"
    return f"{length:.1f} {'A' if pixel_size_angstrom else 'px'} at a corrected FRC of 0.143"
