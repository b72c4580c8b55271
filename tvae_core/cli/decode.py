"""`tvae decode RUN`: draw contents at a pose, at any size, into one picture or stack."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from tvae_core.cli.reporting import tell
from tvae_core.errors import ConfigError
from tvae_core.work.request import told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae decode`."""
    parser.add_argument("run", help="store (embeddings.h5), or the folder of its run")
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help=".png, .npy, .mrcs, .tif or .h5"
    )
    parser.add_argument(
        "--z", action="append", default=[], metavar="Z1,Z2", help="a content z; repeatable"
    )
    for flag, metavar, default, help_words in (
        ("--grid", "N", 8, "without --z: nodes per side"),
        ("--angle-deg", "DEG", 0.0, "counter-clockwise"),
        ("--shift", "X,Y", "0,0", "pixels, x right, y up"),
        ("--side", "PX", 0, "size of the output, pixels per side; 0: as the model's"),
        ("--device", "NAME", "cpu", "auto, cpu, cuda or cuda:N"),
    ):
        parser.add_argument(
            flag, type=type(default), default=default, metavar=metavar,
            help=told(help_words, default),
        )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")


def run(arguments: argparse.Namespace) -> int:
    """Decode."""
    from tvae_core.engine.training.previews import grid_points
    from tvae_core.engine.using.decode import Decoder
    from tvae_core.images_of import refuse_sources
    from tvae_core.store import EmbeddingStore

    path = Path(arguments.output)
    with EmbeddingStore(arguments.run) as store:
        refuse_sources(store, path)
        decoder = Decoder.from_store(store, arguments.device)
        if arguments.z:
            z = np.array([numbers(text, decoder.z_dim) for text in arguments.z])
        else:
            z = grid_points(store.z_mean, arguments.grid)
    images = decoder.decode(
        z,
        np.radians(arguments.angle_deg),
        numbers(arguments.shift, 2),
        arguments.side or decoder.side,
    )
    count = _write(path, images, len(z) if arguments.z else arguments.grid, arguments.overwrite)
    tell(arguments, {"count": count, "path": path}, f"{count:,} images -> {path}")
    return 0


def numbers(text: str, count: int) -> list[float]:
    """Return the numbers of `1,2.5`.

    Raises
    ------
    ConfigError
        Not numbers, or not `count` of them.
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"{text!r} is not a list of numbers") from None
    if len(values) != count:
        raise ConfigError(f"{text!r} has {len(values)} numbers", todo=f"{count} are needed")
    return values


def _write(path: Path, images: np.ndarray, columns: int, overwrite: bool) -> int:
    from tvae_core.export.stacks import export_images
    from tvae_core.figures import montage_figure

    if path.suffix.lower() in (".png", ".svg", ".pdf"):
        montage_figure(path, images, columns, overwrite=overwrite)
        return len(images)
    done = export_images(ArrayImages(images), np.arange(len(images)), path, overwrite=overwrite)
    return done.count


class ArrayImages:
    """Images in memory as an export source."""

    def __init__(self, images: np.ndarray) -> None:
        self._images = images

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Return images (n, H, W[, 3])."""
        return np.asarray(self._images[indices], dtype=np.float32)
