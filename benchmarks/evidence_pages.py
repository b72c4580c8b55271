"""The pages of docs/results/: a table, pictures of one run, and the settings of every row."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from argparse import Namespace
from collections.abc import Iterable
from math import nan
from pathlib import Path

from defaults_plan import PLATEAU
from evidence_plan import OURS, TURNS, Z32, Column, ImageSet, System

from tvae_core.config import load_config
from tvae_core.engine.model.systems import matched_hidden
from tvae_core.evaluation.file import NAME, Evaluation, load_evaluation, spread
from tvae_core.files import write_text
from tvae_core.images.prepared import open_prepared

NOT_RUN = "not run"
_SAME = (
    "Every row has the same images, splits, steps and training settings; the systems compared have "
    "as many free parameters as TARGET-VAE of these settings unless they say otherwise, in layers "
    "of as many units as the table tells."
)
_SPLIT = (
    "Figures are of the test split: mean ± standard deviation over seeds, each of which draws "
    "weights and split anew. No run was stopped or chosen by its test images; the presets were "
    "chosen on digits-u, on these very cells and hinges, and with a look at MNIST(U)."
)
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
    """Return the page of a set: how it was made, its tables and pictures, the settings of a row."""
    only = f"--tier {arguments.tier} --only {page.name}"
    only += f" --device {arguments.device} --epochs {page.epochs}" if arguments.device else ""
    turned = f" RMSE over turns: {page.turned} images of a class, each turned by 160 known angles,"
    turned += " against its own angle unturned; an untrained equivariant encoder is good at it too."
    lines = [
        f"# {page.title}, tier {arguments.tier}",
        "",
        f"{_about(page)} {_SAME}",
        "",
        _SPLIT,
        "",
    ]
    lines += [page.notes + (turned if TURNS in page.columns else ""), ""]
    lines += [
        f"Made by `python benchmarks/evidence.py {only}` on {_machine()}, {_at_a_time(arguments)}.",
        "",
    ]
    for title, columns in _tables(page):
        lines += [f"## {title}", "", *_table(page, columns, arguments), ""]
    lines += [*_pictures(page, arguments), "## Settings", "", "For every system:", ""]
    lines += [*_listed(page.settings), ""]
    for system in page.systems:
        passes = (f"train.epochs={system.epochs}",) if system.epochs else ()
        lines += [
            f"{system.words}:",
            "",
            *_listed((*system.settings, *passes) or ("none of its own",)),
            "",
        ]
    return "\n".join(lines)


def _at_a_time(arguments: Namespace) -> str:
    if arguments.device.startswith("cuda"):
        import torch

        return f"{arguments.workers} runs at a time on one {torch.cuda.get_device_name()}"
    return "one thread a run, two runs at a time"


def _about(page: ImageSet) -> str:
    sizes = f"{page.images:,} images, passes: {page.epochs}, preset `{page.preset}`."
    return f"{page.about} {sizes}"


def _tables(page: ImageSet) -> list[tuple[str, tuple[Column, ...]]]:
    """Return the columns in two tables, what of pose and what not."""
    pose = tuple(c for c in page.columns if c[0].startswith(("shift/", "rotation/", "turns/")))
    rest = tuple(column for column in page.columns if column not in pose)
    return [("Fit and content", rest), ("Pose", pose)]


def _table(page: ImageSet, columns: tuple[Column, ...], arguments: Namespace) -> list[str]:
    head = ["system", "seeds", "parameters", "minutes", *(name for _, name, _ in columns)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for system in page.systems:
        lines.append("| " + " | ".join(_cells(page, system, columns, arguments)) + " |")
        known = page.paper.get(system.name, {})
        if any(key in known for key, _, _ in columns):
            cells = [known.get(key, "") for key, _, _ in columns]
            lines.append(f"| *paper, its own sizes* | | | | {' | '.join(cells)} |")
    return lines


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


def _cells(
    page: ImageSet, system: System, columns: tuple[Column, ...], arguments: Namespace
) -> list[str]:
    folders = {s: arguments.out / page.name / f"{system.name}-{s}" for s in arguments.seeds}
    found: dict[int, Evaluation] = {
        seed: load_evaluation(folder / NAME)
        for seed, folder in folders.items()
        if (folder / NAME).exists()
    }
    failed = [seed for seed, folder in folders.items() if (folder / "failed.txt").exists()]
    if not found:
        words = "failed" if failed else NOT_RUN
        return [system.words, words, *[words] * (2 + len(columns))]
    values = [
        _left_plateau(page, [folders[seed] for seed in found])
        if (key, name, digits) == PLATEAU
        else spread([one.value(key) for one in found.values()], digits)
        for key, name, digits in columns
    ]
    seeds = ", ".join([*map(str, found), *(f"{seed} failed" for seed in failed)])
    some = folders[next(iter(found))]
    parameters = f"{next(iter(found.values())).about['parameters']:,}{_units(some)}"
    return [system.words, seeds, parameters, _minutes(folders[seed] for seed in found), *values]


def _minutes(folders: Iterable[Path]) -> str:
    files = [folder / "minutes.json" for folder in folders]
    return spread([json.loads(file.read_text()) if file.exists() else nan for file in files], 1)


def _units(run: Path) -> str:
    """Return in how many units a system that is compared has its parameters."""
    if not (run / "config.json").exists():
        return ""
    config = load_config(run / "config.json")
    if config.model.system == "target-vae":
        return ""
    with open_prepared(config.data) as images:
        units = config.model.mlp_hidden or matched_hidden(
            config.model, images.side, images.channels
        )
    return f" in {units} units"


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
