"""`tvae cluster STORE`: cluster the contents and keep the labels in the sidecar."""

from __future__ import annotations

import argparse

import numpy as np

from tvae_core.words import count
from tvae_core.work.cluster import ClusterRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae cluster`."""
    ClusterRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Cluster."""
    done = ClusterRequest.of(arguments).run()
    labels = done.found.labels
    sizes = ", ".join(f"{n:,}" for n in np.bincount(labels[labels >= 0]))
    outside = int((labels < 0).sum())
    if sizes:
        print(f"{count(done.found.count, 'cluster')} of {sizes} images -> {done.path}")
    else:
        print(f"no cluster was found: {count(outside, 'image')} outside of any -> {done.path}")
    if done.found.note:
        print(done.found.note)
    if done.accuracy is not None:
        print(f"accuracy against the labels: {done.accuracy:.3f}")
    return 0
