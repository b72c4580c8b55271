"""Embed a stack far larger than memory should be asked for: 200,000 images, made sparse on disk.

    python benchmarks/large_stack.py [--images 1000000] [--side 32] [--embedded 8]

With `--embedded B` only so many blocks of images are embedded; the others are taken up from copies
of the first, as an embedding that was stopped takes up what it had. The memory is that of a whole
embedding: one block is in memory at a time, and the store is written from all of them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.trust.many import sparse_stack, take_up
from tvae_core.presets import load_preset
from tvae_core.runs.folder import RunFolder
from tvae_core.store import EmbeddingStore, validate


def main() -> None:
    """Train briefly on a few images, embed all of them in a child, report its peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--embedded", type=int, help="blocks that are embedded; all by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sparse_stack(folder / "many.npy", arguments.images, arguments.side)
        train_on_few(folder, arguments.side)
        if arguments.embedded:
            run, images = RunFolder(folder / "run"), folder / "many.npy"
            take_up(run, images, folder / "all.h5", arguments.embedded)
        began = time.monotonic()
        peak = embed_all(folder)
        seconds = time.monotonic() - began
        size = (folder / "all.h5").stat().st_size / 1e6
        with EmbeddingStore(folder / "all.h5") as store:
            print(f"{store.images:,} images in {seconds:.0f} s: {store.images / seconds:,.0f} / s")
        print(f"peak memory {peak:,.0f} MB; store {size:,.0f} MB; {validate(folder / 'all.h5')}")


def train_on_few(folder: Path, side: int) -> None:
    """Train a small model on images of `side` pixels: FOLDER/run."""
    np.save(folder / "few.npy", np.random.default_rng(0).random((64, side, side)))
    config = load_preset("fast-cpu")
    config.data.path, config.train.epochs = str(folder / "few.npy"), 1
    config.data.normalise = "none"
    config.model.encoder_kernels, config.model.fourier_features = 8, 32
    config.model.generator_hidden = 32
    config.train.threads = 1  # beside others, threads that wait for each other take the most
    config.save(folder / "config.json")
    _tvae("train", folder / "run", "--config", folder / "config.json", "--no-embed")


def embed_all(folder: Path) -> float:
    """Embed FOLDER/many.npy in a child; return the most memory that it had, in MB."""
    words = ["embed", folder / "run", "--data", folder / "many.npy", "-o", folder / "all.h5"]
    child = subprocess.Popen(_command(*words), stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit("it did not embed")
    return used.ru_maxrss / 1024


def _command(*words: object) -> list[str]:
    return [sys.executable, "-m", "tvae_core.cli.main", *map(str, words)]


def _tvae(*words: object) -> None:
    done = subprocess.run(_command(*words), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)


if __name__ == "__main__":
    main()
