"""`tvae look PATH`: which settings suit these images, and why; a picture as the model sees them."""

from __future__ import annotations

import argparse
import json
import shlex

from tvae_core import words
from tvae_core.work.look import LookRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae look`."""
    parser.epilog = "`tvae train RUN --data PATH` takes these settings where no preset is given."
    LookRequest.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Look and report."""
    request = LookRequest.of(arguments)
    looked = request.run()
    found = looked.recommendation
    if arguments.json:
        print(json.dumps({"path": str(request.path), **found.to_dict()}, default=str))
        return 0
    print("\n".join(found.lines()))
    print(f"training time: {words.duration(found.seconds)}")
    if looked.picture is not None:
        print(f"picture: {looked.picture}")
    print(f"train so: {shlex.join(['tvae', 'train', 'RUN', '--data', str(request.path)])}")
    return 0
