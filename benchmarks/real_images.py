"""Train, embed and judge on real images: MNIST(U) with its truth, red blood cells without one.

    python benchmarks/real_images.py mnist-u --data FOLDER --out FOLDER [--epochs 9]
    python benchmarks/real_images.py rbc     --data FOLDER --out FOLDER [--epochs 40]

FOLDER of --data holds `mnist/` and `rbc/`. A run that is there already is only judged again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tvae_core.analysis import metrics
from tvae_core.analysis.clustering import cluster
from tvae_core.cli.main import main as tvae
from tvae_core.engine.data import CachedImages, split_images
from tvae_core.engine.judging.evaluate import mean_elbo
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.using.inference import infer
from tvae_core.figures import montage_figure, plane_figure
from tvae_core.images.prepared import open_prepared
from tvae_core.runs.folder import RunFolder
from tvae_core.store import EmbeddingStore
from tvae_core.synthetic import place
from tvae_core.synthetic.write import read_truth

SETTINGS = {
    "mnist-u": ["--kernel-px", "29", "--shift-prior-std-px", "5"],
    # grey values: Gaussian; slides of different brightness: image; neighbours at the rim: mask
    "rbc": [
        *("--kernel-px", "41", "--shift-prior-std-px", "2", "--mask", "true"),
        *("--likelihood", "gaussian", "--noise-std", "0.4", "--normalise", "image"),
    ],
}


def main() -> None:
    """Train when needed, then judge and picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=list(SETTINGS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()
    out: Path = arguments.out
    images = prepare(arguments.kind, arguments.data, out)
    run = RunFolder(out / "run")
    if not run.store.exists():
        began = time.monotonic()
        words = ["train", str(run.path), "--data", str(images), *SETTINGS[arguments.kind]]
        words += ["--epochs", str(arguments.epochs), "--threads", str(arguments.threads)]
        words += [f"--set={setting}" for setting in arguments.set]
        if tvae(words):
            raise SystemExit(1)
        (out / "minutes.txt").write_text(f"{(time.monotonic() - began) / 60:.1f}")
    truth = read_truth(out / "images" / "truth.csv") if arguments.kind == "mnist-u" else None
    rows = judge(run, truth, arguments.data)
    minutes = out / "minutes.txt"
    rows = {"minutes": minutes.read_text() if minutes.exists() else "?"} | rows
    print("\n".join(f"| {name} | {value} |" for name, value in rows.items()))
    picture(run, out)


def prepare(kind: str, data: Path, out: Path) -> Path:
    """Return the images of a kind, made when needed."""
    if kind == "rbc":
        return data / "rbc" / "rbc_chula_64x64_gray.npz"
    if not (out / "images" / "truth.csv").exists():
        idx = data / "mnist"
        words = ["synth", "mnist-u", str(out / "images"), "--count", "10000"]
        words += ["--images", str(idx / "train-images-idx3-ubyte.gz")]
        tvae([*words, "--labels", str(idx / "train-labels-idx1-ubyte.gz")])
    return out / "images" / "images.npy"


def judge(run: RunFolder, truth: dict[str, np.ndarray] | None, data: Path) -> dict[str, Any]:
    """Return the figures of a run on its validation images."""
    config = run.config()
    model = model_from_bytes(run.model.read_bytes())
    with open_prepared(config.data) as images, EmbeddingStore(run.path) as store:
        held = split_images(len(images), config.data, config.train.seed).validation
        parts = mean_elbo(model, CachedImages(images), held, 50, samples=4)
        rows: dict[str, Any] = {"images held out": f"{len(held):,} of {len(images):,}"}
        rows["ELBO (nats)"] = f"{parts['elbo']:.1f}"
        kl = ("kl_pose", "kl_angle", "kl_shift", "kl_content")
        rows["KL pose, angle, shift, content"] = ", ".join(f"{parts[k]:.2f}" for k in kl)
        labels = truth["label"] if truth is not None else store.labels
        z = store.z_mean
        if labels is not None:
            count = len(np.unique(labels))
            for method in ("ward", "k-means", "gaussian-mixture"):
                found = cluster(method, z[held], count).labels
                accuracy = metrics.clustering_accuracy(labels[held], found)
                rows[f"{method} accuracy, {count} clusters"] = f"{accuracy:.3f}"
        if truth is not None:
            rows |= poses(model, store, truth, held, data)
        rows["rotation peak q(r | y), median"] = f"{np.median(_rotation_peak(store)):.2f}"
    return rows


def _rotation_peak(store: EmbeddingStore) -> np.ndarray:
    return np.asarray(store.column("posterior/rotation").max(1))


def poses(
    model: Any, store: EmbeddingStore, truth: dict[str, np.ndarray], held: np.ndarray, data: Path
) -> dict[str, Any]:
    """Return how well shifts and angles were found, against the unturned digits."""
    from tvae_core.images.opening import open_stack

    with open_stack(data / "mnist" / "train-images-idx3-ubyte.gz") as stack:
        digits = stack.read(truth["source_index"][held]) / 255.0
    unturned = np.stack([place(digit, 0.0, (0.0, 0.0), model.side) for digit in digits])
    tensor = torch.from_numpy(unturned[:, None].astype(np.float32))
    reference = torch.cat([infer(model, part).angle_rad for part in tensor.split(100)]).numpy()
    turned = store.angle_rad[held] - reference
    angle, label = truth["angle_rad"][held], truth["label"][held]
    shift = np.stack([truth["shift_x_px"], truth["shift_y_px"]], 1)[held]
    circular = metrics.circular_correlation(angle, turned)
    error = np.degrees(np.abs(np.angle(np.exp(1j * (turned - angle)))))
    correlation = metrics.shift_correlation(shift, store.shift_px[held])
    by_class = metrics.rotation_error_by_class(angle, store.angle_rad[held], label)
    return {
        "shift correlation x, y": ", ".join(f"{value:.3f}" for value in correlation),
        "rotation correlation (uniform form)": f"{circular.uniform:.3f}",
        "rotation correlation (Jammalamadaka, unreliable here)": f"{circular.jammalamadaka:.3f}",
        "rotation RMSE (deg)": f"{np.sqrt(np.mean(error**2)):.1f}",
        "rotation error, median (deg)": f"{np.median(error):.1f}",
        "RMSE by digit 0..9 after one offset a class (deg)": ", ".join(
            f"{by_class[digit].rmse_deg:.0f}" for digit in sorted(by_class)
        ),
    }


def picture(run: RunFolder, out: Path) -> None:
    """Draw the latent plane and the decoded grid."""
    truth = out / "images" / "truth.csv"
    with EmbeddingStore(run.path) as store:
        labels = read_truth(truth)["label"] if truth.exists() else store.labels
        names = store.label_names or [str(n) for n in range(10)]
        plane = out / "latent_plane.png"
        plane_figure(plane, store.z_mean, labels=labels, names=names, overwrite=True)
        if store.atlas is not None:
            grid = out / "decoded_grid.png"
            montage_figure(grid, store.atlas.images[1::2, 1::2], overwrite=True)


if __name__ == "__main__":
    main()
