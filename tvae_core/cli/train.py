"""`tvae train RUN`: start a run from options, or resume it; ends with the run's embeddings.h5."""

from __future__ import annotations

import argparse

from tvae_core.cli.reporting import report
from tvae_core.runs.folder import RunFolder
from tvae_core.work.train import TrainRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae train`."""
    TrainRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train, then embed."""
    request = TrainRequest.of(arguments)
    log = RunFolder(request.folder).log
    report(request.records(arguments.cancelled), arguments.json, log, arguments.quiet)
    return 0
