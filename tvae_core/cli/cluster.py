"""`tvae cluster STORE`: cluster the contents and keep the labels in the sidecar."""

from __future__ import annotations

import argparse

import numpy as np

from tvae_core.analysis.cluster_count import Proposal
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
    labels, note, proposal = done.found.labels, done.found.note, done.found.proposal
    sizes = [int(n) for n in np.bincount(labels[labels >= 0])]
    outside = int((labels < 0).sum())
    depths = {} if proposal is None else dict(_depths(proposal))
    facts = {
        "method": done.found.method, "clusters": done.found.count, "sizes": sizes,
        "outside": outside, "note": note, "accuracy": done.accuracy, "depths": depths,
        "path": done.path,
    }  # fmt: skip
    if sizes:
        of = ", ".join(f"{n:,}" for n in sizes)
        line = f"{count(done.found.count, 'cluster')} of {of} images -> {done.path}"
    else:
        line = f"no cluster was found: {count(outside, 'image')} outside of any -> {done.path}"
    more = [note] if note else []
    more += _table(proposal) if proposal is not None and proposal.depth.any() else []
    if done.accuracy is not None:
        more.append(f"accuracy against the labels: {done.accuracy:.3f}")
    tell(arguments, facts, line, *more)
    return 0


def _depths(proposal: Proposal) -> list[tuple[int, float]]:
    return list(zip(proposal.counts.tolist(), proposal.depth.round(4).tolist(), strict=True))


def _table(proposal: Proposal) -> list[str]:
    """Return the numbers tried and the depth of each, eight on a line, the proposed one marked."""
    cells = [
        f"{n:4}{'*' if n == proposal.count else ' '}{depth:6.3f}" for n, depth in _depths(proposal)
    ]
    lines = ["".join(cells[start : start + 8]) for start in range(0, len(cells), 8)]
    return [
        "number of clusters, and how empty the narrowest gap between any two of them is (0 to 1):",
        *lines,
    ]
