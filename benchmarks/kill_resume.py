"""Kill a run with SIGKILL at random moments, resume it, and compare the bytes it ends with.

python benchmarks/kill_resume.py [--kills 20]
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tvae_core.files import sha256_of_file
from tvae_core.presets import load_preset
from tvae_core.synthetic import plan_set


def main() -> None:
    """Train once undisturbed, then once for each kill."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        np.save(folder / "images.npy", plan_set("digits-u", count=300).whole().images)
        began = time.monotonic()
        expected = _finish(folder / "whole", folder / "images.npy", resume=False)
        seconds = time.monotonic() - began
        print(f"undisturbed: {seconds:.1f} s, SHA-256 {expected}", flush=True)
        same = 0
        for number in range(arguments.kills):
            after = moments.uniform(0.1, 0.95) * seconds
            run = folder / f"kill-{number}"
            _killed(run, folder / "images.npy", after)
            found = _finish(run, folder / "images.npy", resume=True)
            same += found == expected
            print(f"killed after {after:5.1f} s: {'same' if found == expected else found}")
    print(f"{same} of {arguments.kills} ended with the same bytes")
    sys.exit(same != arguments.kills)


def _command(run: Path) -> list[str]:
    return [sys.executable, "-m", "tvae_core.cli.main", "train", str(run), "--no-embed"]


def _settings(images: Path) -> list[str]:
    config = load_preset("fast-cpu").model_copy(deep=True)
    config.data.path = str(images)
    config.model.encoder_kernels = 16
    config.train.epochs, config.train.threads, config.train.checkpoint_minutes = 4, 1, 0.01
    file = images.parent / "config.json"
    config.save(file)
    return ["--config", str(file)]


def _killed(run: Path, images: Path, after: float) -> None:
    child = subprocess.Popen(
        [*_command(run), *_settings(images)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        child.wait(timeout=after)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _finish(run: Path, images: Path, resume: bool) -> str:
    begun = resume and (run / "config.json").exists()
    command = [*_command(run), *(["--resume"] if begun else _settings(images))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "begun" not in done.stderr:
        raise SystemExit(done.stderr)
    return sha256_of_file(run / "model.safetensors")


if __name__ == "__main__":
    main()
