"""`tvae demo`: simulate particles, train on them, embed them, and draw what was learned."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from tvae_core.cli.reporting import report, stop_on_signals
from tvae_core.config import load_preset

_PRESET = "demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae demo`."""
    parser.add_argument("--folder", default="demo", help="output folder")
    parser.add_argument("--images", type=int, default=2500, help="particles to simulate")
    parser.add_argument("--epochs", type=int, default=0, help="epochs; 0: those of the preset")
    parser.add_argument(
        "--rebuild", metavar="STORE", help="also write the store here, as resources/example.h5"
    )


def run(arguments: argparse.Namespace) -> int:
    """Simulate, train, embed, draw."""
    folder = Path(arguments.folder)
    run_path = folder / "run"
    if not (folder / "images" / "truth.csv").exists():
        _simulate(folder / "images", arguments.images)
    _train(run_path, folder / "images" / "particles.star", arguments.epochs)
    _draw(folder, run_path)
    if arguments.rebuild:
        shutil.copyfile(run_path / "embeddings.h5", arguments.rebuild)
        print(arguments.rebuild)
    return 0


def _simulate(folder: Path, count: int) -> None:
    from tvae_core.synthetic import plan_set, write_set

    print(f"simulating {count:,} hinged particles with CTF and noise")
    plan = plan_set("hinge", count=count, side=48, snr=1.0, shift_std_px=1.5)
    write_set(plan, folder)


def _train(path: Path, images: Path, epochs: int) -> None:
    from tvae_core.runs.folder import RunFolder
    from tvae_core.work.train import Beginning, train_and_embed

    folder = RunFolder(path)
    if folder.store.exists():
        print(f"{folder.store}: already there")
        return
    config = None
    if not folder.begun:
        config = load_preset(_PRESET)
        config.data.path = str(images)  # relative: the store may be shipped
        if epochs:
            config.train.epochs = epochs
    records = train_and_embed(folder, config, Beginning(folder.begun), True, stop_on_signals())
    report(records, False, folder.log)


def _draw(folder: Path, run_path: Path) -> None:
    from tvae_core.figures import montage_figure, plane_figure
    from tvae_core.store import EmbeddingStore

    with EmbeddingStore(run_path) as store:
        z, atlas = store.z_mean, store.atlas
        xy = z if z.shape[1] == 2 else store.plane("pca").coordinates
        plane = plane_figure(folder / "latent_plane.png", xy, overwrite=True)
        print(f"latent plane -> {plane}")
        if atlas is not None:
            grid = montage_figure(
                folder / "decoded_grid.png", atlas.images[::3, ::3], overwrite=True
            )
            print(f"decoded, upright, across the plane -> {grid}")
