"""Judging a run: what it inferred of the images held out, against what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis import evaluation as figures
from tvae_core.analysis.evaluation import Found, Row, Truth
from tvae_core.analysis.metrics import turn_errors
from tvae_core.config import RunConfig
from tvae_core.engine.data import CachedImages, Indices, split_images
from tvae_core.engine.device import choose_device, cores, set_threads
from tvae_core.engine.judging.evaluate import mean_elbo, turned_angles, unturned_angles
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.model.systems import free_parameters, reference_parameters
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.together.ranks import ALONE, Ranks
from tvae_core.errors import Cancelled, CheckpointError
from tvae_core.evaluation.file import NAME, Evaluation, load_evaluation
from tvae_core.evaluation.pictures import draw_figures
from tvae_core.evaluation.truth import open_truth, truth_beside
from tvae_core.files import sha256_of_bytes
from tvae_core.geometry import TWO_PI
from tvae_core.images_of import remember
from tvae_core.progress import Cancel, Share
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.images import are_images_of, open_images_of_run, place_of_images
from tvae_core.store import EmbeddingStore

_BATCH = 50


@dataclass(frozen=True)
class Effort:
    """How much is computed: samples of q an image; turns of each of so many images a class."""

    samples: int = 8
    turns: int = 160
    turned_images: int = 10
    seed: int = 0
    device: str = "auto"
    threads: int = 0


@dataclass(frozen=True)
class Judged:
    """An evaluation and the file it was written to."""

    evaluation: Evaluation
    path: Path

    @property
    def markdown(self) -> str:
        """The table as Markdown."""
        return self.evaluation.markdown


def evaluate(
    path: Path,
    truth_file: Path | None = None,
    effort: Effort | None = None,
    images_at: str = "",
    progress: Share = lambda share: None,
    cancelled: Cancel = lambda: False,
    ranks: Ranks = ALONE,
) -> Judged:
    """Compute a run's figures and write evaluation.json, evaluation.md and pictures into it.

    The images are those held out: the test split where there is one, else the validation split,
    else all. Each rank computes its share, to the figures of one alone; rank 0 writes them.

    Raises
    ------
    CheckpointError
        The run has no model or store, or they are not of one training.
    ConfigError
        The truth does not fit the images.
    Cancelled
        `cancelled()` turned true; what the run has of an evaluation stays.
    """
    effort, step = effort or Effort(), _Steps(progress, cancelled, ranks)
    run = RunFolder(path)
    config = run.config()
    set_threads(ranks.threads(effort.threads, cores()))
    if not run.model.exists():
        raise CheckpointError("the run has no model yet", path, "finish its training first")
    content = run.model.read_bytes()
    digest = sha256_of_bytes(content)
    device = choose_device(effort.device, ranks.local, ranks.local_size)
    model = model_from_bytes(content, run.model).to(device)
    model.encoder.same_lifting(ranks, trained=False)
    through_ctf = config.model.ctf == "likelihood"
    data = place_of_images(run, config.data, images_at)
    with (
        EmbeddingStore(run.store) as store,
        open_images_of_run(run, data, through_ctf) as images,
    ):
        same = len(store) == len(images) and are_images_of(run, store.images_known_by)
        if store.header.weights_sha256 != digest or not same:
            todo = f"run `tvae embed {path}` first"
            raise CheckpointError(
                "the store belongs to another model or to other images", path, todo
            )
        if images_at and ranks.is_first:
            remember(store, images_at)
        split, held = held_out(config, len(images))
        known, source = _truth(truth_file, config, store)
        truth = known.taken(held)
        cached = CachedImages(images)
        found = _found(model, cached, store, held, truth, step)
        rows = _rows(model, cached, held, found, truth, effort, step)
        about = _about(path, model, split, len(held), len(images), source, digest)
    if ranks.is_first:
        Evaluation(about, rows, draw_figures(path, found, truth, effort.seed)).save(path)
    ranks.wait()
    return judged(path)


def judged(path: Path) -> Judged:
    """Return the evaluation that was written into a run's folder."""
    return Judged(load_evaluation(path / NAME), path / NAME)


@dataclass(frozen=True)
class _Steps:
    """Tells how far an evaluation is, and stops it."""

    progress: Share
    cancelled: Cancel
    ranks: Ranks = ALONE

    def __call__(self) -> None:
        if self.cancelled():
            raise Cancelled("the evaluation was stopped; nothing was written")

    def done(self, share: float) -> None:
        self()
        self.progress(share)


def _rows(
    model: TargetVae,
    images: CachedImages,
    held: Indices,
    found: Found,
    truth: Truth,
    effort: Effort,
    step: _Steps,
) -> list[Row]:
    ranks = step.ranks
    elbo = mean_elbo(model, images, held, _BATCH, effort.samples, effort.seed, step, ranks)
    rows = figures.elbo_rows(elbo, effort.samples)
    step.done(0.4)
    if ranks.is_first:
        rows += [*figures.clustering_rows(found, truth, effort.seed)]
        rows += [*figures.shift_rows(found, truth), *figures.rotation_rows(found, truth)]
    step.done(0.6)
    rows += _turn_rows(model, images, held, truth, effort, step)
    rows += figures.factor_rows(found, truth)
    step.done(0.9)
    return rows


def held_out(config: RunConfig, count: int) -> tuple[str, Indices]:
    """Return the name of the split that a run is judged on, and its images."""
    split = split_images(count, config.data, config.train.seed)
    if len(split.test):
        return "test", split.test
    if len(split.validation):
        return "validation", split.validation
    return "all", np.arange(count)


def turned_images(
    labels: NDArray[np.integer] | None, count: int, a_class: int, seed: int
) -> Indices:
    """Return which of `count` images are turned: `a_class` of each label, at random by seed."""
    order = np.random.default_rng([seed, 3]).permutation(count)
    if labels is None:
        return np.sort(order[:a_class])
    kinds = np.unique(labels[labels >= 0])
    return np.sort(np.concatenate([order[labels[order] == k][:a_class] for k in kinds]))


def _truth(file: Path | None, config: RunConfig, store: EmbeddingStore) -> tuple[Truth, str]:
    """Return what is known of the images of a run, and from where."""
    path = file or truth_beside(config.data.path)
    truth, source = Truth(), "none"
    if path is not None:
        truth, source = open_truth(path, len(store), store.header.scale), path.name
    if truth.labels is None and store.labels is not None and (store.labels >= 0).any():
        labels = np.asarray(store.labels)
        truth = replace(truth, labels=labels, label_names=tuple(store.label_names))
        source = "labels of the images" if path is None else f"{source}, labels of the images"
    return truth, source


def _found(
    model: TargetVae,
    images: CachedImages,
    store: EmbeddingStore,
    held: Indices,
    truth: Truth,
    check: _Steps,
) -> Found:
    unturned = None
    if truth.angle_rad is not None:
        shift = truth.shift_px
        if shift is None:
            shift = np.zeros((len(held), 2))
        unturned = unturned_angles(model, images, held, truth.angle_rad, shift, check, check.ranks)
    return Found(
        z_mean=store.z_mean[held],
        z_std=store.column("content/std")[held],
        angle_rad=store.angle_rad[held],
        shift_px=store.shift_px[held],
        unturned_rad=unturned,
    )


def _turn_rows(
    model: TargetVae,
    images: CachedImages,
    held: Indices,
    truth: Truth,
    effort: Effort,
    check: _Steps,
) -> list[Row]:
    if not effort.turned_images or not effort.turns or not (model.prior.angle_std_rad > 1e-3):
        return []
    chosen = turned_images(truth.labels, len(held), effort.turned_images, effort.seed)
    pictures = images.read(held[chosen])
    turns = np.linspace(0.0, TWO_PI, effort.turns, endpoint=False)
    found = turned_angles(model, pictures, turns, check, check.ranks)
    errors = turn_errors(found, turns, found[:, 0])
    return figures.turn_rows(errors, truth.taken(chosen), effort.turns)


def _about(
    path: Path, model: TargetVae, split: str, held: int, count: int, source: str, weights: str
) -> dict[str, Any]:
    reference = reference_parameters(model.model, model.side, model.channels)
    ours = model.model.system == "target-vae"
    return {
        "run": path.resolve().name,
        "system": model.model.system,
        "parameters": reference if ours else free_parameters(model),
        "reference_parameters": 0 if ours else reference,
        "split": split,
        "images": held,
        "of": count,
        "truth": source,
        "weights": weights,
    }
