"""Embed a stack far larger than memory should be asked for: 200,000 images, made sparse on disk.

python benchmarks/large_stack.py [--images 200000] [--side 32]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tvae_core.presets import load_preset
from tvae_core.store import EmbeddingStore, validate


def main() -> None:
    """Train briefly on a few images, embed all of them in a child, report its peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--side", type=int, default=32)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _sparse_stack(folder / "many.npy", arguments.images, arguments.side)
        np.save(folder / "few.npy", np.random.default_rng(0).random((64, *2 * (arguments.side,))))
        config = load_preset("fast-cpu")
        config.data.path, config.train.epochs = str(folder / "few.npy"), 1
        config.data.normalise = "none"
        config.model.encoder_kernels, config.model.fourier_features = 8, 32
        config.model.generator_hidden = 32
        config.save(folder / "config.json")
        _tvae("train", folder / "run", "--config", folder / "config.json", "--no-embed")
        began = time.monotonic()
        _tvae("embed", folder / "run", "--data", folder / "many.npy", "-o", folder / "all.h5")
        seconds = time.monotonic() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        size = (folder / "all.h5").stat().st_size / 1e6
        with EmbeddingStore(folder / "all.h5") as store:
            print(f"{store.images:,} images in {seconds:.0f} s: {store.images / seconds:,.0f} / s")
        print(f"peak memory {peak:,.0f} MB; store {size:,.0f} MB; {validate(folder / 'all.h5')}")


def _sparse_stack(path: Path, count: int, side: int) -> None:
    stack = np.lib.format.open_memmap(path, "w+", np.float32, (count, side, side))
    rng = np.random.default_rng(1)
    stack[:: max(1, count // 1000)] = rng.random((len(stack[:: max(1, count // 1000)]), side, side))
    stack.flush()


def _tvae(*words: object) -> None:
    command = [sys.executable, "-m", "tvae_core.cli.main", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)


if __name__ == "__main__":
    main()
