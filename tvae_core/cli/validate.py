"""`tvae validate FILE`: version, shapes, finiteness and every checksum of a store."""

from __future__ import annotations

import argparse

from tvae_core.cli.reporting import tell
from tvae_core.errors import StoreError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae validate`."""
    parser.add_argument("store", help="store (embeddings.h5), or the folder of its run")


def run(arguments: argparse.Namespace) -> int:
    """Check a store; exit status 4 when it is damaged."""
    from tvae_core.store import validate

    wrong = validate(arguments.store)
    sound = [f"{arguments.store}: sound"]
    tell(arguments, {"sound": not wrong, "problems": wrong}, *(wrong[:-1] if wrong else sound))
    if wrong:
        raise StoreError(wrong[-1], arguments.store, "embed the run again")
    return 0
