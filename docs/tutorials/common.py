"""What the tutorials share: running a command as a user types it, and sheets of pictures."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tvae_core.cli.main import main as tvae_command
from tvae_core.figures import montage

HERE = Path(__file__).resolve().parent
_TINY = "--epochs 1 --encoder-kernels 8 --generator-hidden 16 --atlas-nodes 4"
QUICK = _TINY.split(" ")  # options of a run that takes a second


def tvae(*words: object) -> None:
    """Run a `tvae` command and show it, as in a shell."""
    texts = [str(word) for word in words]
    sys.stdout.write(f"$ tvae {shlex.join(texts)}\n")
    sys.stdout.flush()
    if status := tvae_command(texts):
        raise SystemExit(status)


def sheet(
    path: Path,
    images: NDArray[Any],
    columns: int,
    *,
    shown_px: int = 64,
    limits: tuple[float, float] | None = None,
) -> None:
    """Save images (n, H, W) or (n, H, W, 3) as one picture, each about `shown_px` wide."""
    low, high = np.percentile(images, [0.5, 99.5]) if limits is None else limits
    values = np.clip((images - low) / max(high - low, 1e-9), 0, 1)
    picture = np.round(255 * montage(values, columns)).astype(np.uint8)
    enlarge = max(1, round(shown_px / images.shape[2]))
    size = (picture.shape[1] * enlarge, picture.shape[0] * enlarge)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).resize(size, Image.Resampling.NEAREST).save(path, optimize=True)


def along(z: NDArray[np.floating], steps: int) -> NDArray[np.floating]:
    """Return contents (steps, D) along the direction in which z (N, D) varies most."""
    centre = z.mean(axis=0)
    axis = np.linalg.svd(z - centre, full_matrices=False)[2][0]
    low, high = np.percentile((z - centre) @ axis, [2, 98])
    return centre + np.linspace(low, high, steps)[:, None] * axis


def run(about: str, tutorial: Callable[[Path, Path, Path | None, bool], None]) -> None:
    """Run a tutorial with the options that all of them take."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("out", type=Path, help="a new folder for everything that is made")
    parser.add_argument("--pictures", type=Path, help="folder of the pictures, OUT by default")
    parser.add_argument("--data", type=Path, help="your own images instead of simulated ones")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes; a test")
    given = parser.parse_args()
    tutorial(given.out, given.pictures or given.out / "pictures", given.data, given.quick)
