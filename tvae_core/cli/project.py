"""`tvae project STORE`: a UMAP plane into the store's sidecar, or a picture of a plane."""

from __future__ import annotations

import argparse
import sys

from tqdm import tqdm

from tvae_core.cli.reporting import move


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae project`."""
    parser.add_argument("store", help="embeddings.h5, or the folder of a run")
    parser.add_argument("--umap", action="store_true", help="compute UMAP and keep it")
    parser.add_argument("--neighbours", type=int, default=15, help="of UMAP")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", help="draw the plane: .png, .svg or .pdf")
    parser.add_argument("--overwrite", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Project."""
    from tvae_core.analysis.projection import umap_plane
    from tvae_core.figures import plane_figure
    from tvae_core.sidecar import load_sidecar, save_sidecar
    from tvae_core.store import EmbeddingStore

    with EmbeddingStore(arguments.store) as store:
        sidecar = load_sidecar(store)
        if arguments.umap:
            with tqdm(total=100, disable=not sys.stderr.isatty(), leave=False) as bar:
                sidecar.planes["umap"] = umap_plane(
                    store.z_mean,
                    progress=lambda share: move(bar, share),
                    seed=arguments.seed,
                    neighbours=arguments.neighbours,
                )
            print(f"umap of {store.images:,} images -> {save_sidecar(sidecar, store)}")
        if arguments.output:
            name = "umap" if "umap" in sidecar.planes else "pca"
            xy = sidecar.planes.get("umap")
            xy = store.plane("pca").coordinates if xy is None else xy
            axes = ("UMAP 1", "UMAP 2") if name == "umap" else ("PC 1", "PC 2")
            plane_figure(
                arguments.output,
                xy,
                labels=store.labels,
                names=store.label_names,
                axes=axes,
                overwrite=arguments.overwrite,
            )
            print(arguments.output)
    return 0
