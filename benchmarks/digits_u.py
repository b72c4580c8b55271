"""digits-u: does the engine learn content, rotation and shift of turned and moved digits?

1,797 digits of scikit-learn at 16x16 inside 24x24, rotation U(0, 2 pi), shift N(0, 2^2) px cut at
+-4; 1,500 for training, 297 for the figures; P8, z 2, 45 passes, one core.

    python benchmarks/digits_u.py [--seeds 0 1 2] [--set section.name=value ...] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tvae_core.analysis import metrics
from tvae_core.analysis.clustering import cluster
from tvae_core.config import RunConfig
from tvae_core.engine.data import CachedImages
from tvae_core.engine.judging.evaluate import mean_elbo
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.training.train import train
from tvae_core.engine.using.inference import Inferred, infer
from tvae_core.geometry import axis_px, rotation_matrix
from tvae_core.presets import load_preset
from tvae_core.progress import Epoch
from tvae_core.runs.folder import RunFolder
from tvae_core.synthetic import place, plan_set
from tvae_core.synthetic.digits import upright_digits

PLATEAU_ELBO = -125.0
COLUMNS = (
    "seed", "test ELBO", "off plateau", "shift x", "shift y", "centred", "rotation",
    "JS (unreliable)",
    "RMSE deg", "Ward", "wall s", "cpu s", "MB",
)  # fmt: skip


def main() -> None:
    """Train each seed and print a row for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--keep", type=Path, help="keep the runs here")
    arguments = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        for seed in arguments.seeds:
            row = run_seed(folder / f"seed-{seed}", seed, arguments.set)
            print("| " + " | ".join(row) + " |", flush=True)


def run_seed(folder: Path, seed: int, settings: list[str]) -> list[str]:
    """Train one seed; return its row of the table."""
    digits = plan_set("digits-u").whole()
    test = digits.truth["test"]
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "train.npy", digits.images[~test])
    run = RunFolder(folder / "run")
    run.create(config(folder / "train.npy", seed).changed(settings))
    began, cpu = time.monotonic(), time.process_time()
    epochs = [record for record in train(run) if isinstance(record, Epoch)]
    wall, cpu = time.monotonic() - began, time.process_time() - cpu
    off = next((e.step for e in epochs if e.elbo > PLATEAU_ELBO), None)
    figures = evaluate(run, digits.images[test], {k: v[test] for k, v in digits.truth.items()})
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        str(seed),
        f"{figures['elbo']:.1f}",
        "never" if off is None else f"<= {off}",
        f"{figures['shift'][0]:.3f}",
        f"{figures['shift'][1]:.3f}",
        f"{np.mean(figures['centred']):.3f}",
        f"{figures['rotation'].uniform:.3f}",
        f"{figures['rotation'].jammalamadaka:.3f}",
        f"{figures['rmse']:.1f}",
        f"{figures['ward']:.3f}",
        f"{wall:.0f}",
        f"{cpu:.0f}",
        f"{memory:.0f}",
    ]


def config(images: Path, seed: int) -> RunConfig:
    """Return the default preset without a GPU, at this size, with twice its kernels."""
    return load_preset("fast-cpu").changed(
        [
            f"data.path={images}",
            "data.normalise=none",
            "data.validation_share=0",
            "model.kernel_px=17",
            "model.encoder_kernels=96",
            "model.shift_prior_std_px=2.0",
            f"train.seed={seed}",
            "train.epochs=45",
            "train.threads=1",
            "train.preview_images=16",
            "train.checkpoint_minutes=60",
        ]
    )


def evaluate(run: RunFolder, images: np.ndarray, truth: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the figures of section 4 on held-out images (n, H, W)."""
    model = model_from_bytes(run.model.read_bytes())
    found = infer(model, torch.from_numpy(images[:, None]))
    source = truth["source_index"]
    unturned = np.stack([place(upright_digits()[0][i], 0.0, (0.0, 0.0), 24) for i in source])
    reference = infer(model, torch.from_numpy(unturned[:, None].astype(np.float32)))
    turned = (found.angle_rad - reference.angle_rad).numpy()
    shift = np.stack([truth["shift_x_px"], truth["shift_y_px"]], 1)
    clusters = cluster("ward", found.z_mean.numpy(), 10)
    return {
        "elbo": mean_elbo(model, _Images(images), np.arange(len(images)), 100, samples=8)["elbo"],
        "shift": metrics.shift_correlation(shift, found.shift_px.numpy()),
        "centred": metrics.shift_correlation(shift, centred_shift(model, found)),
        "rotation": metrics.circular_correlation(truth["angle_rad"], turned),
        "rmse": _rmse_deg(truth["angle_rad"], turned),
        "ward": metrics.clustering_accuracy(truth["label"], clusters.labels),
    }


def centred_shift(model: Any, found: Inferred) -> np.ndarray:
    """Return shifts measured to the centroid of each decoded object, (n, 2) px."""
    from tvae_core.engine.using.decode import Decoder

    upright = Decoder(model).decode(found.z_mean.numpy())
    weight = np.maximum(upright - np.median(upright, (1, 2), keepdims=True), 0) ** 2
    axis = axis_px(upright.shape[1])
    total = weight.sum((1, 2))
    centre = np.stack([weight.sum(1) @ axis, -(weight.sum(2) @ axis)], 1) / total[:, None]
    turn = rotation_matrix(found.angle_rad.numpy())
    return np.asarray(found.shift_px.numpy() + (turn @ centre[..., None])[..., 0])


def _rmse_deg(true_rad: np.ndarray, found_rad: np.ndarray) -> float:
    difference = np.angle(np.exp(1j * (found_rad - true_rad)))
    return float(np.degrees(np.sqrt(np.mean(difference**2))))


class _Images(CachedImages):
    def __init__(self, images: np.ndarray) -> None:
        self.side, self.channels, self._cache = images.shape[1], 1, images[:, None]
        self.ctf_rows = None


if __name__ == "__main__":
    main()
