"""`tvae project STORE`: compute a UMAP plane and keep it in the sidecar, or draw a plane."""

from __future__ import annotations

import argparse

from tvae_core.cli.reporting import progress, tell
from tvae_core.work.project import ProjectRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae project`."""
    ProjectRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Project."""
    with progress(arguments) as told:
        done = ProjectRequest.of(arguments).run(told, arguments.cancelled)
    lines = [f"umap of {done.images:,} images -> {done.umap}"] if done.umap else []
    lines += [str(done.picture)] if done.picture else []
    tell(arguments, vars(done), *lines)
    return 0
