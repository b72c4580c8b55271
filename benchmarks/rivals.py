"""What plain methods make of the same images: the table of docs/results/rivals.md.

    python benchmarks/rivals.py --data FOLDER [--sets ...] [--seeds 0 1 2] [--jobs N] [--out FOLDER]

Three rivals, in numpy, none of which trains a network:

* EM + PCA: 2-D classification into one class, then the principal components of its upright images;
* EM of K classes, where the set has labels;
* EM of pose and linear content together (`tvae_core.analysis.linear_content`);

and for the simulated sets the bound: PCA with the true pose, and the posterior mean when the object
itself is known. A row is a process of its own on one thread; rows that are done are not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from tvae_core.analysis.classification import Search, classify, principal_parts
from tvae_core.analysis.clustering import cluster
from tvae_core.analysis.fourier_grid import PoseGrid, Spectra, normalised
from tvae_core.analysis.linear_content import linear_content
from tvae_core.analysis.metrics import clustering_accuracy, shift_correlation
from tvae_core.files import write_text
from tvae_core.images.opening import open_stack
from tvae_core.synthetic import hinge, plan_set
from tvae_core.synthetic.blobs import ParticleStates, project

Truth = dict[str, NDArray[Any]]
Figures = dict[str, float]
_RADIUS_OF_SIDE = 0.32  # of a hinge, as `tvae_core.synthetic.hinge` draws it
_BOUND_IMAGES = 1000


@dataclass(frozen=True)
class RivalSet:
    """Images, what is known of them, and the grid they are searched on."""

    images: NDArray[np.float32]
    truth: Truth
    search: Search
    classes: int = 1
    components: int = 4


def hinges(snr: float, _: Path, seed: int) -> RivalSet:
    """Return 5,000 hinges of 48 px without CTF."""
    plan = plan_set("hinge", count=5000, side=48, snr=snr, ctf=False, seed=seed)
    images = plan.render(np.arange(5000)).astype(np.float32)
    return RivalSet(images - images.mean(), plan.truth, Search(shift_limit_px=6, seed=seed))


def digits(_: Path, seed: int) -> RivalSet:
    """Return the 1,797 digits of scikit-learn, turned and moved."""
    plan = plan_set("digits-u", seed=seed)
    images = plan.render(np.arange(plan.count)).astype(np.float32) / 255
    return RivalSet(images, plan.truth, Search(shift_limit_px=4, seed=seed), 10, 8)


def mnist(data: Path, seed: int) -> RivalSet:
    """Return 4,000 digits of MNIST(U) in 34 px."""
    where = {"images": data / "mnist" / "train-images-idx3-ubyte.gz",
             "labels": data / "mnist" / "train-labels-idx1-ubyte.gz"}  # fmt: skip
    plan = plan_set("mnist-u", count=4000, side=34, shift_std=2.5, seed=seed, **where)
    images = plan.render(np.arange(4000)).astype(np.float32) / 255
    return RivalSet(images, plan.truth, Search(shift_limit_px=6, seed=seed), 10, 8)


def cells(data: Path, seed: int) -> RivalSet:
    """Return the red blood cells, 64 reduced to 32 px."""
    with open_stack(data / "rbc" / "rbc_chula_64x64_gray.npz") as stack:
        images = stack.read(np.arange(len(stack)))
        labels = np.asarray(stack.labels)
    return RivalSet(_halved(images), {"label": labels}, Search(shift_limit_px=2, seed=seed), 8, 8)


def galaxies(data: Path, seed: int) -> RivalSet:
    """Return the galaxies in grey, 64 reduced to 32 px."""
    with np.load(data / "galaxy" / "galaxy_zoo_1400_64x64x3.npz", allow_pickle=False) as arrays:
        images, labels = arrays["images"].mean(-1), arrays["spiral"].astype(np.int64)
    return RivalSet(_halved(images), {"label": labels}, Search(shift_limit_px=2, seed=seed), 2, 8)


def _halved(images: NDArray[Any]) -> NDArray[np.float32]:
    """Return images of half the side, their background at 0, their deviation 1."""
    n, side, _ = images.shape
    small = images.astype(np.float32).reshape(n, side // 2, 2, side // 2, 2).mean((2, 4))
    edge = np.concatenate(
        [small[:, [0, -1]].reshape(n, -1), small[:, :, [0, -1]].reshape(n, -1)], 1
    )
    small -= np.median(edge, axis=1)[:, None, None]
    result: NDArray[np.float32] = small / small.std()
    return result


SETS = {f"hinge-{snr}": partial(hinges, snr) for snr in (0.02, 0.05, 0.1, 0.2)} | {
    "digits-u": digits,
    "mnist-u": mnist,
    "cells": cells,
    "galaxies": galaxies,
}
RIVALS = ("em-pca", "em-classes", "em-linear", "true-pose-pca", "object-known")


def run_row(name: str, rival: str, seed: int, data: Path) -> Figures | None:
    """Return the figures of a rival on a set, or nothing where it has no meaning."""
    page = SETS[name](data, seed)
    posed = "angle_rad" in page.truth
    if rival in RIVALS[3:] and "hinge_rad" not in page.truth:
        return None
    if rival == "em-classes" and page.classes == 1:
        return None
    began = time.process_time()
    found = _found(rival, page)
    figures: Figures = {"cpu_s": time.process_time() - began}
    content = found.get("content")
    if content is not None and "hinge_rad" in page.truth:
        truth = page.truth["hinge_rad"][: len(content)]
        figures["rank"] = max(abs(float(spearmanr(one, truth)[0])) for one in content.T)
    if content is not None and page.classes > 1:
        for method in ("ward", "k-means", "gaussian-mixture"):
            labels = cluster(method, content, page.classes, seed=page.search.seed).labels
            figures[method] = clustering_accuracy(page.truth["label"], labels)
    if "label" in found:
        figures["classes"] = clustering_accuracy(page.truth["label"], found["label"])
    if posed and "angle" in found:
        figures |= _pose_figures(page, found)
    return figures


def _found(rival: str, page: RivalSet) -> dict[str, NDArray[Any]]:
    if rival == "em-linear":
        linear = linear_content(page.images, page.components, page.search)
        return {"angle": linear.angle_rad, "shift": linear.shift_px, "content": linear.score}
    if rival == "object-known":
        return _known_object(page)
    if rival == "true-pose-pca":
        angle = page.truth["angle_rad"]
        shift = np.stack([page.truth["shift_x_px"], page.truth["shift_y_px"]], 1)
        return {"content": principal_parts(page.images, angle, shift, page.components)[0]}
    classes = page.classes if rival == "em-classes" else 1
    search = Search(classes, page.search.turns, page.search.shift_limit_px, seed=page.search.seed)
    em = classify(page.images, search)
    pose = {"angle": em.angle_rad, "shift": em.shift_px}
    if rival == "em-classes":
        return pose | {"label": em.label}
    scores = principal_parts(page.images, em.angle_rad, em.shift_px, page.components)[0]
    return pose | {"content": scores}


def _known_object(page: RivalSet) -> dict[str, NDArray[Any]]:
    """Return the posterior means of hinge and angle, the simulated object and its noise known."""
    n, side = min(_BOUND_IMAGES, len(page.images)), page.images.shape[1]
    hinges_rad, turns = np.deg2rad(np.linspace(-35, 35, 21)), 60
    truth = {key: value[:n] for key, value in page.truth.items()}
    shift = np.stack([truth["shift_x_px"], truth["shift_y_px"]], 1)
    true = ParticleStates(truth["hinge_rad"][:, None], np.zeros((n, 2)), truth["angle_rad"], shift)
    clean = project(hinge.HINGED, true, side, _RADIUS_OF_SIDE * side)
    images = page.images[:n] - page.images[:n].mean() + clean.mean()
    noise = float((images - clean).std())
    data = Spectra.of(images / noise, 0.9)
    grid = PoseGrid.of(data, turns, page.search.shift_limit_px)
    logs = []
    for one in hinges_rad:
        poses = ParticleStates(
            np.full((turns, 1), one), np.zeros((turns, 2)), grid.angles, np.zeros((turns, 2))
        )
        drawn = data.of_references(
            project(hinge.HINGED, poses, side, _RADIUS_OF_SIDE * side) / noise
        )
        score = (data.rows @ grid.columns(drawn[None]).T).reshape(n * turns, -1)
        evidence, _ = normalised((score + grid.log_prior(2.0)).astype(np.float32))
        logs.append(evidence.reshape(n, turns) - (np.abs(drawn) ** 2).sum(1) / 2)
    _, weight = normalised(np.stack(logs, 1).astype(np.float32))  # (n, hinges, turns)
    angle = np.angle(weight.sum(1) @ np.exp(1j * grid.angles))
    return {"angle": angle, "content": (weight.sum(2) @ hinges_rad)[:, None]}


def _pose_figures(page: RivalSet, found: dict[str, NDArray[Any]]) -> Figures:
    angle = found["angle"]
    off = angle - page.truth["angle_rad"][: len(angle)]
    off -= np.angle(np.exp(1j * off).mean())
    figures = {"median_angle_deg": float(np.rad2deg(np.median(np.abs(np.angle(np.exp(1j * off))))))}
    if "shift" in found:
        true = np.stack([page.truth["shift_x_px"], page.truth["shift_y_px"]], 1)
        figures["shift"] = float(np.mean(shift_correlation(true, found["shift"])))
    return figures


def main() -> None:
    """Run what is missing, `--jobs` at a time, and print the table."""
    given = _arguments()
    if given.row:
        name, rival, seed = given.row.split("/")
        print(json.dumps(run_row(name, rival, int(seed), given.data)))
        return
    rows = [(s, r, seed) for seed in given.seeds for s in given.sets for r in RIVALS]
    with ThreadPoolExecutor(given.jobs) as pool:
        list(pool.map(lambda row: _child(row, given), rows))
    print(table(given))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/rivals"))
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--row", help=argparse.SUPPRESS)
    return parser.parse_args()


def _file(row: tuple[str, str, int], out: Path) -> Path:
    return out / f"{row[0]}-{row[1]}-{row[2]}.json"


def _child(row: tuple[str, str, int], given: argparse.Namespace) -> None:
    if _file(row, given.out).exists():
        return
    words = [sys.executable, __file__, "--row", "/".join(map(str, row)), "--data", str(given.data)]
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(words, env=os.environ | one, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{row}: {done.stderr[-400:]}", file=sys.stderr, flush=True)
        return
    given.out.mkdir(parents=True, exist_ok=True)
    write_text(_file(row, given.out), done.stdout)


def table(given: argparse.Namespace) -> str:
    """Return the table as Markdown: mean over the seeds, and the spread where there are several."""
    keys = ("rank", "median_angle_deg", "shift", "classes", "ward", "k-means", "gaussian-mixture",
            "cpu_s")  # fmt: skip
    lines = [f"| set | rival | seeds | {' | '.join(keys)} |", "|" + "---|" * (len(keys) + 3)]
    for name in given.sets:
        for rival in RIVALS:
            files = [_file((name, rival, seed), given.out) for seed in given.seeds]
            found = [json.loads(file.read_text()) for file in files if file.exists()]
            rows = [figures for figures in found if figures]
            if rows:
                cells = [_cell([row[key] for row in rows if key in row], key) for key in keys]
                lines.append(f"| {name} | {rival} | {len(rows)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: list[float], key: str) -> str:
    if not values:
        return ""
    digits = 0 if key == "cpu_s" else 1 if key.endswith("deg") else 3
    spread = f" ± {np.std(values):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"


if __name__ == "__main__":
    main()
