"""The pages of docs/results/: a table, pictures of one run, and the settings of every row."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from argparse import Namespace
from pathlib import Path

from defaults_plan import PLATEAU
from evidence_plan import OURS, Z32, ImageSet, System

from tvae_core.evaluation.file import NAME, Evaluation, load_evaluation, spread
from tvae_core.files import write_text

NOT_RUN = "not run"
PICTURES = (
    (OURS, "decoded", "previews/decoded_grid_*.png", "decoded across the latent plane, pose zero"),
    (OURS, "plane", "evaluation/plane.png", "test images on the latent plane"),
    (OURS, "rotation", "evaluation/rotation.png", "rotation inferred (x) and true (y)"),
    (OURS, "confusion", "evaluation/confusion.png", "Ward's clusters of z against the labels"),
    (Z32, "neighbours", "evaluation/neighbours.png", "its 32 dimensions by their neighbours"),
)


def write_page(page: ImageSet, arguments: Namespace) -> Path:
    """Write the page of a set and its pictures; return the page's path."""
    path: Path = arguments.results / f"{page.name}-{arguments.tier}.md"
    write_text(path, page_text(page, arguments))
    return path


def page_text(page: ImageSet, arguments: Namespace) -> str:
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
    lines += ["", *_pictures(page, arguments)]
    lines += ["## Settings", "", "For every system:", "", *_listed(page.settings), ""]
    for system in page.systems:
        lines += [f"{system.words}:", "", *_listed(system.settings or ("none of its own",)), ""]
    return "\n".join(lines)


def _pictures(page: ImageSet, arguments: Namespace) -> list[str]:
    """Copy pictures of single runs beside the page and return its lines."""
    seed = arguments.seeds[0]
    lines = []
    for system, name, pattern, words in PICTURES:
        found = sorted((arguments.out / page.name / f"{system.name}-{seed}").glob(pattern))
        if found:
            copy = f"{page.name}-{arguments.tier}-{name}.png"
            arguments.results.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found[-1], arguments.results / copy)
            lines += [f"{system.words}, seed {seed}: {words}", "", f"![{words}]({copy})", ""]
    return lines


def _cells(page: ImageSet, system: System, arguments: Namespace) -> list[str]:
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
    return f"{cores} cores of {_processor()}, Python {platform.python_version()}, {commit}"


def _processor() -> str:
    """Return the processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
