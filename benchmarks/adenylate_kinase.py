"""Adenylate kinase from closed to open: is the one motion found in noisy projections?

    python benchmarks/adenylate_kinase.py --data ../shared/data/structures --out OUT [--threads 1]

Projects the 98 frames of a closed-to-open path (adk_dims.dcd with adk.psf) along the view that
shows the motion best, turned by U(0, 2 pi) in the plane, moved by N(0, 1.5^2) px, with white noise;
trains z 1, embeds, and prints the rank correlation of z with the true frame. OUT/run opens in the
explorer.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.metrics import rank_correlation, rotation_error, shift_correlation
from tvae_core.engine.training.train import train
from tvae_core.engine.using.embed import embed
from tvae_core.presets import load_preset
from tvae_core.progress import Epoch
from tvae_core.runs.folder import RunFolder
from tvae_core.store import EmbeddingStore
from tvae_core.synthetic.plan import SyntheticSet, plan_of
from tvae_core.synthetic.projection import house_centres_px, project_atoms
from tvae_core.synthetic.write import read_truth, write_set

Array = NDArray[Any]
SIDE, PIXEL_ANGSTROM, SHIFT_STD_PX, SNR = 64, 1.5, 1.5, 0.25
ELECTRONS = {"H": 1, "C": 6, "N": 7, "O": 8, "S": 16}


def main() -> None:
    """Simulate, train, embed and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    folder = given.out / "set"
    if not (folder / "truth.csv").exists():
        simulated = simulate(given.data, given.images, given.seed)
        write_set(plan_of(simulated), folder)
    run = RunFolder(given.out / "run")
    settings = [
        f"data.path={folder / 'particles.star'}", "model.z_dim=1", f"train.seed={given.seed}",
        f"model.shift_prior_std_px={SHIFT_STD_PX}", f"train.epochs={given.epochs}",
        f"train.threads={given.threads}", "train.preview_images=200",
    ]  # fmt: skip
    run.create(load_preset("fast-particles").changed(settings))
    began = time.monotonic()
    for record in train(run, resume=run.begun):
        if isinstance(record, Epoch):
            print(f"pass {record.epoch + 1}: ELBO {record.elbo:.1f}", flush=True)
    for _ in embed(run):
        pass
    print(f"{(time.monotonic() - began) / 60:.1f} minutes on {given.threads} threads")
    print(figures(run, read_truth(folder / "truth.csv")))


def simulate(data: Path, count: int, seed: int) -> SyntheticSet:
    """Return noisy projections of the frames of the path, each frame as often as any other."""
    rng = np.random.default_rng(seed)
    atoms, frames = read_atoms(data / "adk.psf"), read_dcd(data / "adk_dims.dcd")
    frames = frames - frames.mean(axis=1, keepdims=True)
    frame = rng.permutation(np.arange(count) % len(frames))
    angle, shift = rng.uniform(0, 2 * np.pi, count), rng.normal(0, SHIFT_STD_PX, (count, 2))
    shift = shift.clip(-3 * SHIFT_STD_PX, 3 * SHIFT_STD_PX)
    facing = best_view(frames)
    # rows of an array run down: turning the object counter-clockwise as seen turns (x, -y)
    cos, sin, zero = np.cos(angle), np.sin(angle), np.zeros(count)
    turn = np.stack([cos, sin, zero, -sin, cos, zero, zero, zero, zero + 1], 1).reshape(-1, 3, 3)
    clean = project_atoms(
        frames[frame], atoms, turn @ facing, SIDE, PIXEL_ANGSTROM, 2.0,
        house_centres_px(shift, SIDE),
    )  # fmt: skip
    inside = clean[:, SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4]
    noise = rng.normal(0, np.sqrt(inside.var() / SNR), clean.shape)
    images = np.asarray(clean + noise, dtype=np.float32)
    truth = {
        "image": np.arange(count), "angle_rad": angle, "shift_x_px": shift[:, 0],
        "shift_y_px": shift[:, 1], "frame": frame,
    }  # fmt: skip
    return SyntheticSet(images, truth, PIXEL_ANGSTROM)


def best_view(frames: Array) -> Array:
    """Return the rotation (3, 3) that looks along the direction in which atoms move least."""
    moved = frames[-1] - frames[0]
    turned = np.linalg.svd(moved, full_matrices=False)[2]  # rows: most to least motion
    return turned * np.sign(np.linalg.det(turned))


def read_dcd(path: Path) -> Array:
    """Return the positions (frames, atoms, 3), Angstrom, of a CHARMM DCD file.

    The number of frames is taken from the file's size: this file's header claims 500.
    """
    raw = path.read_bytes()
    offset = 0
    for _ in range(2):  # the header and the title
        offset += 8 + int.from_bytes(raw[offset : offset + 4], "little")
    atoms = int.from_bytes(raw[offset + 4 : offset + 8], "little")
    offset += 8 + int.from_bytes(raw[offset : offset + 4], "little")
    record = 4 * atoms + 8
    cell = (
        int.from_bytes(raw[offset : offset + 4], "little") != 4 * atoms
    )  # a unit cell comes first
    size = 3 * record + (56 if cell else 0)
    count = (len(raw) - offset) // size
    frames = np.frombuffer(raw, np.uint8, count * size, offset).reshape(count, size)
    values = frames[:, -3 * record :].reshape(count, 3, record)[:, :, 4:-4]
    return np.ascontiguousarray(values).view("<f4").transpose(0, 2, 1).astype(np.float64)


def read_atoms(path: Path) -> Array:
    """Return the electrons of each atom of a PSF file, (atoms,), by its name's first letter."""
    lines = path.read_text(encoding="ascii").splitlines()
    start = next(number for number, line in enumerate(lines) if "!NATOM" in line)
    count = int(lines[start].split()[0])
    names = [line.split()[4] for line in lines[start + 1 : start + 1 + count]]
    return np.array([ELECTRONS[name[0]] for name in names], dtype=np.float64)


def figures(run: RunFolder, truth: dict[str, Array]) -> dict[str, Any]:
    """Return what was recovered, against the truth."""
    with EmbeddingStore(run.store) as store:
        z, angle, shift = store.z_mean[:, 0], store.angle_rad, store.shift_px
    true = np.stack([truth["shift_x_px"], truth["shift_y_px"]], 1)
    error = rotation_error(truth["angle_rad"], angle)
    means = [z[truth["frame"] == frame].mean() for frame in np.unique(truth["frame"])]
    return {
        "images": len(z),
        "rank correlation of z with the frame": round(abs(rank_correlation(truth["frame"], z)), 4),
        "the same of each frame's mean z": round(
            abs(rank_correlation(np.arange(len(means)), np.array(means))), 4
        ),
        "angle RMSE, degrees": round(error.rmse_deg, 2),
        "shift correlation": [round(value, 4) for value in shift_correlation(true, shift)],
    }


if __name__ == "__main__":
    main()
