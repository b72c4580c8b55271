"""Are the views of a particle, and their order, found without poses? GroEL between top and side.

    python benchmarks/views.py --data FOLDER --out FOLDER [--count 2000] [--snr 0.1] [--z 2 8]

Projects the C-alpha atoms of `structures/1MNF_GroEL.pdb.gz` (D7 symmetry) from directions between
the top, along the seven-fold axis (tilt 0), and the side (tilt 90 degrees), turned in the plane by
any angle, moved by N(0, 1^2) px, in noise, and trains `tvae train RUN --data` as it recommends,
with so many dimensions. Told are how well z tells the tilt, and of views that are not tops the turn
about the axis over one seventh of it: R of the mean of the 15 nearest others in z (of the turn, of
its cosine and sine); and the best rank correlation of a single axis of z with the tilt.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

Values = NDArray[np.float64]
_SIDE, _PIXEL_A, _BLUR_PX = 64, 4.0, 1.2
_FOLD = 7
_NEAR = 15


def main() -> None:
    """Make the images, train and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/views"))
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--z", type=int, nargs="+", default=[2, 8])
    given = parser.parse_args()
    images = made(given)
    for z_dim in given.z:
        print(json.dumps(trained(given, images, z_dim)), flush=True)


def made(given: argparse.Namespace) -> Path:
    """Return the images, written once, with their truth beside them."""
    file: Path = given.out / f"groel-{given.count}-{given.snr}.npz"
    if file.exists():
        return file
    given.out.mkdir(parents=True, exist_ok=True)
    g = np.random.default_rng(0)
    atoms = atoms_of(given.data / "structures" / "1MNF_GroEL.pdb.gz")
    tilt = g.uniform(0, np.pi / 2, given.count)
    about = g.uniform(0, 2 * np.pi, given.count)
    plane = g.uniform(0, 2 * np.pi, given.count)
    shift = g.normal(0, 1.0, (given.count, 2))
    clean = np.stack([
        projected(atoms, *pose) for pose in zip(tilt, about, plane, shift, strict=True)
    ])  # fmt: skip
    noise = float(clean.std()) / np.sqrt(given.snr)
    noisy = (clean + g.normal(0, noise, clean.shape)).astype(np.float32)
    np.savez(file, images=noisy)
    np.savez(file.with_suffix(".truth.npz"), tilt=tilt, about=about, plane=plane, shift=shift)
    return file


def atoms_of(file: Path) -> Values:
    """Return C-alpha atoms (n, 3) A about their middle, the seven-fold axis along z."""
    import gemmi

    model = gemmi.read_structure(str(file))[0]
    chains = [
        np.array([a.pos.tolist() for r in chain for a in r if a.name == "CA"]) for chain in model
    ]
    xyz = np.concatenate([chain for chain in chains if len(chain)])
    xyz = xyz - xyz.mean(0)
    spread, axes = np.linalg.eigh(np.cov(xyz.T))
    odd = int(np.argmax([abs(spread[i] - np.delete(spread, i).mean()) for i in range(3)]))
    order = [i for i in range(3) if i != odd]
    frame = np.stack([axes[:, order[0]], axes[:, order[1]], axes[:, odd]], 1)
    return np.asarray(xyz @ frame)


def projected(atoms: Values, tilt: float, about: float, plane: float, shift: Values) -> Values:
    """Return the projection (side, side) of atoms turned about z, tilted, turned in the plane."""
    x, y, z = atoms.T
    x, y = np.cos(about) * x - np.sin(about) * y, np.sin(about) * x + np.cos(about) * y
    y = np.cos(tilt) * y - np.sin(tilt) * z
    x, y = np.cos(plane) * x - np.sin(plane) * y, np.sin(plane) * x + np.cos(plane) * y
    edges = (np.arange(_SIDE + 1) - _SIDE / 2) * _PIXEL_A
    counts = np.histogram2d(-y - shift[1] * _PIXEL_A, x + shift[0] * _PIXEL_A, (edges, edges))[0]
    return np.asarray(ndimage.gaussian_filter(counts, _BLUR_PX))


def trained(given: argparse.Namespace, images: Path, z_dim: int) -> dict[str, Any]:
    """Train and embed with so many dimensions, and judge z."""
    from tvae_core.store import EmbeddingStore

    run = given.out / f"run-{images.stem}-z{z_dim}"
    if not (run / "embeddings.h5").exists():
        words = ["train", str(run), "--data", str(images), f"--set=model.z_dim={z_dim}"]
        if (run / "config.json").exists():
            words = ["train", str(run), "--resume"]
        tvae = [sys.executable, "-m", "tvae_core.cli.main"]
        subprocess.run([*tvae, *words], check=True, stdout=subprocess.DEVNULL)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    with EmbeddingStore(run / "embeddings.h5") as store:
        z = np.asarray(store.z_mean[:], np.float64)
        std = np.asarray(store.column("content/std")[:])
    with np.load(images.with_suffix(".truth.npz")) as truth:
        tilt, about = truth["tilt"], truth["about"] * _FOLD
    used = std.mean(0) < 0.95
    sides = tilt > np.pi / 6
    turns = [correlation(told(z[sides][:, used], f(about[sides])), f(about[sides]))
             for f in (np.cos, np.sin)] if used.any() else [0.0]  # fmt: skip
    return {
        "z": z_dim, "used": int(used.sum()), "cpu_s": round(spent.ru_utime + spent.ru_stime),
        "tilt": round(correlation(told(z[:, used], tilt), tilt), 3) if used.any() else 0.0,
        "tilt_rank_of_best_axis": round(best_rank(z, tilt), 3),
        "turn_about_axis": round(float(np.mean(turns)), 3),
    }  # fmt: skip


def told(z: Values, factor: Values) -> Values:
    """Return the mean of a factor (n,) over each image's nearest others in z (n, D)."""
    near = KDTree(z).query(z, _NEAR + 1)[1][:, 1:]
    return np.asarray(factor[near].mean(1))


def correlation(found: Values, true: Values) -> float:
    """Return the correlation."""
    return float(np.corrcoef(found, true)[0, 1])


def best_rank(z: Values, factor: Values) -> float:
    """Return the highest rank correlation of an axis of z with a factor."""
    from scipy.stats import spearmanr

    return max(abs(float(spearmanr(axis, factor)[0])) for axis in z.T)


if __name__ == "__main__":
    main()
