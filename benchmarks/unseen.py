"""Images that nobody chose settings on: is the number of kinds found, and which image is of which?

    python benchmarks/unseen.py FOLDER [--sets leaves plankton letters cells ligand]

Makes sets of a few kinds of shapes, anywhere and at any angle: photographs of leaves in colour
(JPEG, darker corners), plankton (PNG of many sizes, dark on bright), letters (NumPy, values in
thousandths), fluorescent cells (16-bit TIFF, shot noise, hot pixels), and a noisy particle with or
without a ligand (MRC, SNR 0.1). `tvae train` and `tvae cluster` get the images and no options.
Compared with the truth: the number of clusters, the share of images in the right one, and per kind
and of all the length of the mean turn, |mean exp(i (angle - truth))|: that of all is 1 where the
kinds stand alike, which means something where they share a body. What is trained is not trained
again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tvae_core.analysis.metrics import clustering_accuracy
from tvae_core.sidecar import load_sidecar
from tvae_core.store import EmbeddingStore

_FINE = 4  # shapes are drawn so many times larger
_SPOTS = (
    (-0.2, -0.12), (-0.05, -0.2), (0.12, -0.12), (0.2, 0.05), (0.05, 0.1), (-0.15, 0.12),
    (0.02, 0.24),
)  # fmt: skip
Truth = NDArray[np.float64]  # (n, 2): kind and angle
Pixels = NDArray[np.float64]


def shape(
    kind: int, side: int, angle: float, by: tuple[float, float], size: float, bend: float
) -> Pixels:
    """Draw a comma, a rod with a head or three unequal lobes, (side, side) from 0 to 1."""
    picture = Image.new("L", (side * _FINE, side * _FINE), 0)
    draw, c, r = ImageDraw.Draw(picture), side * _FINE / 2, side * _FINE * size
    if kind == 0:
        draw.ellipse([c - r / 2, c - r / 2, c + r / 2, c + r / 2], fill=200)
        tail = [c + 0.3 * r, c, c + 1.3 * r, c - r * (0.2 + bend / 2)]
        draw.line(tail, fill=160, width=int(0.18 * r))
    elif kind == 1:
        rod = [c - 1.1 * r, c - 0.18 * r, c + 1.1 * r, c + 0.18 * r]
        draw.rounded_rectangle(rod, int(0.18 * r), fill=170)
        draw.ellipse([c + 0.7 * r, c - 0.4 * r, c + 1.4 * r, c + 0.4 * r], fill=230)
    else:
        for number, (turn, part) in enumerate(((0.0, 1.0), (2.1, 0.7), (4.0, 0.45))):
            x, y = c + 0.6 * r * np.cos(turn), c + 0.6 * r * np.sin(turn)
            half = 0.45 * part * r + 3
            draw.ellipse([x - half, y - half, x + half, y + half], fill=150 + 30 * number)
    return _placed(picture, side, angle, by)


def _placed(picture: Image.Image, side: int, angle: float, by: tuple[float, float]) -> Pixels:
    moved = (round(by[0] * _FINE), round(by[1] * _FINE))
    turned = picture.rotate(np.degrees(angle), Image.Resampling.BICUBIC, translate=moved)
    small = turned.resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small, np.float64) / 255


def leaves(folder: Path, rng: np.random.Generator) -> Truth:
    """500 photographs of 96 px in colour, their corners dark."""
    y, x = np.mgrid[:96, :96] - 48
    light = 1 - 0.25 * (x**2 + y**2) / 48**2
    colours = np.array([[0.3, 0.6, 0.2], [0.6, 0.3, 0.2], [0.5, 0.5, 0.2]]) * 1.1
    truth = _drawn(rng, 500, 3)
    for number, (kind, angle) in enumerate(truth):
        leaf = shape(int(kind), 96, angle, _shift(rng, 3), 0.25, 0.5)[..., None]
        seen = (0.9 * (1 - leaf) + leaf * colours[int(kind)]) * light[..., None]
        seen += rng.normal(0, 0.03, seen.shape)
        _picture(seen).save(folder / f"{number:04d}.jpg", quality=80)
    return truth


def plankton(folder: Path, rng: np.random.Generator) -> Truth:
    """600 pictures of 72 to 119 px, dark shapes on an uneven bright ground."""
    truth = _drawn(rng, 600, 3)
    for number, (kind, angle) in enumerate(truth):
        side = int(rng.integers(72, 120))
        dark = shape(int(kind), side, angle, _shift(rng, 4), 0.28 * 90 / side, rng.random())
        coarse = Image.fromarray(rng.normal(0, 0.03, (side // 8 + 3,) * 2).astype(np.float32))
        ground = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))
        seen = 0.75 + ground - 0.55 * dark + rng.normal(0, 0.02, dark.shape)
        _picture(seen).save(folder / f"{number:04d}.png")
    return truth


def letters(folder: Path, rng: np.random.Generator) -> Truth:
    """1,500 letters F, R, G, J of 64 px in a NumPy file, values from -0.001 to 0.0015."""
    font, truth, found = ImageFont.load_default(34 * _FINE), _drawn(rng, 1500, 4), []
    for kind, angle in truth:
        picture = Image.new("L", (64 * _FINE, 64 * _FINE), 0)
        middle = (32 * _FINE, 32 * _FINE)
        ImageDraw.Draw(picture).text(middle, "FRGJ"[int(kind)], fill=255, font=font, anchor="mm")
        found.append(_placed(picture, 64, angle, _shift(rng, 3)) * 2.5e-3 - 1e-3)
    np.save(folder / "letters.npy", np.stack(found))
    return truth


def cells(folder: Path, rng: np.random.Generator) -> Truth:
    """1,200 cells of 64 px in a 16-bit TIFF file, with shot noise; hot pixels in each tenth."""
    truth, found = _drawn(rng, 1200, 3), []
    for kind, angle in truth:
        light = shape(int(kind), 64, angle, _shift(rng, 2.5), 0.24, rng.random())
        seen = rng.poisson(20 + 60 * light * rng.uniform(0.6, 1.4)) * 37.0
        seen += rng.normal(400, 60, seen.shape)
        if rng.random() < 0.1:
            seen[tuple(rng.integers(64, size=2))] = 60_000
        found.append(np.clip(seen, 0, 65535).astype(np.uint16))
    tifffile.imwrite(folder / "cells.tif", np.stack(found))
    return truth


def ligand(folder: Path, rng: np.random.Generator) -> Truth:
    """2,000 particles of 64 px in an MRC stack: six spots, in two of five a seventh; SNR 0.1."""
    truth = _drawn(rng, 2000, 2)
    truth[:, 0] = rng.random(len(truth)) < 0.4
    axis, moved = np.arange(64) - 31.5, rng.normal(0, 2, (len(truth), 2))
    clean = np.zeros((len(truth), 64, 64))
    for spot, (x, y) in enumerate(_SPOTS):
        there = truth[:, 0] * 1.2 if spot == len(_SPOTS) - 1 else np.ones(len(truth))
        cos, sin = np.cos(truth[:, 1]), np.sin(truth[:, 1])
        at = 64 * np.stack([cos * x - sin * y, sin * x + cos * y], 1)
        at += moved
        columns = np.exp(-((axis - at[:, :1]) ** 2) / 20.5)
        rows = np.exp(-((axis + at[:, 1:]) ** 2) / 20.5)  # y up, as angles are
        clean += there[:, None, None] * rows[:, :, None] * columns[:, None, :]
    noise = rng.normal(0, np.sqrt(clean.var() / 0.1), clean.shape)
    with mrcfile.new(folder / "particles.mrcs") as file:
        file.set_data((clean + noise).astype(np.float32))
        file.voxel_size = 3.0
    return truth


SETS: dict[str, Callable[[Path, np.random.Generator], Truth]] = {
    "leaves": leaves, "plankton": plankton, "letters": letters, "cells": cells,
    "ligand": ligand,
}  # fmt: skip


def _drawn(rng: np.random.Generator, count: int, kinds: int) -> Truth:
    return np.stack([rng.integers(kinds, size=count), rng.uniform(0, 2 * np.pi, count)], 1)


def _shift(rng: np.random.Generator, deviation: float) -> tuple[float, float]:
    x, y = rng.normal(0, deviation, 2)
    return float(x), float(y)


def _picture(values: Pixels) -> Image.Image:
    return Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8))


def row(name: str, folder: Path) -> str:
    """Make a set, train on it, cluster it; return the row of the table."""
    images, run = folder / name, folder / f"run-{name}"
    if not (folder / f"{name}.npy").exists():
        images.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{name}.npy", SETS[name](images, np.random.default_rng(11)))
    truth = np.load(folder / f"{name}.npy")
    (only, *more) = sorted(images.iterdir())
    if not (run / "embeddings.h5").exists():
        _tvae("train", run, "--data", images if more else only)
    _tvae("cluster", run)
    with EmbeddingStore(run / "embeddings.h5") as store:
        (found,) = load_sidecar(store).labellings.values()
        angle = np.asarray(store.angle_rad, np.float64)
    kinds = truth[:, 0].astype(np.int64)
    off = np.exp(1j * (angle - truth[:, 1]))
    turns = [abs(off[kinds == k].mean()) for k in np.unique(kinds)]
    right = clustering_accuracy(kinds, found.labels)
    spread = ", ".join(f"{turn:.3f}" for turn in turns)
    clusters = len(np.unique(found.labels))
    shown = [name, f"{len(truth):,}", len(turns), clusters, f"{right:.3f}", spread]
    return f"| {' | '.join(map(str, shown))} | {abs(off.mean()):.3f} |"


def _tvae(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "tvae_core.cli.main", *map(str, words)], check=True)


def main() -> None:
    """Print a row of each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    options = parser.parse_args()
    rows = [row(name, options.folder) for name in options.sets]
    print("| set | images | kinds | clusters found | right | mean turn of each kind | of all |")
    print("\n".join(["|---|---|---|---|---|---|---|", *rows]))


if __name__ == "__main__":
    main()
