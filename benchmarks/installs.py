"""Installs the wheel with each extra into an empty environment, and tries what the extra is for.

    python benchmarks/installs.py [EXTRA ...] [--out docs/results/installs.md]

Measured: the size of the environment, the CPU seconds of pip, what importing costs, and whether the
thing works: the core describes a store, `train` takes a training step, `gui` draws the window, and
so on. An environment is removed when it was measured. pip's own cache is used.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[1]
PAGE = HOUSE / "docs" / "results" / "installs.md"
NONE = "(none)"
IMPORTS = ("tvae_core", "tvae_core.cli.main", "tvae_core.store", "tvae_core.engine.training.train")
STORE = "from tvae_core.shipped import shipped; print(shipped('example.h5'))"
CHECKS = {
    NONE: ("describes a store", "tvae info STORE"),
    "train": (
        "trains, embeds and validates",
        "tvae synth hinge images --count 40 --side 32 && tvae train run --data"
        " images/particles.star --preset fast-particles --epochs 1 && tvae validate run",
    ),
    "gui": ("draws the window, without torch", "tvae-gui --screenshot window.png STORE"),
    "umap": ("computes a UMAP", "cp STORE s.h5 && tvae project s.h5 --umap"),
    "slurm": ("imports submitit", "python -c 'import submitit'"),
    "images": ("imports imagecodecs", "python -c 'import imagecodecs'"),
    "tables": ("writes Parquet", "tvae export STORE t.parquet"),
    "all": ("draws the window with a decoder", "tvae-gui --screenshot window.png STORE"),
}


@dataclass
class Tried:
    """What installing an extra took, and whether what it is for works."""

    extra: str
    packages: int
    megabytes: float
    seconds: float
    torch: str
    works: str
    imports: dict[str, float]


def main() -> int:
    """Try the extras asked for and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("extras", nargs="*", default=list(CHECKS), metavar="EXTRA")
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tvae-installs-") as name:
        folder = Path(name)
        wheel, commit = built(folder / "wheel"), commit_now()
        tried = []
        for extra in options.extras:
            tried.append(try_extra(extra, wheel, folder / "venv"))
            print(tried[-1], flush=True)
            options.out.write_text(page(wheel, commit, tried), encoding="utf-8")
    return 0 if all(one.works == "yes" for one in tried) else 1


def built(folder: Path) -> Path:
    """Return the wheel of what is committed here."""
    source, packed = folder / "source", folder / "source.tar"
    source.mkdir(parents=True)
    subprocess.run(["git", "archive", "-o", str(packed), "HEAD"], check=True, cwd=HOUSE)
    shutil.unpack_archive(packed, source, filter="data")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(source)]
    subprocess.run(pip, check=True)
    return next(folder.glob("*.whl"))


def try_extra(extra: str, wheel: Path, venv: Path) -> Tried:
    """Install the wheel with an extra into a new environment, measure and try it."""
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    bin_folder = venv / ("Scripts" if sys.platform == "win32" else "bin")
    python = str(bin_folder / "python")
    before = size_mb(venv)
    what = str(wheel) if extra == NONE else f"{wheel}[{extra}]"
    began = cpu_s()
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*install, "-c", str(HOUSE / "constraints.txt"), what], check=True)
    seconds = cpu_s() - began
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    torch = next((line.partition("==")[2] for line in listed if line.startswith("torch==")), "no")
    tried = Tried(
        extra, len(listed), size_mb(venv) - before, seconds, torch,
        works(extra, bin_folder, venv.parent), {name: import_s(python, name) for name in IMPORTS},
    )  # fmt: skip
    shutil.rmtree(venv)
    return tried


def cpu_s() -> float:
    """Return the seconds of CPU that processes started here have taken, user and system."""
    spent = os.times()
    return spent.children_user + spent.children_system


def works(extra: str, bin_folder: Path, folder: Path) -> str:
    """Return "yes" where what the extra is for works, else the last line it said."""
    place = folder / f"try-{extra.strip('()')}"
    place.mkdir(parents=True, exist_ok=True)
    away = os.environ | {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    away |= {"QT_QPA_PLATFORM": "offscreen"}
    away.pop("PYTHONPATH", None)
    run = {"cwd": place, "env": away, "capture_output": True, "text": True, "check": False}
    python = str(bin_folder / "python")
    store = subprocess.run([python, "-c", STORE], **run).stdout.strip()  # type: ignore[call-overload]
    done = subprocess.run(CHECKS[extra][1].replace("STORE", store), shell=True, **run)  # type: ignore[call-overload]
    said = (done.stderr or done.stdout).strip().splitlines()
    return "yes" if done.returncode == 0 else f"no: {said[-1] if said else done.returncode}"


def import_s(python: str, name: str) -> float:
    """Return what importing a module costs, seconds of CPU, the least of three; NaN if it fails."""
    code = f"import time; t = time.process_time(); import {name}; print(time.process_time() - t)"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    found = []
    for _ in range(3):
        done = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=False, env=environment,
            cwd=tempfile.gettempdir(),
        )  # fmt: skip
        found.append(float(done.stdout) if done.returncode == 0 else float("nan"))
    return min(found)


def size_mb(folder: Path) -> float:
    """Return the megabytes of a folder."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(path.stat().st_size for path in files) / 1e6


def commit_now() -> str:
    """Return what is committed here."""
    git = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(git, capture_output=True, text=True, cwd=HOUSE, check=False)
    return done.stdout.strip()


def page(wheel: Path, commit: str, tried: list[Tried]) -> str:
    """Return the results as Markdown."""
    lines = [
        "# Installing each extra into an empty environment",
        "",
        f"`python benchmarks/installs.py`, commit {commit}, Python {platform.python_version()} on "
        f"{platform.system()}, {os.cpu_count()} cores; the wheel has "
        f"{wheel.stat().st_size / 1e6:.1f} MB. Sizes and packages are those beyond an empty "
        "environment with pip, before Python compiles anything; seconds are pip's of CPU.",
        "",
        "| extra | packages | MB | CPU s | torch | tried | works |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in tried:
        name = "none" if one.extra == NONE else f"`[{one.extra}]`"
        what = CHECKS[one.extra][0]
        lines.append(
            f"| {name} | {one.packages} | {one.megabytes:,.0f} | {one.seconds:.0f} | {one.torch} "
            f"| {what} | {one.works} |"
        )
    lines += ["", "What importing costs, seconds of CPU, the least of three:", ""]
    lines += [f"| extra | {' | '.join(f'`{name}`' for name in IMPORTS)} |"]
    lines += ["|---" * (1 + len(IMPORTS)) + "|"]
    for one in tried:
        costs = ["needs torch" if v != v else f"{v:.2f}" for v in one.imports.values()]
        lines.append(f"| {one.extra} | {' | '.join(costs)} |")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


if __name__ == "__main__":
    sys.exit(main())
