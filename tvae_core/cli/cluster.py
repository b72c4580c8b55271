"""`tvae cluster STORE`: cluster the contents and keep the labels in the sidecar."""

from __future__ import annotations

import argparse

import numpy as np


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae cluster`."""
    parser.add_argument("store", help="embeddings.h5, or the folder of a run")
    parser.add_argument(
        "--method", default="ward", help="k-means, gaussian-mixture, ward or hdbscan"
    )
    parser.add_argument("--count", type=int, default=10, help="clusters")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="", help="name of the labelling, the method by default")


def run(arguments: argparse.Namespace) -> int:
    """Cluster."""
    from tvae_core.analysis.clustering import cluster
    from tvae_core.analysis.metrics import clustering_accuracy
    from tvae_core.sidecar import Labelling, load_sidecar, save_sidecar
    from tvae_core.store import EmbeddingStore

    with EmbeddingStore(arguments.store) as store:
        found = cluster(arguments.method, store.z_mean, arguments.count, arguments.seed)
        sidecar = load_sidecar(store)
        name = arguments.name or arguments.method
        sidecar.labellings[name] = Labelling(found.labels, method=found.method, note=found.note)
        path = save_sidecar(sidecar, store)
        sizes = ", ".join(f"{n:,}" for n in np.bincount(found.labels[found.labels >= 0]))
        print(f"{found.count} clusters of {sizes} images -> {path}")
        if found.note:
            print(found.note)
        if store.labels is not None:
            accuracy = clustering_accuracy(store.labels, found.labels)
            print(f"accuracy against the labels: {accuracy:.3f}")
    return 0
