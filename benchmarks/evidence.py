"""Every system on every set, three seeds, and the tables of docs/results/.

    python benchmarks/evidence.py --tier cpu --data FOLDER [--only SET[/SYSTEM] ...] [--minutes M]

FOLDER holds `mnist/`, `galaxy/`, `rbc/` and `cryoem/`. Runs lie under `--out` and are never done
twice: start it again after a stop, and it goes on. A row that was not run says so. Tier cpu is
sized for 90 minutes on two cores, one run a core; tier gpu has the paper's own sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from defaults_plan import DEFAULTS, PLATEAU
from evidence_plan import CPU, GPU, ImageSet, System

from tvae_core.evaluation.file import NAME, Evaluation, load_evaluation, spread
from tvae_core.files import write_text

NOT_RUN = "not run"
TIERS = {"cpu": CPU, "gpu": GPU, "defaults": DEFAULTS}


@dataclass(frozen=True)
class Job:
    """One training: a set, a system and a seed, in its folder."""

    page: ImageSet
    system: System
    seed: int
    folder: Path
    images: Path

    @property
    def done(self) -> bool:
        """Whether it is evaluated."""
        return (self.folder / NAME).exists()

    def train_words(self, threads: int) -> list[str]:
        """Return the words of `tvae train`."""
        if (self.folder / "config.json").exists():
            return ["train", str(self.folder), "--resume"]
        words = ["train", str(self.folder), "--data", str(self.images), "--preset"]
        own = self.system.preset if self.page.preset == "paper-mnist" else ""
        words.append(own or self.page.preset)
        settings = [*self.page.settings, *self.system.settings, f"train.epochs={self.page.epochs}"]
        settings += [f"train.seed={self.seed}", f"train.threads={threads}"]
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
        Job(page, row, seed, arguments.out / page.name / f"{row.name}-{seed}", images)
        for seed in arguments.seeds
        for page in pages
        for images in [_images(page, arguments)]
        for row in page.systems
        if _asked(page, row, arguments.only)
    ]
    with ThreadPoolExecutor(arguments.workers) as pool:
        list(pool.map(lambda job: _run(job, arguments, ends), jobs))
    for page in pages:
        path = arguments.results / f"{page.name}-{arguments.tier}.md"
        write_text(path, page_text(page, arguments))
        print(path)


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
    parser.add_argument("--images", type=int, default=0, help="fewer images, for a trial")
    parser.add_argument("--epochs", type=int, default=0, help="fewer passes, for a trial")
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
    return replace(page, images=min(images, page.images), epochs=epochs)


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
    words = ["evaluate", str(job.folder), "--threads", threads, "--turned-images", "2"]
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


def page_text(page: ImageSet, arguments: argparse.Namespace) -> str:
    """Return the page of a set: how it was made, the table, the command of each row."""
    head = ["system", "seeds", "parameters", "minutes", *(name for _, name, _ in page.columns)]
    lines = [
        f"# {page.title}, tier {arguments.tier}", "",
        f"{page.about} {page.images:,} images, passes: {page.epochs}, preset `{page.preset}`; the "
        "same sizes, widths and passes for every system. Figures are of the test split, which "
        "nothing was chosen on: mean ± standard deviation over the seeds.",
        "", f"Made by `python benchmarks/evidence.py --tier {arguments.tier} --only {page.name}` "
        f"on {_machine()}.", "",
        "| " + " | ".join(head) + " |", "|" + "---|" * len(head),
    ]  # fmt: skip
    for system in page.systems:
        lines.append("| " + " | ".join(_cells(page, system, arguments)) + " |")
        if system.name in page.paper:
            known = page.paper[system.name]
            cells = [known.get(key, "") for key, _, _ in page.columns]
            lines.append(f"| *paper, its own sizes* | | | | {' | '.join(cells)} |")
    lines += ["", "## Settings", "", "For every system:", "", *_listed(page.settings), ""]
    for system in page.systems:
        lines += [f"{system.words}:", "", *_listed(system.settings or ("none of its own",)), ""]
    return "\n".join(lines)


def _cells(page: ImageSet, system: System, arguments: argparse.Namespace) -> list[str]:
    folders = {s: arguments.out / page.name / f"{system.name}-{s}" for s in arguments.seeds}
    found: dict[int, Evaluation] = {
        seed: load_evaluation(folder / NAME)
        for seed, folder in folders.items()
        if (folder / NAME).exists()
    }
    if not found:
        failed = any((folder / "failed.txt").exists() for folder in folders.values())
        words = "failed" if failed else NOT_RUN
        return [system.words, words, *[words if failed else NOT_RUN] * (2 + len(page.columns))]
    minutes = [json.loads((folders[seed] / "minutes.json").read_text()) for seed in found]
    parameters = next(iter(found.values())).about["parameters"]
    values = [
        _left_plateau(page, [folders[seed] for seed in found])
        if (key, name, digits) == PLATEAU
        else spread([one.value(key) for one in found.values()], digits)
        for key, name, digits in page.columns
    ]
    seeds = ", ".join(map(str, found))
    return [system.words, seeds, f"{parameters:,}", spread(minutes, 1), *values]


def _left_plateau(page: ImageSet, folders: list[Path]) -> str:
    """Return for each seed after how many steps the mean ELBO of an epoch was off the plateau."""
    steps = []
    for folder in folders:
        records = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
        epochs = [record for record in records if record["kind"] == "epoch"]
        steps.append(next((str(e["step"]) for e in epochs if e["elbo"] > page.plateau), "never"))
    return ", ".join(steps)


def _listed(settings: tuple[str, ...]) -> list[str]:
    return [f"    {setting}" for setting in settings]


def _machine() -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {platform.machine()}, Python {platform.python_version()}, {commit}"


if __name__ == "__main__":
    main()
