"""Thirty small runs, good and collapsed on purpose: how many verdicts are right?

    python benchmarks/verdicts.py --out FOLDER [--minutes M]

What each run learned is told from the truth of its images alone: content where the true factor of
an image is read off a draw of its z by nearest neighbours (R2 above 0.1), pose where true shifts
(correlation above 0.5) or angles (length of the mean error above 0.3) are. The verdict
sees no truth. Rows lie under `--out`; what was trained is not trained again, and is judged anew,
by the thresholds as they are. Each takes about ten seconds of one core.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tvae_core.config import RunConfig
from tvae_core.files import write_text

Images = NDArray[np.float32]
SIDE = 24
COUNT = 400


@dataclass(frozen=True)
class Made:
    """Images (N, 24, 24), the factor of their content (N,), angle (N,) and shift (N, 2)."""

    images: Images
    factor: NDArray[np.float64]
    angle_rad: NDArray[np.float64]
    shift_px: NDArray[np.float64]


def shapes(
    count: int = COUNT,
    turned: bool = True,
    moved: bool = True,
    varied: bool = True,
    noise: float = 0.0,
    seed: int = 0,
) -> Made:
    """Return arrows whose head is more or less wide: the factor, 0 to 1."""
    g = np.random.default_rng(seed)
    factor = g.uniform(0, 1, count) if varied else np.full(count, 0.5)
    angle = g.uniform(-np.pi, np.pi, count) if turned else np.zeros(count)
    shift = g.normal(0, 1.5, (count, 2)) if moved else np.zeros((count, 2))
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    images = np.zeros((count, SIDE, SIDE), np.float32)
    for number in range(count):
        x = axis[None] - shift[number, 0]
        y = -axis[:, None] - shift[number, 1]  # up
        along = np.cos(angle[number]) * x + np.sin(angle[number]) * y
        across = np.cos(angle[number]) * y - np.sin(angle[number]) * x
        shaft = _edge(7 - np.abs(along)) * _edge(1.5 - np.abs(across))
        width = 1.5 + 5 * factor[number]
        head = _edge(2.2 - np.abs(along - 4.8)) * _edge(width - np.abs(across))
        images[number] = np.maximum(shaft, head)
    images += g.normal(0, noise, images.shape) if noise else 0
    return Made(images.astype(np.float32), factor, angle, shift)


def _edge(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(depth + 0.5, 0, 1)


def noise_alone(seed: int = 0) -> Made:
    """Return white noise: nothing can be learned."""
    g = np.random.default_rng(seed)
    images = g.normal(0, 1, (COUNT, SIDE, SIDE)).astype(np.float32)
    zeros = np.zeros(COUNT)
    return Made(images, g.uniform(0, 1, COUNT), zeros, np.zeros((COUNT, 2)))


def smooth_noise(seed: int = 0) -> Made:
    """Return noise that is smooth over 2 px: nothing in common, though pixels agree."""
    from scipy import ndimage

    made = noise_alone(seed)
    images = ndimage.gaussian_filter(made.images, (0, 1.2, 1.2)) * 4
    return Made(images.astype(np.float32), made.factor, made.angle_rad, made.shift_px)


SMALL = (
    "model.encoder_kernels=12", "model.generator_hidden=48", "model.fourier_features=48",
    "model.fourier_scale_px=2.5", "model.activation=silu", "model.kernel_px=17",
    "model.rotation_mixing=1", "model.shift_prior_std_px=1.5", "model.shift_limit_sigmas=2.5",
    "train.batch_size=20", "train.optimizer=muon", "train.learning_rate=3e-3",
    "train.matrix_rate=0.01", "train.schedule=cosine", "train.warmup_steps=20",
    "train.stop_epochs=0", "train.sampler=cells", "train.samples=4", "train.pixel_share=0.25",
    "train.weight_average=0.99", "train.content_warmup=0.25", "train.clip_gradient=100",
    "train.preview_images=16", "train.threads=1", "train.epochs=12", "embed.thumbnail_px=0",
    "embed.atlas_nodes=0",
)  # fmt: skip
CLEAN = ("data.normalise=none", "model.likelihood=bernoulli")
GREY = ("data.normalise=none", "model.likelihood=gaussian", "model.noise_std=0.2")
NOISY = ("data.normalise=image", "model.likelihood=gaussian", "model.noise_std=0.9")


@dataclass(frozen=True)
class Trial:
    """A run: its images, its settings, and what it is meant to end as, in words."""

    name: str
    about: str
    make: Callable[[], Made]
    settings: tuple[str, ...]


def _trials() -> list[Trial]:
    made: list[Trial] = []

    def add(name: str, about: str, make: Callable[[], Made], *settings: str) -> None:
        made.append(Trial(name, about, make, settings))

    for seed in (0, 1, 2):
        add(f"clean-{seed}", "clean arrows", lambda s=seed: shapes(seed=s), *CLEAN)
        add(f"grey-{seed}", "Gaussian likelihood", lambda s=seed: shapes(seed=s), *GREY)
        add(f"noisy-{seed}", "noise of 0.6", lambda s=seed: shapes(noise=0.6, seed=s), *NOISY)
        add(f"noise-{seed}", "white noise alone", lambda s=seed: noise_alone(s), *NOISY)
    add("smooth-noise", "smooth noise alone", smooth_noise, *NOISY)
    add("smooth-noise-1", "smooth noise alone", lambda: smooth_noise(1), *NOISY)
    add(
        "noise-narrow",
        "white noise, too small a deviation",
        noise_alone,
        *NOISY,
        "model.noise_std=0.3",
    )
    add("one-shape", "one arrow, turned and moved", lambda: shapes(varied=False), *CLEAN)
    add(
        "one-shape-noisy",
        "one arrow in noise of 0.6",
        lambda: shapes(varied=False, noise=0.6),
        *NOISY,
    )
    add("still", "arrows that all stand alike", lambda: shapes(turned=False, moved=False), *CLEAN)
    add("moved-only", "arrows moved, not turned", lambda: shapes(turned=False), *CLEAN)
    for beta in (20, 60):
        add(f"beta-{beta}", f"beta {beta}: content given up", shapes, *GREY, f"model.beta={beta}")
    add("beta-clean", "beta 60 on clean arrows", shapes, *CLEAN, "model.beta=60")
    add(
        "slow",
        "a learning rate of 1e-7",
        shapes,
        *CLEAN,
        "train.learning_rate=1e-7",
        "train.optimizer=adam",
        "train.weight_average=0",
    )
    add("vague", "a deviation of 10 for values of 0 to 1", shapes, *GREY, "model.noise_std=10")
    add("one-epoch", "one pass", shapes, *CLEAN, "train.epochs=1")
    add("buried", "noise of 4", lambda: shapes(noise=4.0), *NOISY)
    add("ten", "ten images", lambda: shapes(count=10), *CLEAN)
    add("ten-noise", "ten images of noise", lambda: _first(noise_alone(), 10), *NOISY)
    add("no-rotation", "one kernel, not turned", shapes, *CLEAN, "model.rotations=1")
    add("z-1", "z of one dimension", shapes, *CLEAN, "model.z_dim=1")
    add("z-8", "z of eight dimensions", shapes, *CLEAN, "model.z_dim=8")
    return made


def _first(made: Made, count: int) -> Made:
    return Made(*(value[:count] for value in vars(made).values()))


def train_trial(trial: Trial, folder: Path) -> None:
    """Train, where that is not done."""
    from tvae_core.engine.training.train import train
    from tvae_core.runs.folder import RunFolder

    began = time.process_time()
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", trial.make().images)
    run = RunFolder(folder / "run")
    settings = [*SMALL, *trial.settings, f"data.path={folder / 'images.npy'}"]
    if not run.config_file.exists():
        run.create(RunConfig().changed(settings))
    list(train(run, resume=run.begun))
    write_text(folder / "cpu_s.json", json.dumps(round(time.process_time() - began, 1)))


def judge_trial(trial: Trial, folder: Path) -> dict[str, Any]:
    """Return what the truth says of a run, and the verdict as it is now."""
    from tvae_core.analysis.verdict import verdict
    from tvae_core.engine.data import CachedImages, split_images
    from tvae_core.engine.judging.learned import learning_figures
    from tvae_core.engine.model.checkpoint import model_from_bytes
    from tvae_core.engine.using.inference import infer
    from tvae_core.images.prepared import open_prepared

    made, file = trial.make(), folder / "run" / "model.safetensors"
    model = model_from_bytes(file.read_bytes())
    settings = [*SMALL, *trial.settings, f"data.path={folder / 'images.npy'}"]
    config = RunConfig().changed(settings)
    with open_prepared(config.data) as images:
        split = split_images(len(images), config.data, config.train.seed)
        held_out = split.validation
        if len(held_out) < 8:
            held_out = np.concatenate([held_out, split.train])
        figures = learning_figures(model, CachedImages(images), held_out, len(split.train), True)
        found = infer(model, torch.from_numpy(images.read(np.arange(len(images)))), 0.0)
    noise = torch.randn(found.z_mean.shape, generator=torch.Generator().manual_seed(0))
    parts = (found.z_mean + found.z_std * noise, found.angle_rad, found.shift_px)
    content, pose = truths(made, *(part.numpy() for part in parts))
    truth = {(True, True): "all", (True, False): "content", (False, True): "pose",
             (False, False): "nothing"}[content, pose]  # fmt: skip
    said = verdict(figures)
    return {
        "name": trial.name, "about": trial.about, "truth": truth, "verdict": said.learned,
        "words": said.words, "figures": vars(figures),
        "cpu_s": json.loads((folder / "cpu_s.json").read_text()),
    }  # fmt: skip


def truths(made: Made, z: Images, angle: Images, shift: Images) -> tuple[bool, bool]:
    """Return whether z tells the true factor, and poses the true poses (paper, A.3)."""
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsRegressor

    from tvae_core.analysis.metrics import shift_correlation

    if len(made.images) < 30:
        return False, False
    content = False
    if np.ptp(made.factor) > 0:
        near = KNeighborsRegressor(10)
        content = float(cross_val_score(near, z, made.factor, cv=5, scoring="r2").mean()) > 0.1
    turns = np.ptp(made.angle_rad) > 0
    moves = np.ptp(made.shift_px) > 0
    away = np.exp(1j * (angle - made.angle_rad))
    pose = bool(turns and abs(away.mean()) > 0.3)
    if moves:
        pose = pose or min(shift_correlation(made.shift_px, shift)) > 0.5
    return content, pose


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/verdicts"))
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no run after these")
    parser.add_argument("--only", nargs="+", default=[])
    given = parser.parse_args()
    ends = time.monotonic() + 60 * given.minutes
    for trial in _trials():
        folder = given.out / trial.name
        wanted = not given.only or trial.name in given.only
        if wanted and not (folder / "cpu_s.json").exists() and time.monotonic() < ends:
            train_trial(trial, folder)
        if wanted and (folder / "cpu_s.json").exists():
            row = judge_trial(trial, folder)
            write_text(folder / "row.json", json.dumps(row))
            print(f"{row['name']}: {row['truth']} / {row['verdict']} {row['words']}", flush=True)
    write_text(given.out / "verdicts.md", page(given.out))


def page(out: Path) -> str:
    """Return the table of what is done, as docs/results/verdicts.md holds it."""
    rows = [json.loads((out / t.name / "row.json").read_text()) for t in _trials()
            if (out / t.name / "row.json").exists()]  # fmt: skip
    right = sum(row["truth"] == row["verdict"] for row in rows)
    seconds = sum(row["cpu_s"] for row in rows)
    lines = [
        "| run | images and settings | the truth says | the verdict | its figures | CPU s |",
        "|---|---|---|---|---|---|",
        *(
            f"| {r['name']} | {r['about']} | {r['truth']} | "
            f"{'' if r['truth'] == r['verdict'] else '**'}{r['verdict']}"
            f"{'' if r['truth'] == r['verdict'] else '**'} | "
            f"{r['words'][r['words'].find('(') + 1 : r['words'].rfind(')')]} | {r['cpu_s']} |"
            for r in rows
        ),
    ]
    about = f"{right} of {len(rows)} verdicts are right; {seconds:.0f} s of CPU in all."
    return "\n".join([about, "", *lines, ""])


if __name__ == "__main__":
    main()
