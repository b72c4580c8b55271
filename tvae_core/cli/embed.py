"""`tvae embed RUN`: embed the run's images again, or others with its model."""

from __future__ import annotations

import argparse

from tvae_core.cli.reporting import report
from tvae_core.runs.folder import RunFolder
from tvae_core.work.train import EmbedRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae embed`."""
    EmbedRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Embed."""
    request = EmbedRequest.of(arguments)
    log = RunFolder(request.folder).log
    report(request.records(arguments.cancelled), arguments.json, log, arguments.quiet)
    return 0
