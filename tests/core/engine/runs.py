"""Tiny real runs: a few seconds from images to embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.core.engine.model.models import blob_images
from tvae_core.config import RunConfig
from tvae_core.runs.folder import RunFolder

SIDE = 12
TINY: dict[str, Any] = {
    "model": {
        "rotations": 4,
        "kernel_px": 7,
        "encoder_kernels": 4,
        "encoder_layers": 1,
        "generator_hidden": 16,
        "fourier_features": 16,
        "fourier_scale_px": 3.0,
        "shift_prior_std_px": 1.0,
        "shift_limit_sigmas": 2.0,
    },
    "train": {
        "epochs": 3,
        "batch_size": 8,
        "learning_rate": 2e-3,
        "schedule": "cosine",
        "weight_average": 0.9,
        "sampler": "cells",
        "samples": 3,
        "pixel_share": 0.5,
        "threads": 1,
        "preview_images": 16,
        "checkpoint_minutes": 1e-6,
    },
    "embed": {"atlas_nodes": 4},
}


def write_images(folder: Path, count: int = 60, channels: int = 1) -> Path:
    """Write `count` small images as one .npy and return its path."""
    images = blob_images(count, SIDE, channels).numpy()
    path = folder / "images.npy"
    np.save(path, np.moveaxis(images, 1, -1) if channels == 3 else images[:, 0])
    return path


def tiny_run(folder: Path, images: Path, *settings: str) -> RunFolder:
    """Return a new run of the tiny config in `folder`, which need not exist."""
    config = RunConfig.model_validate(TINY).changed([f"data.path={images}", *settings])
    run = RunFolder(folder)
    run.create(config)
    return run
