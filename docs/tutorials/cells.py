"""Tutorial: cells in a phase-contrast folder.

python docs/tutorials/cells.py OUT [--data FOLDER] [--quick]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from common import QUICK, run, sheet, tvae
from numpy.typing import NDArray
from PIL import Image

import tvae_core as tvae_py


def main(out: Path, pictures: Path, data: Path | None, quick: bool) -> None:
    """Go from a folder of cut-outs to classes, a table and a folder of one class."""
    if data is None:
        data = out / "cells"
        draw_cells(data, 40 if quick else 900)
    tvae("info", data)
    tvae("look", data)
    fewer = QUICK if quick else ["--epochs", 14]
    tvae("train", out / "run", "--data", data, *fewer)
    tvae("cluster", out / "run", "--count", 3, *(["--method", "ward"] if quick else []))
    tvae("export", out / "run", pictures / "cells-plane.png", "--colour", "cluster")
    tvae("export", out / "run", out / "table.csv")
    tvae("export", out / "run", out / "class-1", "--cluster", 1, "--upright")
    draw(out, pictures)


def draw(out: Path, pictures: Path) -> None:
    """Make the pictures of the page."""
    with tvae_py.open_store(out / "run") as store:
        some = np.linspace(0, len(store) - 1, 12).astype(int)
        sheet(pictures / "cells-images.png", store.model_images[some], 12)
        low, high = np.percentile(store.z, [3, 97], axis=0)
        x, y = np.meshgrid(np.linspace(low[0], high[0], 9), np.linspace(high[1], low[1], 9))
        grid = store.decode(np.stack([x.ravel(), y.ravel()], 1), size_px=48)
        sheet(pictures / "cells-decoded.png", grid, 9, shown_px=48)
        labels = next(iter(store.clusters.values()))
        rows = [np.flatnonzero(labels == k)[:12] for k in range(labels.max() + 1)]
        full = np.concatenate([row for row in rows if len(row) == 12] or [some])
        upright = store.file.thumbnails("upright", full).astype(np.float32)
        sheet(pictures / "cells-upright.png", upright, 12)


def draw_cells(folder: Path, count: int) -> None:
    """Write cut-outs of cells as a phase-contrast microscope shows them: dark, with a halo.

    Three kinds, in folders of their own: round, elongated, dividing; of any angle, not quite
    centred.
    """
    rng = np.random.default_rng(5)
    kinds = ("round", "elongated", "dividing")
    for number in range(count):
        kind = kinds[number % 3]
        place = folder / kind / f"{number:05d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(cell(kind, rng)).save(place)


def cell(kind: str, rng: np.random.Generator, side: int = 64) -> NDArray[np.uint8]:
    """Return one cut-out (side, side)."""
    angle, (dx, dy) = rng.uniform(0, 2 * np.pi), rng.normal(0, 2, 2)
    axis = np.arange(side) - (side - 1) / 2
    x, y = np.meshgrid(axis - dx, axis - dy)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    distance = _distance(kind, u, v, rng)  # pixels from the outline, negative inside
    body = 1 / (1 + np.exp(distance / 1.2))
    halo = np.exp(-(((distance - 3) / 2.5) ** 2))
    nucleus = np.exp(-((u - 3) ** 2 + v**2) / 18)
    grey = 0.62 - 0.38 * body - 0.12 * nucleus + 0.2 * halo + rng.normal(0, 0.025, x.shape)
    return np.round(255 * np.clip(grey, 0, 1)).astype(np.uint8)


def _distance(
    kind: str, u: NDArray[np.floating], v: NDArray[np.floating], rng: np.random.Generator
) -> NDArray[np.floating]:
    if kind == "dividing":
        apart, radius = rng.uniform(7, 11), rng.uniform(8, 10)
        lobes = [np.hypot(u - side * apart, v) - radius for side in (-1, 1)]
        return np.minimum(*lobes)
    long, short = {"round": (13, 12), "elongated": (21, 7)}[kind]
    a, b = long * rng.uniform(0.85, 1.15), short * rng.uniform(0.85, 1.15)
    bend = 0.0 if kind == "round" else rng.uniform(0.006, 0.014)
    v = v - bend * u**2 + bend * a**2 / 3
    radius = np.hypot(u / a, v / b)
    return (radius - 1) * min(a, b)


if __name__ == "__main__":
    run("Cells in a phase-contrast folder.", main)
