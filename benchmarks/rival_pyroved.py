"""pyroVED's VAE with rotation and translation on the sets of `rivals.py`, as one more row.

    python -m pip install --no-deps --target FOLDER pyroved pyro-ppl pyro-api opt_einsum
    PYTHONPATH=FOLDER python benchmarks/rival_pyroved.py --sets digits-u hinge-0.05 [--epochs 100]

pyroVED (0.3; Ziatdinov et al. 2021) is not a dependency of this project. Its `iVAE` infers angle,
shift and content by one fully-connected encoder; here with its own widths, ELBO and Adam, z 2
(digits) or 1, images scaled to 0..1 for its Bernoulli likelihood, or its Gaussian one for hinges.
torchvision, which only its plots ask for, is stood in for.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rivals import SETS
from scipy.stats import spearmanr

from tvae_core.analysis.clustering import cluster
from tvae_core.analysis.metrics import clustering_accuracy


def main() -> None:
    """Train on each set and print a line of figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=["digits-u"])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name in given.sets:
        print(name, json.dumps(figures(name, given)), flush=True)


def figures(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Return what pyroVED finds in a set."""
    pyroved = _pyroved()
    page = SETS[name](given.data, given.seed)
    images = torch.from_numpy(page.images)
    noisy = "hinge_rad" in page.truth
    if not noisy:
        images = (images - images.min()) / (images.max() - images.min())
    began = time.process_time()
    model = pyroved.models.iVAE(
        tuple(images.shape[1:]), latent_dim=1 if noisy else 2, invariances=["r", "t"],
        sampler_d="gaussian" if noisy else "bernoulli", seed=given.seed, device="cpu",
    )  # fmt: skip
    trainer = pyroved.trainers.SVItrainer(model, seed=given.seed, device="cpu")
    loader = pyroved.utils.init_dataloader(images.unsqueeze(1), batch_size=100)
    for _ in range(given.epochs):
        trainer.step(loader)
    mean, _ = model.encode(images)
    mean = mean.detach().numpy()
    angle, shift, z = mean[:, 0], mean[:, 1:3], mean[:, 3:]
    found: dict[str, Any] = {"epochs": given.epochs, "cpu_s": round(time.process_time() - began)}
    if noisy:
        ranks = [abs(float(spearmanr(one, page.truth["hinge_rad"])[0])) for one in z.T]
        found["rank"] = round(max(ranks), 3)
    else:
        for method in ("ward", "k-means"):
            labels = cluster(method, z, page.classes, seed=given.seed).labels
            found[method] = round(float(clustering_accuracy(page.truth["label"], labels)), 3)
    found["angle_deg"] = round(_angle_error(angle, page.truth["angle_rad"]), 1)
    found["shift"] = round(_shift(shift, page.truth), 3)
    return found


def _angle_error(found: np.ndarray, true: np.ndarray) -> float:
    """Return the median error in degrees, of the better sense of turning, one offset taken off."""
    errors = []
    for sense in (1, -1):
        off = np.exp(1j * (sense * found - true))
        off = off * np.conj(off.mean() / abs(off.mean()))
        errors.append(float(np.median(np.abs(np.angle(off)))))
    return float(np.degrees(min(errors)))


def _shift(found: np.ndarray, truth: dict[str, Any]) -> float:
    """Return the best correlation along an axis, whatever the sign and order of its axes."""
    true = (truth["shift_x_px"], truth["shift_y_px"])
    each = np.abs([[np.corrcoef(f, t)[0, 1] for t in true] for f in found.T])
    return float(max(np.trace(each), np.trace(each[:, ::-1])) / 2)


def _pyroved() -> Any:
    stand_in = types.ModuleType("torchvision")
    utils = types.ModuleType("torchvision.utils")
    utils.make_grid = None  # type: ignore[attr-defined]
    sys.modules.setdefault("torchvision", stand_in)
    sys.modules.setdefault("torchvision.utils", utils)
    import pyroved

    return pyroved


if __name__ == "__main__":
    main()
