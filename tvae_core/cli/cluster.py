"""`tvae cluster STORE`: cluster the contents and keep the labels in the sidecar."""

from __future__ import annotations

import argparse

import numpy as np

from tvae_core.cli.reporting import progress, tell
from tvae_core.words import count
from tvae_core.work.cluster import ClusterRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae cluster`."""
    ClusterRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Cluster."""
    with progress(arguments) as told:
        done = ClusterRequest.of(arguments).run(told, arguments.cancelled)
    labels, note = done.found.labels, done.found.note
    sizes = [int(n) for n in np.bincount(labels[labels >= 0])]
    outside = int((labels < 0).sum())
    facts = {
        "method": done.found.method, "clusters": done.found.count, "sizes": sizes,
        "outside": outside, "note": note, "accuracy": done.accuracy, "path": done.path,
    }  # fmt: skip
    if sizes:
        of = ", ".join(f"{n:,}" for n in sizes)
        line = f"{count(done.found.count, 'cluster')} of {of} images -> {done.path}"
    else:
        line = f"no cluster was found: {count(outside, 'image')} outside of any -> {done.path}"
    known = done.accuracy is not None
    accuracy = [f"accuracy against the labels: {done.accuracy:.3f}"] if known else []
    tell(arguments, facts, line, *([note] if note else []), *accuracy)
    return 0
