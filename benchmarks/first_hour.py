"""The first hour: ten sets, each by `tvae train RUN --data PATH` and nothing else.

    python benchmarks/first_hour.py --data FOLDER --out FOLDER [--sets ...] [--rows ...]
        [--minutes M] [--share S]

A row is one training in a process of its own: `recommended` as a stranger starts it, `blindly` with
the preset fast-cpu, `by-hand` with the best settings known for the set (`first_hour_sets.py`). The
last two are given the passes that make them take about as long as the first. What is done is not
done again, and a row that was stopped goes on where it was. `--share` of the recommended passes is
trained, for a quick look. At the end `first-hour.md` holds the page, with decoded grids beside it.

Judged on all images by what the model was never shown: Ward of z against the classes, with as many
clusters as classes, and beside it what `tvae cluster` makes of them; or the rank correlation of the
true factor with the best of the axes of z and of the plane that the window opens with.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from first_hour_sets import SETS, FirstSet

from tvae_core.files import write_text

ROWS = ("recommended", "blindly", "by-hand")
_JUDGED = 3000  # images that Ward sees


def main() -> None:
    """Run what is missing, then write the page."""
    given = _arguments()
    ends = time.monotonic() + 60 * given.minutes
    for row in given.rows:
        for name in given.sets:
            if time.monotonic() < ends:
                run_row(SETS[name], row, given)
                write_text(given.out / "first-hour.md", page(given.out))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/first-hour"))
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no row after these")
    parser.add_argument("--share", type=float, default=1.0, help="of the recommended passes")
    return parser.parse_args()


def images_of(page: FirstSet, given: argparse.Namespace) -> Path:
    """Return the images of a set, made when they are not there."""
    made = given.out / "images" / page.name / "made.json"
    if not made.exists():
        shutil.rmtree(made.parent, ignore_errors=True)
        made.parent.mkdir(parents=True)
        path = page.make(given.data, made.parent, page.images)
        write_text(made, json.dumps(str(path.relative_to(made.parent))))
    return Path(made.parent / json.loads(made.read_text())).absolute()


def run_row(page: FirstSet, row: str, given: argparse.Namespace) -> None:
    """Train a row by the command line, judge it, and say what came out."""
    folder = given.out / f"{page.name}-{row}"
    result = folder / "row.json"
    if result.exists():
        return
    images, run = images_of(page, given), folder / "run"
    folder.mkdir(parents=True, exist_ok=True)
    if (run / "config.json").exists():
        words = ["train", str(run), "--resume"]
    else:
        words = ["train", str(run), "--data", str(images), *_options(page, row, images, given)]
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    tvae = [sys.executable, "-m", "tvae_core.cli.main"]
    done = subprocess.run([*tvae, *words], capture_output=True, text=True, check=False)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    spent += json.loads((folder / "spent.json").read_text()) if _resumed(folder) else 0.0
    write_text(folder / "spent.json", json.dumps(spent))
    with (folder / "said.txt").open("a", encoding="utf-8") as file:
        file.write(done.stdout + done.stderr)
    values = {"set": page.name, "row": row, "cpu_s": round(spent), "said": _said(folder)}
    if done.returncode == 2:  # refused, in words
        values["verdict"] = done.stderr.strip().splitlines()[-1]
    elif done.returncode:
        print(f"{page.name} {row}: stopped: {done.stderr[-300:]}", flush=True)
        return
    else:
        values |= judged(run, images, page)
    write_text(result, json.dumps(values))
    print(f"{page.name} {row}: {values.get('figure')} {values['verdict']}", flush=True)


def _resumed(folder: Path) -> bool:
    return (folder / "spent.json").exists()


def _options(page: FirstSet, row: str, images: Path, given: argparse.Namespace) -> list[str]:
    """Return the options of a row; the recommended one has none, but for a quick look."""
    from tvae_core.images.look import look_at
    from tvae_core.images.opening import open_data
    from tvae_core.presets import load_preset
    from tvae_core.runs.preflight import seconds_of, this_machine
    from tvae_core.runs.recommend import recommend

    found = recommend(images)
    epochs = max(2, round(given.share * found.config.train.epochs))
    if row == "recommended":
        return [] if given.share == 1 else ["--epochs", str(epochs)]
    preset = "fast-cpu" if row == "blindly" else page.preset
    settings = () if row == "blindly" else page.best
    config = load_preset(preset).changed([f"data.path={images}", "train.epochs=1", *settings])
    with open_data(config.data) as stack:
        look = look_at(stack, str(images))
    machine = this_machine(given.out)
    budget = seconds_of(found.config.changed([f"train.epochs={epochs}"]), look, machine)
    each = seconds_of(config.changed(["train.epochs=1"]), look, machine)
    passes = max(2, round((budget or 0) / each)) if each else epochs
    options = [f"--set={setting}" for setting in settings if not setting.startswith("train.epochs")]
    return ["--preset", preset, *options, "--epochs", str(passes), "--anyway"]


def _said(folder: Path) -> list[str]:
    """Return the lines of the recommendation."""
    file = folder / "run" / "chosen.json"
    if not file.exists():
        return []
    found = json.loads(file.read_text())
    return [f"{c['key']}={c['value']}: {c['reason']}" for c in found["choices"]] + found["notes"]


def judged(run: Path, images: Path, page: FirstSet) -> dict[str, Any]:
    """Return a row's verdict and figure, and draw its decoded grid."""
    from tvae_core.analysis.verdict import Verdict
    from tvae_core.engine.using.decode import Decoder
    from tvae_core.store import EmbeddingStore

    with EmbeddingStore(run / "embeddings.h5") as store:
        z = np.asarray(store.z_mean[:], dtype=np.float64)
        truth = _truth(images, store)
        figures = _ranks(z, truth) if page.factor else _clusters(store, truth.astype(np.int64))
        _draw_grid(run.parent / "decoded.png", Decoder.from_store(store), z)
        found = Verdict.from_json(store.header.verdict)
    return figures | {
        "of": "rank" if page.factor else "Ward",
        "verdict": "" if found is None else found.words,
        "learned": "" if found is None else found.learned,
    }


def _truth(images: Path, store: Any) -> np.ndarray:
    """Return the class or factor of each image: of the set's truth, else of its folders."""
    from tvae_core.synthetic.write import read_truth

    file = images.parent / "truth.csv"
    if file.exists():
        columns = read_truth(file)
        if "x_px" in columns:
            return _truth_of_objects(columns, store)
        name = "hinge_rad" if "hinge_rad" in columns else "label"
        return np.asarray(columns[name] if name in columns else columns["shape"])
    return np.asarray(store.labels)


def _truth_of_objects(columns: Any, store: Any) -> np.ndarray:
    """Return the class of each object that was cut out of one field, by where it lies there."""
    from scipy.spatial import cKDTree

    from tvae_core.images_of import open_images_of

    with open_images_of(store) as images:
        table, rows = images.table, images.rows()
    side = 512  # of the field of `first_hour_sets.py`
    column, row = (table.numbers(f"rlnCoordinate{axis}")[rows] for axis in "XY")
    places = np.stack([column - (side - 1) / 2, (side - 1) / 2 - row], 1)
    _, nearest = cKDTree(np.stack([columns["x_px"], columns["y_px"]], 1)).query(places)
    return np.asarray(columns["label"])[nearest]


def _ranks(z: np.ndarray, factor: np.ndarray) -> dict[str, float]:
    from tvae_core.analysis.metrics import factor_correlation
    from tvae_core.analysis.projection import pca

    found = [factor_correlation(one, factor).best_axis for one in (z, pca(z).coordinates)]
    return {"figure": round(float(max(found)), 3)}


def _clusters(store: Any, labels: np.ndarray) -> dict[str, float]:
    """Return the accuracy of Ward on z, and of what `tvae cluster` does unless told otherwise."""
    from tvae_core.analysis.clustering import cluster
    from tvae_core.analysis.content_clusters import cluster_contents
    from tvae_core.analysis.metrics import clustering_accuracy

    some = np.random.default_rng(0).permutation(len(labels))[:_JUDGED]
    labels = np.unique(labels[some], return_inverse=True)[1]
    mean, std = store.z_mean[:][some], store.column("content/std")[:][some]
    count = int(labels.max()) + 1
    found = {
        "figure": cluster("ward", mean, count),
        "clusters": cluster_contents("auto", mean, std, count),
    }
    return {
        name: round(float(clustering_accuracy(labels, own.labels)), 3)
        for name, own in found.items()
    }


def _draw_grid(path: Path, decoder: Any, z: np.ndarray) -> None:
    from PIL import Image

    from tvae_core.engine.training.previews import decoded_grid, montage

    made = decoded_grid(decoder, z, 8)
    low, high = (float(v) for v in np.percentile(made, (0.5, 99.5)))
    Image.fromarray(montage(made, 8, low, high)).save(path)


def page(out: Path) -> str:
    """Return the table and the recommendations of what is done."""
    done = {
        (name, row): json.loads((out / f"{name}-{row}" / "row.json").read_text())
        for name in SETS
        for row in ROWS
        if (out / f"{name}-{row}" / "row.json").exists()
    }
    head = "| set | figure | recommended | `tvae cluster` | by hand | of it | fast-cpu blindly |"
    lines = [f"{head} verdict | CPU s |", "|---|---|---|---|---|---|---|---|---|"]
    lines += [
        _line(name, {row: done.get((name, row), {}) for row in ROWS})
        for name in SETS
        if (name, "recommended") in done
    ]
    parts = ["\n".join(lines)]
    for name, wanted in SETS.items():
        if (name, "recommended") in done:
            said = done[name, "recommended"]["said"]
            parts.append(f"## {name}: {wanted.about}\n\n" + "\n".join(f"- {s}" for s in said))
    return "\n\n".join(parts) + "\n"


def _line(name: str, rows: dict[str, dict[str, Any]]) -> str:
    figures = {row: values.get("figure") for row, values in rows.items()}
    best = max((f for f in figures.values() if f is not None), default=None)
    mine = figures["recommended"]
    compared = mine is not None and best and figures["by-hand"] is not None
    share = f"{100 * mine / best:.0f} %" if compared else ""
    first = rows["recommended"]
    cells = (
        name, first.get("of", ""), mine, first.get("clusters"), figures["by-hand"], share,
        figures["blindly"],
        first.get("learned") or first["verdict"], first["cpu_s"],
    )  # fmt: skip
    return "| " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |"


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
