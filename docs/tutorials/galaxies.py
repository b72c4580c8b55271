"""Tutorial: galaxies in colour, from Python.

python docs/tutorials/galaxies.py OUT [--data galaxies.npz] [--quick]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from common import run, sheet
from numpy.typing import NDArray

import tvae_core as tvae

QUICK = {"epochs": 1, "encoder_kernels": 8, "generator_hidden": 16, "atlas_nodes": 4}


def main(out: Path, pictures: Path, data: Path | None, quick: bool) -> None:
    """Go from an array to a table, neighbours and decoded galaxies."""
    images: Any = draw_galaxies(40 if quick else 900) if data is None else data
    settings: dict[str, Any] = QUICK if quick else {"epochs": 6}
    print(tvae.recommend(images))
    run = tvae.fit(
        images,  # (N, H, W, 3)
        out / "run",
        progress=lambda share, words: print(f"{words} {share:.0%}"),
        **settings,
    )
    store = run.store
    table = store.to_dataframe()
    print(table[["z1", "z2", "angle_rad", "reconstruction_error"]].describe())
    spread = store.z.std(axis=0)
    queries = range(5)
    near = [np.argsort((((store.z - store.z[q]) / spread) ** 2).sum(1))[:8] for q in queries]
    sheet(pictures / "galaxies-neighbours.png", store.images[np.concatenate(near)], 8)
    start, end = store.z[near[0][0]], store.z[near[-1][0]]
    way = [start + share * (end - start) for share in np.linspace(0, 1, 10)]
    path = store.decode(way)
    turned = store.decode(start, angle_rad=np.pi / 3)
    sheet(pictures / "galaxies-path.png", np.stack([*path[:-1], turned]), 10)
    some = np.linspace(0, len(store) - 1, 20).astype(int)
    sheet(pictures / "galaxies-images.png", store.images[some], 10)
    upright = store.file.thumbnails("upright", some).astype(np.float32)
    sheet(pictures / "galaxies-upright.png", upright, 10)
    store.close()


def draw_galaxies(count: int) -> NDArray[np.uint8]:
    """Return galaxies (count, 64, 64, 3): spirals, ellipticals and discs seen from the edge."""
    rng = np.random.default_rng(7)
    return np.stack([galaxy(("spiral", "elliptical", "edge")[n % 3], rng) for n in range(count)])


def galaxy(kind: str, rng: np.random.Generator, side: int = 64) -> NDArray[np.uint8]:
    """Return one galaxy: a red bulge, a blue disc or arms, sky noise."""
    turn, (dx, dy) = rng.uniform(0, 2 * np.pi), rng.normal(0, 1.5, 2)
    axis = np.arange(side) - (side - 1) / 2
    x, y = np.meshgrid(axis - dx, axis - dy)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    flat = {"spiral": rng.uniform(0.6, 1), "elliptical": rng.uniform(0.55, 0.95), "edge": 0.2}[kind]
    radius, angle = np.hypot(u, v / flat), np.arctan2(v / flat, u)
    size = rng.uniform(8, 11)
    disc = np.exp(-radius / size) * (kind != "elliptical")
    if kind == "spiral":
        arms = 0.5 + 0.5 * np.cos(2 * (angle - rng.uniform(2.6, 3.6) * np.log1p(radius / 4)))
        disc = 1.4 * disc * (0.15 + arms**2)
    wide = {"spiral": 2.5, "elliptical": rng.uniform(5, 8), "edge": 3.0}[kind]
    bulge = np.exp(-((np.hypot(u, v / max(flat, 0.5)) / wide) ** 1.2))
    colours = bulge[..., None] * [1.0, 0.8, 0.5] + disc[..., None] * [0.35, 0.5, 0.8]
    seen = 0.05 + 0.85 * colours + rng.normal(0, 0.02, (side, side, 3))
    return np.round(255 * np.clip(seen, 0, 1)).astype(np.uint8)


if __name__ == "__main__":
    run("Galaxies in colour, from Python.", main)
