"""`tvae evaluate RUN`: the figures of the paper's tables, on held-out images."""

from __future__ import annotations

import argparse

from tvae_core.work.evaluate import EvaluateRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae evaluate`."""
    EvaluateRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate."""
    result = EvaluateRequest.of(arguments).run()
    print(result.markdown)
    print(result.path)
    return 0
