"""Tutorial: particles from RELION and back.

python docs/tutorials/particles.py OUT [--data particles.star] [--quick]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from common import QUICK, along, run, sheet, tvae

import tvae_core as tvae_py
from tvae_core.images.opening import open_stack
from tvae_core.particles import read_table


def main(out: Path, pictures: Path, data: Path | None, quick: bool) -> None:
    """Go from a particle table to a table of one class."""
    if data is None:
        count = 80 if quick else 1500
        tvae("synth", "hinge", out / "particles", "--count", count, "--side", 96, "--snr", 0.5)
        data = out / "particles" / "particles.star"
    tvae("info", data)
    tvae("look", data)
    fewer = QUICK if quick else ["--epochs", 9]
    tvae("train", out / "run", "--data", data, *fewer)
    tvae("cluster", out / "run", "--method", "k-means", "--count", 3)
    tvae("export", out / "run", pictures / "particles-plane.png", "--colour", "cluster")
    tvae("average", out / "run", out / "classes.mrcs", "--labels", "k-means")
    tvae("export", out / "run", out / "class-1.star", "--cluster", 1, "--rest", out / "others.star")
    tvae("export", out / "run", out / "posed.star", "--with-pose")
    whole, chosen = read_table(data), read_table(out / "class-1.star")
    print(f"class 1: {len(chosen):,} of {len(whole):,} particles, every column kept")
    draw(out, pictures)


def draw(out: Path, pictures: Path) -> None:
    """Make the pictures of the page."""
    with tvae_py.open_store(out / "run") as store:
        some = np.linspace(0, len(store) - 1, 10).astype(int)
        sheet(pictures / "particles-images.png", store.images[some], 10, shown_px=96)
        path = store.decode(along(store.z, 10), size_px=80)
        sheet(pictures / "particles-decoded.png", path, 10, shown_px=80)
    with open_stack(out / "classes.mrcs") as stack:
        averages = stack.read(np.arange(len(stack)))
    sheet(pictures / "particles-averages.png", averages, len(averages), shown_px=192)


if __name__ == "__main__":
    run("Particles from RELION and back.", main)
