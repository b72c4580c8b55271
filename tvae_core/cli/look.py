"""`tvae look PATH`: which settings suit these images, and why; a picture as the model sees them."""

from __future__ import annotations

import argparse
import shlex

from tvae_core import words
from tvae_core.cli.reporting import progress, tell
from tvae_core.work.look import LookRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae look`."""
    parser.epilog = "`tvae train RUN --data PATH` takes these settings where no preset is given."
    LookRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Look and report."""
    request = LookRequest.of(arguments)
    with progress(arguments) as share:
        looked = request.run(share, arguments.cancelled)
    found = looked.recommendation
    picture = [] if looked.picture is None else [f"picture: {looked.picture}"]
    notes = [f"note: {said}" for said in (*found.remarks, *map(str, found.problems))]
    train = shlex.join(["tvae", "train", "RUN", "--data", str(request.path)])
    refused = any(problem.blocks for problem in found.problems)
    tell(
        arguments,
        {"path": request.path, **found.to_dict()},
        *found.lines(),
        f"training time: {words.duration(found.seconds)}",
        *notes,
        *picture,
        "these images cannot be trained on as they are" if refused else f"train so: {train}",
    )
    return 0
