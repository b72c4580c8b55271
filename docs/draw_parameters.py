"""Draw the pictures of docs/parameters.md: the same cells as the model sees them, set otherwise.

    python docs/draw_parameters.py [FOLDER]

No model is trained: these settings act before it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tvae_core.config import DataConfig
from tvae_core.images.prepared import open_prepared

HERE = Path(__file__).resolve().parent
SHOWN, GAP, WORDS_PX = 112, 6, 150
COUNT = 5

Row = tuple[str, NDArray[np.floating]]


def main(folder: Path) -> None:
    """Write the three pictures."""
    with tempfile.TemporaryDirectory() as place:
        cells = Path(place) / "cells.npy"
        np.save(cells, _cells())
        seen = {side: _seen(cells, downsample_px=side, invert=True) for side in (64, 32, 16, 8)}
        rows = [(f"--downsample-px {side}", images) for side, images in seen.items()]
        _save(folder / "parameters-size.png", rows)
        lit = Path(place) / "lit.npy"
        np.save(lit, _cells(np.array([1, 0.75, 0.5, 0.9, 0.6])))
        ways: list[tuple[str, dict[str, Any]]] = [
            ("as they are", {}),
            ("--invert true", {"invert": True}),
            ("and --normalise image", {"invert": True, "normalise": "image"}),
            ("and --mask true", {"invert": True, "normalise": "image", "mask": True}),
        ]
        contrast = [(words, _seen(lit, downsample_px=32, **way)) for words, way in ways]
        _save(folder / "parameters-contrast.png", contrast)
        kernels = [(f"--kernel-px {side}", _framed(seen[32], side)) for side in (7, 15, 25)]
        _save(folder / "parameters-kernel.png", kernels)


def _cells(light: NDArray[np.floating] | float = 1.0) -> NDArray[np.uint8]:
    """Return five cells, each under its own light."""
    sys.path.insert(0, str(HERE / "tutorials"))
    from cells import cell  # the tutorial draws them

    rng = np.random.default_rng(3)
    kinds = ("elongated", "dividing", "round", "elongated", "dividing")
    cells = np.stack([cell(kind, rng) for kind in kinds])
    return np.round(cells * np.broadcast_to(light, COUNT)[:, None, None]).astype(np.uint8)


def _seen(path: Path, **settings: Any) -> NDArray[np.floating]:
    """Return cells as a model with these settings sees them, (n, h, w), in one range of grey."""
    with open_prepared(DataConfig(path=str(path), **settings)) as images:
        found = images.read(np.arange(len(images)))[:, 0]
    low, high = np.percentile(found, [0.2, 99.8])
    return np.asarray(np.clip((found - low) / (high - low), 0, 1))


def _framed(images: NDArray[np.floating], kernel: int) -> NDArray[np.floating]:
    """Return images enlarged, with the square that a kernel at the centre sees."""
    times = 4
    large = images.repeat(times, 1).repeat(times, 2)
    start = times * (images.shape[1] - kernel) // 2
    stop = start + times * kernel - 1
    for edge in (start, stop):
        large[:, edge, start : stop + 1] = 1
        large[:, start : stop + 1, edge] = 1
    return large


def _save(path: Path, rows: list[Row]) -> None:
    width, height = WORDS_PX + COUNT * (SHOWN + GAP), len(rows) * (SHOWN + GAP) - GAP
    picture = Image.new("L", (width, height), 255)
    drawing = ImageDraw.Draw(picture)
    font = ImageFont.load_default(13)
    for number, (words, images) in enumerate(rows):
        top = number * (SHOWN + GAP)
        drawing.text((0, top + SHOWN // 2 - 8), words, fill=40, font=font)
        for column, image in enumerate(images):
            tile = Image.fromarray(np.round(255 * image).astype(np.uint8))
            tile = tile.resize((SHOWN, SHOWN), Image.Resampling.NEAREST)
            picture.paste(tile, (WORDS_PX + column * (SHOWN + GAP), top))
    picture.save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
