"""`tvae evaluate RUN`: the figures of the paper's tables, on held-out images."""

from __future__ import annotations

import argparse

from tvae_core.cli.reporting import progress, tell
from tvae_core.work.evaluate import EvaluateRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae evaluate`."""
    EvaluateRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate."""
    with progress(arguments) as told:
        result = EvaluateRequest.of(arguments).run(told, arguments.cancelled)
    tell(
        arguments,
        {"path": result.path, "rows": result.evaluation.rows},
        result.markdown,
        str(result.path),
    )
    return 0
