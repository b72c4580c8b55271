"""A stack of many images, and an embedding of it of which all but a few blocks are done."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tvae_core.config import RunConfig
from tvae_core.engine.using.embed import embed
from tvae_core.images.prepared import open_prepared
from tvae_core.progress import Embedded
from tvae_core.runs.folder import RunFolder


def sparse_stack(path: Path, count: int, side: int) -> None:
    """Write a stack of which each thousandth image holds anything, sparse on disk."""
    stack = np.lib.format.open_memmap(path, "w+", np.float32, (count, side, side))
    rng = np.random.default_rng(1)
    stack[:: max(1, count // 1000)] = rng.random((len(stack[:: max(1, count // 1000)]), side, side))
    stack.flush()


def of_images(run: RunFolder, images: Path) -> RunConfig:
    """Return the configuration of a run with other images."""
    config = run.config()
    data = config.data.model_copy(update={"path": str(images)})
    return config.model_copy(update={"data": data})


def take_up(run: RunFolder, images: Path, target: Path, embedded: int) -> None:
    """Embed one block of images, and lay copies of it for all but `embedded` of the blocks."""
    config = of_images(run, images)
    for record in embed(run, target, config):
        if isinstance(record, Embedded):
            break
    (first,) = target.parent.glob(f".{target.stem}.parts/*/*.npz")
    with np.load(first) as found:
        columns = dict(found)
    size = len(columns["content/mean"])
    with open_prepared(config.data) as prepared:
        stack = prepared.stack
        for start in range(embedded * size, len(prepared), size):
            block = np.arange(start, min(start + size, len(prepared)))
            stack.learn(block)
            copied = {name: values[: len(block)] for name, values in columns.items()}
            copied["source/fingerprint"] = stack.identity.prints[block]  # type: ignore[index]
            np.savez(first.with_name(f"{start:010d}.npz"), **copied)  # type: ignore[arg-type]
