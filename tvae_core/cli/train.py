"""`tvae train RUN`: start a run from options, or resume it; ends with the run's embeddings.h5."""

from __future__ import annotations

import argparse

from tvae_core.cli.reporting import report, tell
from tvae_core.runs.folder import RunFolder
from tvae_core.work.train import TrainRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae train`."""
    TrainRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train, then embed."""
    request = TrainRequest.of(arguments)
    if request.dry_run:
        text = request.script()
        tell(arguments, {"script": text}, text)
        return 0
    log = RunFolder(request.folder).log if not (request.sweep or request.slurm) else _nowhere
    report(request.records(arguments.cancelled), arguments.json, log, arguments.quiet)
    return 0


def _nowhere(line: str) -> None:
    """Keep no log: each run of a sweep has its own, and a job keeps that of its run."""
