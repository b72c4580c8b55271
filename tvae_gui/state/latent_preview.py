"""The latent plane of one epoch, read from a run's previews."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_MOST = 5000


@dataclass(frozen=True)
class LatentPlane:
    """Points of a preview: positions (n, 2), labels (n,) or None, and the names of the axes."""

    positions: NDArray[np.float64]
    labels: NDArray[np.int64] | None
    axes: tuple[str, str]
    total: int


def read_latents(path: Path) -> LatentPlane | None:
    """Return the plane of a `latents_EPOCH.npz`; None when the file is missing or damaged.

    Two dimensions are shown as they are, more by their first principal components, one against
    its rank.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            z = np.asarray(arrays["z"], dtype=np.float64)
            labels = arrays.get("label")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if z.ndim != 2 or not z.size or not np.isfinite(z).all():
        return None
    step = -(-len(z) // _MOST)
    positions, axes = _plane(z)
    return LatentPlane(positions[::step], _labels(labels, len(z), step), axes, len(z))


def _plane(z: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[str, str]]:
    if z.shape[1] == 2:
        return z, ("z1", "z2")
    if z.shape[1] == 1:
        rank = np.argsort(np.argsort(z[:, 0])) / max(1, len(z) - 1)
        return np.column_stack([z[:, 0], rank]), ("z1", "rank")
    centred = z - z.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(2)])  # keeps sides over epochs
    return centred @ axes, ("component 1", "component 2")


def _labels(labels: object, count: int, step: int) -> NDArray[np.int64] | None:
    if labels is None:
        return None
    array = np.asarray(labels)
    if array.shape != (count,):
        return None
    _, codes = np.unique(array, return_inverse=True)
    return codes.astype(np.int64)[::step]
