"""Every system on every set, three seeds, and the tables of docs/results/.

    python benchmarks/evidence.py --tier cpu --data FOLDER [--only SET[/SYSTEM] ...] [--minutes M]

FOLDER holds `mnist/`, `galaxy/`, `rbc/` and `cryoem/`. Runs lie under `--out` and are never done
twice: start it again after a stop, and it goes on. A row that was not run says so. Tier cpu is
sized for 90 minutes on two cores, one run a core; tier paper has the paper's images in widths that
two cores afford, 90 minutes of CPU a row; tier gpu has the paper's own sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from defaults_plan import DEFAULTS
from evidence_pages import write_page
from evidence_plan import CPU, GPU, PAPER, ImageSet, System

from tvae_core.evaluation.file import NAME
from tvae_core.files import write_text

TIERS = {"cpu": CPU, "paper": PAPER, "gpu": GPU, "defaults": DEFAULTS}


@dataclass(frozen=True)
class Job:
    """One training: a set, a system and a seed, in its folder."""

    page: ImageSet
    system: System
    seed: int
    folder: Path
    images: Path
    device: str = ""

    @property
    def done(self) -> bool:
        """Whether it is evaluated."""
        return (self.folder / NAME).exists()

    def train_words(self, threads: int) -> list[str]:
        """Return the words of `tvae train`."""
        if (self.folder / "config.json").exists():
            return ["train", str(self.folder), "--resume"]
        words = ["train", str(self.folder), "--data", str(self.images), "--preset"]
        epochs = self.system.epochs or self.page.epochs
        own = self.system.preset if self.page.preset == "paper-mnist" else ""
        words.append(own or self.page.preset)
        settings = [*self.page.settings, *self.system.settings, f"train.epochs={epochs}"]
        settings += [f"train.seed={self.seed}", f"train.threads={threads}"]
        settings += [f"train.device={self.device}"] if self.device else []
        settings += ["train.preview_images=16", "embed.thumbnail_px=0", "embed.atlas_nodes=0"]
        return [*words, *(f"--set={setting}" for setting in settings)]

    @property
    def program(self) -> list[str]:
        """Return the words that start `tvae`, from another initialisation if the row asks."""
        if self.system.start:
            return [sys.executable, str(Path(__file__).with_name("starts.py")), self.system.start]
        return [sys.executable, "-m", "tvae_core.cli.main"]


def main() -> None:
    """Run what is missing, then write the pages of the sets asked for."""
    arguments = _arguments()
    pages = [_resized(page, arguments) for page in TIERS[arguments.tier]]
    pages = [page for page in pages if _asked(page, None, arguments.only)]
    ends = time.monotonic() + 60 * arguments.minutes
    jobs = [
        Job(
            page,
            row,
            seed,
            arguments.out / page.name / f"{row.name}-{seed}",
            images,
            arguments.device,
        )
        for seed in arguments.seeds
        for page in pages
        for images in [_images(page, arguments)]
        for row in page.systems
        if _asked(page, row, arguments.only)
    ]
    with ThreadPoolExecutor(arguments.workers) as pool:
        list(pool.map(lambda job: _run(job, arguments, ends), jobs))
    for page in pages:
        print(write_page(page, arguments))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", choices=list(TIERS), default="cpu")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("evidence"))
    parser.add_argument("--results", type=Path, default=Path("docs/results"))
    parser.add_argument("--only", default=[], nargs="+", metavar="SET[/SYSTEM]")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no run after these")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=0, help="runs at a time; 0: cores, GPU 1")
    parser.add_argument("--device", default="", help="as `train.device`")
    parser.add_argument("--images", type=int, default=0, help="fewer images, for a trial")
    parser.add_argument("--epochs", type=int, default=0, help="other passes than the plan's")
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    arguments.workers = arguments.workers or (1 if arguments.tier == "gpu" else cores)
    arguments.threads = 0 if arguments.tier == "gpu" else 1
    return arguments


def _asked(page: ImageSet, row: System | None, only: list[str]) -> bool:
    """Return whether a page, or a row of it, is among SET or SET/SYSTEM; all are of no list."""
    names = {page.name, f"{page.name}/{row.name}"} if row else {page.name}
    asked = only if row else [name.partition("/")[0] for name in only]
    return not only or bool(names & set(asked))


def _resized(page: ImageSet, arguments: argparse.Namespace) -> ImageSet:
    images, epochs = arguments.images or page.images, arguments.epochs or page.epochs
    page = replace(page, images=min(images, page.images), epochs=epochs)
    if arguments.epochs:
        page = replace(page, systems=tuple(replace(row, epochs=0) for row in page.systems))
    return page


def _images(page: ImageSet, arguments: argparse.Namespace) -> Path:
    """Return the images of a set, made when they are not there."""
    folder = arguments.out / page.name / "images"
    made = folder / "made.json"
    if not made.exists():
        path = page.make(arguments.data, folder, page.images)
        write_text(made, json.dumps({"path": path.name, "images": page.images}))
    about = json.loads(made.read_text())
    if about["images"] != page.images:
        raise SystemExit(f"{folder} holds {about['images']} images: take another --out")
    return Path(folder / about["path"]).absolute()


def _run(job: Job, arguments: argparse.Namespace, ends: float) -> None:
    """Train and evaluate one job, unless it is done or the time is over."""
    if job.done or time.monotonic() > ends:
        return
    began = time.monotonic()
    threads = str(arguments.threads)
    words = [
        "evaluate",
        str(job.folder),
        "--threads",
        threads,
        "--turned-images",
        str(job.page.turned),
    ]
    steps = [words]
    if not (job.folder / "embeddings.h5").exists():
        steps = [job.train_words(arguments.threads), words]
    for step in steps:
        command = [*job.program, *step]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        if finished.returncode:
            job.folder.mkdir(parents=True, exist_ok=True)
            write_text(job.folder / "failed.txt", finished.stderr[-2000:])
            print(f"{job.folder}: {finished.stderr.strip().splitlines()[-1:]}", flush=True)
            return
    (job.folder / "failed.txt").unlink(missing_ok=True)
    cost = job.folder / "minutes.json"
    before = json.loads(cost.read_text()) if cost.exists() else 0.0
    minutes = before + (time.monotonic() - began) / 60
    write_text(cost, json.dumps(minutes))
    print(f"{job.folder}: {minutes:.1f} minutes", flush=True)


if __name__ == "__main__":
    main()
