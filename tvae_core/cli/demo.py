"""`tvae demo`: simulate particles, train on them, embed them, and draw what was learned."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from tvae_core.cli.reporting import report, tell
from tvae_core.presets import load_preset
from tvae_core.work.request import told

_PRESET = "demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae demo`."""
    for flag, default, help_words in (
        ("--folder", "demo", "output folder"),
        ("--images", 2500, "particles to simulate"),
        ("--epochs", 0, "epochs; 0: those of the preset"),
    ):
        parser.add_argument(
            flag, default=default, type=type(default), help=told(help_words, default),
            metavar="PATH" if flag == "--folder" else "N",
        )  # fmt: skip
    parser.add_argument(
        "--rebuild", metavar="STORE", help="also write the store here, as resources/example.h5"
    )


def run(arguments: argparse.Namespace) -> int:
    """Simulate, train, embed, draw."""
    from tvae_core.synthetic.write import is_written

    folder = Path(arguments.folder)
    run_path = folder / "run"
    if not is_written(folder / "images"):
        _simulate(folder / "images", arguments)
    _train(run_path, folder / "images" / "particles.star", arguments)
    plane, grid = _draw(folder, run_path)
    if arguments.rebuild:
        shutil.copyfile(run_path / "embeddings.h5", arguments.rebuild)
    tell(
        arguments,
        {"store": run_path / "embeddings.h5", "plane": plane, "grid": grid},
        f"latent plane -> {plane}",
        *([f"decoded, upright, across the plane -> {grid}"] if grid else []),
        *([arguments.rebuild] if arguments.rebuild else []),
    )
    return 0


def _simulate(folder: Path, arguments: argparse.Namespace) -> None:
    from tvae_core.synthetic import plan_set, write_set

    count = arguments.images
    if not arguments.json:
        print(f"simulating {count:,} hinged particles with CTF and noise")
    plan = plan_set("hinge", count=count, side=48, snr=1.0, shift_std_px=1.5)
    write_set(plan, folder)


def _train(path: Path, images: Path, arguments: argparse.Namespace) -> None:
    from tvae_core.runs.folder import RunFolder
    from tvae_core.work.train import Beginning, train_and_embed

    folder = RunFolder(path)
    if folder.store.exists():
        if not arguments.json:
            print(f"{folder.store}: already there")
        return
    config = None
    if not folder.begun:
        config = load_preset(_PRESET)
        config.data.path = str(images)  # relative: the store may be shipped
        config.train.epochs = arguments.epochs or config.train.epochs
    records = train_and_embed(folder, config, Beginning(folder.begun), True, arguments.cancelled)
    report(records, arguments.json, folder.log, arguments.quiet)


def _draw(folder: Path, run_path: Path) -> tuple[Path, Path | None]:
    from tvae_core.figures import montage_figure, plane_figure
    from tvae_core.store import EmbeddingStore

    with EmbeddingStore(run_path) as store:
        z, atlas = store.z_mean, store.atlas
        xy = z if z.shape[1] == 2 else store.plane("pca").coordinates
        plane = plane_figure(folder / "latent_plane.png", xy, overwrite=True)
        if atlas is None:
            return plane, None
        grid = folder / "decoded_grid.png"
        return plane, montage_figure(grid, atlas.images[::3, ::3], overwrite=True)
