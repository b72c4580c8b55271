"""`tvae prepare RUN`: prepare the images of a run ahead of its training, with every core."""

from __future__ import annotations

import argparse

from tvae_core.cli.reporting import progress, tell
from tvae_core.words import count, size
from tvae_core.work.prepare import PrepareRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae prepare`."""
    parser.epilog = "`tvae train RUN` then trains on them."
    PrepareRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prepare and report."""
    request = PrepareRequest.of(arguments)
    with progress(arguments) as told:
        done = request.run(told, arguments.cancelled)
    images = count(done.images, "image")
    if done.folder is None:
        last = f"{images}: nothing to prepare, training keeps them in memory or makes them anew"
    else:
        last = f"{images} as {done.form}, {size(done.bytes_on_disk)} -> {done.folder}"
    tell(arguments, vars(done), *(f"note: {remark}" for remark in done.remarks), last)
    return 0
