"""What it costs to know images by identity.

python benchmarks/identity.py [IMAGES] [SIDE]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tvae_core.images.identity import KnownImages, fingerprints, match
from tvae_core.images.opening import open_stack

_BLOCK = 1000


def main() -> None:
    """Time fingerprints, matching and opening on a set of random images."""
    count, side = (int(word) for word in [*sys.argv[1:], "100000", "64"][:2])
    block = np.random.default_rng(0).normal(size=(_BLOCK, side, side)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        target = np.lib.format.open_memmap(
            path, mode="w+", dtype=np.float32, shape=(count, side, side)
        )
        for start in range(0, count, _BLOCK):
            target[start : start + _BLOCK] = (block + start)[: count - start]
        target.flush()
        _measure(path, count)


def _measure(path: Path, count: int) -> None:
    blocks = [np.arange(i, min(i + _BLOCK, count)) for i in range(0, count, _BLOCK)]
    with open_stack(path) as stack:
        began = time.process_time()
        for block in blocks:
            images = stack.read(block)
        print(f"reading: {time.process_time() - began:.2f} CPU s")
        prints, taken = [], 0.0
        for block in blocks:
            images = stack.read(block)
            began = time.process_time()
            prints.append(fingerprints(images))
            taken += time.process_time() - began
        print(f"fingerprints: {taken:.2f} CPU s, {8 * count:,} bytes")
    every = np.concatenate(prints)
    began = time.process_time()
    match(every, every[::-1])
    print(f"matching: {time.process_time() - began:.2f} CPU s")
    began = time.process_time()
    with KnownImages(open_stack(path)) as known:
        known.read(np.arange(10))
        identity = known.identity
    with KnownImages(open_stack(path), identity) as known:
        known.read(np.arange(10))
    print(f"opening twice: {time.process_time() - began:.2f} CPU s")


if __name__ == "__main__":
    main()
