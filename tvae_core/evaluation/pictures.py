"""The pictures of an evaluation, in `evaluation/` of the run's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis import evaluation
from tvae_core.analysis.evaluation import Found, Truth
from tvae_core.analysis.projection import neighbour_plane, pca
from tvae_core.figures import confusion_figure, plane_figure, rotation_figure

FOLDER = "evaluation"
_EMBEDDED = 2_000  # t-SNE takes about 10 s for these

Array = NDArray[np.floating]


def draw_figures(folder: Path, found: Found, truth: Truth, seed: int = 0) -> list[tuple[str, str]]:
    """Draw what there is truth for and return (file in `folder`, caption) of each picture."""
    target = folder / FOLDER
    target.mkdir(exist_ok=True)
    drawn = [_plane(target, found, truth)]
    if truth.labels is not None and found.z_mean.shape[1] > 2:
        drawn.append(_neighbours(target, found, truth, seed))
    counts = evaluation.confusion(found, truth, seed)
    if counts is not None:
        names = [truth.label_name(label) for label in range(len(counts))]
        confusion_figure(target / "confusion.png", counts, names, overwrite=True)
        drawn.append(("confusion.png", "Ward's clusters of z against the labels, counts"))
    if truth.angle_rad is not None and found.angle_rad.std() > 0:
        rotation_figure(
            target / "rotation.png",
            found.angle_rad,
            truth.angle_rad,
            truth.labels,
            truth.label_names,
            overwrite=True,
        )
        drawn.append(("rotation.png", "Rotation inferred (x) and true (y), as inferred"))
    return [(f"{FOLDER}/{file}", caption) for file, caption in drawn]


def _plane(target: Path, found: Found, truth: Truth) -> tuple[str, str]:
    z = found.z_mean
    xy = np.column_stack([z, np.zeros(len(z))]) if z.shape[1] == 1 else z
    words, axes = "The latent z", ("z1", "z2")
    if z.shape[1] > 2:
        xy, words, axes = pca(z).coordinates, "Principal plane of z", ("PC 1", "PC 2")
    values, name = None, ""
    if truth.labels is None and truth.factors:
        name, values = next(iter(truth.factors.items()))
    plane_figure(
        target / "plane.png",
        xy,
        labels=truth.labels,
        names=truth.label_names,
        values=values,
        value_name=name,
        axes=axes,
        overwrite=True,
    )
    return "plane.png", words


def _neighbours(target: Path, found: Found, truth: Truth, seed: int) -> tuple[str, str]:
    order = np.random.default_rng([seed, 4]).permutation(len(found.z_mean))[:_EMBEDDED]
    xy, method = neighbour_plane(found.z_mean[order], seed)
    labels = None if truth.labels is None else truth.labels[order]
    axes = (f"{method} 1", f"{method} 2")
    file = target / "neighbours.png"
    names = truth.label_names
    plane_figure(file, xy, labels=labels, names=names, axes=axes, overwrite=True)
    return "neighbours.png", f"{method} of z, {len(order):,} images"
