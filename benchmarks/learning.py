"""How fast and how far does a way to train learn? A table of sets, configurations and seeds.

    python benchmarks/learning.py --data FOLDER [--sets ...] [--configs ...] [--seeds 0 1 2]
        [--jobs N] [--device cpu] [--minutes M] [--out FOLDER]

A row is one training in a process of its own, on one thread, embedded and judged on images held
out. Rows lie under `--out`; what is done is not done again, and a row that was stopped goes on
where it was. `table.csv` has a line a row, `curves.csv` a line an epoch of every row, finished or
not. Seconds are those of the processor in the training loop, of this row alone (of a GPU row: wall
seconds). FOLDER holds `rbc/` and `galaxy/`, and is needed for cells and galaxies only. Training
needs escnn: where it cannot be installed, put its wheel on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learning_plan import CONFIGS, SETS, WAS, LearningSet

from tvae_core.files import write_text

_TABLES = threading.Lock()
_LEADING = (
    "set", "config", "seed", "epochs", "steps", "images_seen", "cpu_s", "test_elbo", "kl_content",
    "shift", "rotation", "median_angle_deg", "angle_of_body_deg",
    "turns_rmse_deg", "rank", "rank_of_all", "ward", "k_means",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One training of the table."""

    page: LearningSet
    config: str
    seed: int
    out: Path

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.out / "rows" / f"{self.page.name}-{self.config}-{self.seed}"

    @property
    def result(self) -> Path:
        """Its line of the table, there when it is done."""
        return self.folder / "row.json"


def main() -> None:
    """Run what is missing, `--jobs` at a time, and write the tables."""
    given = _arguments()
    if given.row:
        name, config, seed = given.row.split("/")
        run_row(Row(SETS[name], config, int(seed), given.out), given)
        return
    rows = [
        Row(SETS[name], config, seed, given.out)
        for seed in given.seeds
        for name in given.sets
        for config in given.configs
    ]
    for name in given.sets:
        images_of(SETS[name], given)
    ends = time.monotonic() + 60 * given.minutes
    with ThreadPoolExecutor(given.jobs) as pool:
        list(pool.map(lambda row: _child(row, given, ends), rows))
    write_tables(given.out)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/learning"))
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS)[:4])
    parser.add_argument("--configs", nargs="+", choices=list(CONFIGS), default=list(CONFIGS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=float, default=1.0, help="times the passes of each set")
    parser.add_argument("--set", action="append", default=[], help="a setting of every row")
    parser.add_argument("--jobs", type=int, default=1, help="rows at a time")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no row after these")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    return parser.parse_args()


def images_of(page: LearningSet, given: argparse.Namespace) -> Path:
    """Return the images of a set, made when they are not there."""
    made = given.out / "images" / page.name / "made.json"
    if not made.exists():
        path = page.make(given.data, made.parent, page.images)
        write_text(made, json.dumps(path.name))
    return (made.parent / json.loads(made.read_text())).absolute()


def _child(row: Row, given: argparse.Namespace, ends: float) -> None:
    """Run a row in a process of its own, one thread, and say what became of it."""
    if row.result.exists() or time.monotonic() > ends:
        return
    words = [sys.executable, __file__, "--row", f"{row.page.name}/{row.config}/{row.seed}"]
    words += ["--out", str(given.out), "--data", str(given.data), "--device", given.device]
    words += ["--epochs", str(given.epochs), *(f"--set={setting}" for setting in given.set)]
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(words, env=os.environ | one, capture_output=True, text=True, check=False)
    said = done.stdout.strip() if not done.returncode else f"failed: {done.stderr[-600:]}"
    with _TABLES:
        print(f"{row.folder.name}: {said}", flush=True)
        write_tables(given.out)


def run_row(row: Row, given: argparse.Namespace) -> None:
    """Train, embed and judge a row; print what came out in one line."""
    from tvae_core.engine.judging.judge import Effort, evaluate
    from tvae_core.engine.training.train import train
    from tvae_core.engine.using.embed import embed
    from tvae_core.presets import load_preset
    from tvae_core.progress import Epoch
    from tvae_core.runs.folder import RunFolder

    page, run = row.page, RunFolder(row.folder / "run")
    if not run.config_file.exists():
        before = () if row.config == "preset" else WAS[page.preset]
        settings = [*page.settings, *before, *CONFIGS[row.config], *given.set]
        settings += [
            f"data.path={images_of(page, given)}", f"train.seed={row.seed}",
            f"train.epochs={max(1, round(given.epochs * page.epochs))}", "train.threads=1",
            f"train.device={given.device}", "train.stop_epochs=0", "train.preview_images=16",
            "train.checkpoint_minutes=2", "embed.thumbnail_px=0", "embed.atlas_nodes=0",
        ]  # fmt: skip
        run.create(load_preset(page.preset).changed(settings))
    clock = _clock(given.device)
    curve = row.folder / "curve.csv"
    lines = curve.read_text().splitlines() if curve.exists() else []
    began, spent = clock(), float(lines[-1].split(",")[2]) if lines else 0.0
    last: Epoch | None = None
    for record in train(run, resume=run.begun):
        if isinstance(record, Epoch):
            last, seconds = record, spent + clock() - began
            figures = (record.epoch, record.step, round(seconds, 1), record.elbo,
                       record.validation_elbo, record.kl_content, record.kl_pose)  # fmt: skip
            with curve.open("a") as file:
                print(*figures, sep=",", file=file)
    list(embed(run))
    effort = Effort(turned_images=8, turns=40, threads=1, device=given.device)
    found = evaluate(run.path, effort=effort).evaluation
    values = _figures(row, run, found, last)
    write_text(row.result, json.dumps(values))
    print(", ".join(f"{k} {v}" for k, v in values.items() if k not in _LEADING[:3]))


def _clock(device: str) -> Any:
    return time.process_time if device == "cpu" else time.monotonic


def _figures(row: Row, run: Any, found: Any, last: Any) -> dict[str, Any]:
    """Return a row's line of the table."""
    lines = (row.folder / "curve.csv").read_text().splitlines()
    epochs, steps = int(lines[-1].split(",")[0]) + 1, int(lines[-1].split(",")[1])
    config = run.config()
    held_out = config.data.validation_share + config.data.test_share
    of = found.about["of"]
    shift = (found.value("shift/x") + found.value("shift/y")) / 2
    return {
        "set": row.page.name, "config": row.config, "seed": row.seed, "epochs": epochs,
        "steps": steps, "images_seen": epochs * (of - round(of * held_out)),
        "cpu_s": float(lines[-1].split(",")[2]),
        "test_elbo": round(found.value("elbo/elbo"), 2),
        "kl_content": round(found.value("elbo/kl_content"), 3),
        "shift": round(shift, 4),
        "rotation": round(found.value("rotation/unturned/uniform"), 3),
        "median_angle_deg": round(median_angle_deg(run), 2),
        "angle_of_body_deg": round(median_angle_deg(run, row.page.factor), 2),
        "turns_rmse_deg": round(found.value("turns/unturned/mean"), 2),
        "rank": round(found.value(f"factor/{row.page.factor}/axis"), 3),
        "rank_of_all": round(rank_of_all(run, row.page.factor), 3),
        "ward": round(found.value("clustering/ward/z"), 3),
        "k_means": round(found.value("clustering/k-means/z"), 3),
    }  # fmt: skip


def rank_of_all(run: Any, factor: str) -> float:
    """Return the rank correlation of a factor with the best axis of z, over all images."""
    import numpy as np

    from tvae_core.analysis.metrics import rank_correlation
    from tvae_core.evaluation.truth import open_truth, truth_beside
    from tvae_core.store import EmbeddingStore

    file = truth_beside(Path(run.config().data.path)) if factor else None
    if file is None:
        return float("nan")
    with EmbeddingStore(run.store) as store:
        known = open_truth(file, len(store)).factors[factor]
        return max(abs(rank_correlation(axis, known)) for axis in np.asarray(store.z_mean[:]).T)


def median_angle_deg(run: Any, factor: str = "") -> float:
    """Return the median error of the angles of all images, one offset taken off; NaN untold.

    With the name of a `factor` of content, what grows with its true value is taken off as well:
    whether a hinge moves the one part or the other is for nobody to see.
    """
    import numpy as np

    from tvae_core.evaluation.truth import open_truth, truth_beside
    from tvae_core.geometry import wrap_angle
    from tvae_core.store import EmbeddingStore

    with EmbeddingStore(run.store) as store:
        file = truth_beside(Path(run.config().data.path))
        truth = None if file is None else open_truth(file, len(store))
        if truth is None or truth.angle_rad is None:
            return float("nan")
        away = np.asarray(store.angle_rad[:]) - truth.angle_rad
    known = truth.factors[factor] - truth.factors[factor].mean() if factor else np.zeros(len(away))
    offset, slope = np.angle(np.exp(1j * away).mean()), 0.0
    for _ in range(5):  # towards the median: the mean of heavy tails is off
        left = wrap_angle(away - offset - slope * known)
        offset += np.median(left)
        near = np.abs(left) < np.pi / 4
        if factor:
            slope += float(known[near] @ left[near] / (known[near] @ known[near]))
    return float(np.rad2deg(np.median(np.abs(wrap_angle(away - offset - slope * known)))))


def write_tables(out: Path) -> None:
    """Gather the rows and curves of a folder into `table.csv` and `curves.csv`."""
    rows = [json.loads(file.read_text()) for file in sorted(out.glob("rows/*/row.json"))]
    with (out / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, _LEADING)
        writer.writeheader()
        writer.writerows(rows)
    names = "row,epoch,step,cpu_s,elbo,validation_elbo,kl_content,kl_pose"
    lines = [
        f"{curve.parent.name},{line}"
        for curve in sorted(out.glob("rows/*/curve.csv"))
        for line in curve.read_text().splitlines()
    ]
    write_text(out / "curves.csv", "\n".join([names, *lines]) + "\n")


if __name__ == "__main__":
    main()
