"""How far is the recommendation from the best settings by hand? One change at a time, ten sets.

    python benchmarks/first_hour_search.py --data FOLDER --out FOLDER [--sets ...] [--jobs N]
        [--minutes M] [--share S] [--seeds 0 1] [--changes NAME ...]

Each row is one training from the recommendation of a set with one or two settings changed
(`first_hour_tries.py`), the same share of the recommended passes for all rows of a set, on one
thread. `as recommended` changes nothing, `fast-cpu` is the preset with no setting, `by hand` are
the settings of `first_hour_sets.py`. What is done is not done again. `search.csv` has a line a row.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import first_hour
from first_hour_sets import SETS, FirstSet
from first_hour_tries import TRIES

from tvae_core.files import write_text

_TABLE = threading.Lock()


@dataclass(frozen=True)
class Try:
    """One training: a set, what is changed, and a seed."""

    page: FirstSet
    name: str
    settings: tuple[str, ...]
    seed: int
    out: Path

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.out / "tries" / f"{self.page.name}-{self.name.replace(' ', '-')}-{self.seed}"

    @property
    def result(self) -> Path:
        """Its line of the table, there when it is done."""
        return self.folder / "row.json"


def main() -> None:
    """Run what is missing, `--jobs` at a time; a row in a process of its own."""
    given = _arguments()
    if given.row:
        name, change, seed = given.row.split("/")
        run_try(next(t for t in tries(given, [int(seed)], [name]) if t.name == change), given)
        return
    rows = tries(given, given.seeds, given.sets)
    with ThreadPoolExecutor(given.jobs) as pool:
        list(pool.map(lambda name: first_hour.images_of(SETS[name], given), given.sets))
        ends = time.monotonic() + 60 * given.minutes
        list(pool.map(lambda row: _child(row, given, ends), rows))
    write_table(given.out)


def _arguments() -> argparse.Namespace:
    sets = [name for name in SETS if name in TRIES]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/first-hour-search"))
    parser.add_argument("--sets", nargs="+", choices=sets, default=sets)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--jobs", type=int, default=1, help="rows at a time")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no row after these")
    parser.add_argument("--share", type=float, default=0.2, help="of the recommended passes")
    parser.add_argument("--changes", nargs="+", default=[], help="only these, by name")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    return parser.parse_args()


def tries(given: argparse.Namespace, seeds: list[int], sets: list[str]) -> list[Try]:
    """Return the rows: first what all sets are compared with, then the changes in turn."""
    rows = [
        (place, seed, Try(SETS[name], change, settings, seed, given.out))
        for seed in seeds
        for name in sets
        for place, (change, settings) in enumerate(_changes(name).items())
        if not given.changes or change in given.changes
    ]
    return [row for _, _, row in sorted(rows, key=lambda found: found[:2])]


def _changes(name: str) -> dict[str, tuple[str, ...]]:
    fixed = {"as recommended": (), "by hand": SETS[name].best, "fast-cpu": ()}
    return fixed | TRIES[name]


def _child(row: Try, given: argparse.Namespace, ends: float) -> None:
    if row.result.exists() or time.monotonic() > ends:
        return
    words = [sys.executable, __file__, "--row", f"{row.page.name}/{row.name}/{row.seed}"]
    words += ["--out", str(given.out), "--data", str(given.data), "--share", str(given.share)]
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(words, env=os.environ | one, capture_output=True, text=True, check=False)
    with _TABLE:
        said = done.stdout.strip() if not done.returncode else f"failed: {done.stderr[-400:]}"
        print(f"{row.folder.name}: {said}", flush=True)
        write_table(given.out)


def run_try(row: Try, given: argparse.Namespace) -> None:
    """Train and judge a row."""
    images, run = first_hour.images_of(row.page, given), row.folder / "run"
    row.folder.mkdir(parents=True, exist_ok=True)
    words = ["train", str(run)]
    if (run / "config.json").exists():
        words.append("--resume")
    else:
        words += ["--data", str(images), *_options(row, images, given)]
    tvae = [sys.executable, "-m", "tvae_core.cli.main"]
    subprocess.run([*tvae, *words], check=True, stdout=subprocess.DEVNULL)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    values = first_hour.judged(run, images, row.page)
    values |= {"set": row.page.name, "change": row.name, "seed": row.seed}
    values |= {"cpu_s": round(spent.ru_utime + spent.ru_stime)}
    write_text(row.result, json.dumps(values))
    print(f"{values['figure']} {values['learned']} {values['cpu_s']} CPU s")


def _options(row: Try, images: Path, given: argparse.Namespace) -> list[str]:
    """Return the options of a row; all rows of a set make the same passes."""
    from tvae_core.runs.recommend import recommend

    epochs = max(2, round(given.share * recommend(images).config.train.epochs))
    preset = {"by hand": row.page.preset, "fast-cpu": "fast-cpu"}.get(row.name)
    settings = [f"--set={setting}" for setting in row.settings]
    settings += [f"--set=train.seed={row.seed}", "--set=train.threads=1", "--anyway"]
    return [*(["--preset", preset] if preset else []), "--epochs", str(epochs), *settings]


def write_table(out: Path) -> None:
    """Write a line for each row that is done."""
    keys = ("set", "change", "seed", "figure", "of", "learned", "cpu_s")
    found = [json.loads(file.read_text()) for file in sorted(out.glob("tries/*/row.json"))]
    with (out / "search.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, keys, extrasaction="ignore")
        table.writeheader()
        table.writerows(found)


if __name__ == "__main__":
    main()
