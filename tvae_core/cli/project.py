"""`tvae project STORE`: compute a UMAP plane and keep it in the sidecar, or draw a plane."""

from __future__ import annotations

import argparse

from tvae_core.cli.reporting import bar
from tvae_core.work.project import ProjectRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae project`."""
    ProjectRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Project."""
    with bar() as progress:
        done = ProjectRequest.of(arguments).run(progress)
    if done.umap:
        print(f"umap of {done.images:,} images -> {done.umap}")
    if done.picture:
        print(done.picture)
    return 0
