"""`tvae export STORE OUT`: chosen images as a stack, their poses as a table, the plane as a figure.

The name of OUT decides what is written: .mrcs .tif .npy .h5 or a folder of PNG (images); .csv
.parquet .h5ad (every column); .png .svg .pdf (the plane); .star .cs .csg (the chosen rows of the
run's own particle table, unchanged). With --as and no OUT the particles go beside the store.
"""

from __future__ import annotations

import argparse

from tvae_core.cli.reporting import progress, tell
from tvae_core.export import registry
from tvae_core.work.export import ExportDone, ExportRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae export`."""
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    rows = (f"  {' '.join(kind.endings) or 'a folder':<16}{kind.words}" for kind in registry.KINDS)
    parser.epilog = "\n".join(["names of OUT end in:", *rows])
    ExportRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Export."""
    with progress(arguments) as told:
        done = ExportRequest.of(arguments).run(told, arguments.cancelled)
    tell(arguments, vars(done), *_lines(done))
    return 0


def _lines(done: ExportDone) -> list[str]:
    path, count = done.kept.path, done.kept.count
    if done.what == "figure":
        return [str(path)]
    if done.what == "particles":
        halves = [half for half in (done.kept, done.rest) if half is not None]
        return [
            f"{half.count:,} of {done.rows:,} rows -> {half.path}, read back, equal row by row"
            for half in halves
        ]
    noun = "rows" if done.what == "table" else "images"
    return [f"{count:,} {noun} -> {path}, verified"]
