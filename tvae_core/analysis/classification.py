"""2-D classification by expectation-maximisation: what a latent space is measured against.

The model of RELION's 2-D classification (Scheres, J. Struct. Biol. 180, 2012, eqs. 1-6): image i is
the average A_k of one of K classes, turned, moved, multiplied by its CTF, in Gaussian noise whose
variance depends on the ring of frequency. Class, turn and shift are summed over a grid; averages
and noise are estimated again from the posterior, the averages with a Wiener filter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.averages import soft_circle, upright
from tvae_core.analysis.fourier_grid import (
    BLOCK,
    Float,
    Images,
    PoseGrid,
    Spectra,
    normalised,
    pose_means,
)
from tvae_core.errors import Cancelled, ConfigError
from tvae_core.progress import Cancel, Share

_SUBSET = 200  # images a starting average is made of: few, so that chance breaks its symmetry
_PARTS = 8  # principal components that classes are first told apart by


@dataclass(frozen=True)
class Search:
    """The grid that is summed over, and for how long.

    classes: K. turns: angles of the grid; the final poses are looked for on three times as many.
    shift_limit_px: whole-pixel shifts within this radius. band: of Nyquist, what is used; 0: up to
    20 cycles an image.
    """

    classes: int = 1
    turns: int = 24
    shift_limit_px: int = 6
    iterations: int = 20
    band: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Classification:
    """What the classes are, and for each image its class and its pose in it.

    averages (K, side, side); share (K,) of the images; noise (F,): variance of a component;
    label (n,) from 0; probability (n,) of that class; angle_rad (n,) counter-clockwise; shift_px
    (n, 2), x right, y up; log_likelihood (iterations,): an image's, up to a constant.
    """

    averages: Images
    share: NDArray[np.float64]
    noise: NDArray[np.float64]
    label: NDArray[np.int64]
    probability: NDArray[np.float64]
    angle_rad: NDArray[np.float64]
    shift_px: NDArray[np.float64]
    log_likelihood: NDArray[np.float64]


@dataclass(frozen=True)
class _Model:
    averages: Images  # (K, side, side)
    share: NDArray[np.float64]  # (K,)
    noise: NDArray[np.float64]  # (F,)
    shift_std: float


@dataclass
class _Sums:
    moved: NDArray[np.complex128]  # (K, R, F): posterior times image, shift undone
    used: NDArray[np.float64]  # (K, F): posterior times CTF^2
    pose: NDArray[np.float64]  # (K, R, T): posterior
    log_likelihood: float = 0.0


def classify(
    images: Float,
    search: Search | None = None,
    transfer: Float | None = None,
    progress: Share = lambda share: None,
    cancelled: Cancel = lambda: False,
) -> Classification:
    """Classify images (n, side, side) of background about 0 by expectation-maximisation.

    5,000 images of 48 x 48 at 24 turns and 113 shifts take about a second an iteration on a core.

    Parameters
    ----------
    images : (n, side, side)
        Sides above 64 px are better reduced first: time and memory grow with the components kept.
    search : Search, optional
    transfer : (n, side, side // 2 + 1), optional
        The CTF of each image on the grid of `rfft2`; none where the images have none.
    progress : told the share of the iterations that is done
    cancelled : asked before each iteration

    Raises
    ------
    ConfigError
        When images or CTFs have another shape, or there are fewer images than classes.
    Cancelled
        `cancelled()` turned true.
    """
    search = search or Search()
    data = Spectra.of(images, search.band, transfer)
    if len(images) < search.classes:
        raise ConfigError(f"{search.classes} classes of {len(images)} images", "", "ask for fewer")
    model = _start(images, data, search)
    grid = PoseGrid.of(data, search.turns, search.shift_limit_px)
    history = []
    for iteration in range(search.iterations):
        if cancelled():
            raise Cancelled("the classification was stopped")
        if iteration == search.iterations // 2 and search.classes > 1:
            model = _split(images, data, model, search)
        noise = model.noise
        sums = _expectation(data, model, grid)
        model = _maximisation(data, sums, model, grid)
        history.append(sums.log_likelihood / len(data) + data.log_noise(noise))
        progress((iteration + 1) / search.iterations)
    fine = PoseGrid.of(data, 3 * search.turns, search.shift_limit_px)
    return _poses(data, model, fine, np.array(history))


def _start(images: Float, data: Spectra, search: Search) -> _Model:
    """Return the average of a few images as found, and the variance of all."""
    random = np.random.default_rng(search.seed)
    few = random.choice(len(images), min(_SUBSET, len(images)), replace=False)
    average = np.asarray(images[few], np.float64).mean(0, keepdims=True)
    smooth = data.images_of(data.of_references(average))
    noise = data.ring_mean(data.power) / (2 * len(data))
    return _Model(smooth, np.ones(1), noise, max(1.0, search.shift_limit_px / 2))


def principal_parts(
    images: Float, angle_rad: Float, shift_px: Float, count: int
) -> tuple[Float, Float, Float]:
    """Return scores (n, count), components (count, side, side) and variances (side^2,), rising.

    Of the images turned upright by their poses, inside a soft circle; the strongest first.
    """
    circle = soft_circle(images.shape[1])
    stood = upright(images, angle_rad, shift_px, 0.0)
    flat = ((stood - stood.mean(0)) * circle).reshape(len(images), -1)
    values, vectors = np.linalg.eigh(flat.T @ flat / len(flat))
    parts = vectors[:, ::-1][:, :count].T
    return flat @ parts.T, parts.reshape(-1, *circle.shape), values


def _split(images: Float, data: Spectra, model: _Model, search: Search) -> _Model:
    """Return K classes: k-means of the principal scores of the images aligned as one class.

    Classes that start from chance averages swallow each other (all images in one of two, seen on
    hinges of two states).
    """
    from sklearn.cluster import KMeans

    grid = PoseGrid.of(data, search.turns, search.shift_limit_px)
    found = _poses(data, model, grid, np.empty(0))
    scores, _, _ = principal_parts(images, found.angle_rad, found.shift_px, _PARTS)
    means = KMeans(search.classes, n_init=4, random_state=search.seed).fit(scores)
    stood = upright(images, found.angle_rad, found.shift_px, 0.0)
    averages = np.stack([stood[means.labels_ == k].mean(0) for k in range(search.classes)])
    share = np.bincount(means.labels_, minlength=search.classes) / len(images)
    return replace(model, averages=averages.astype(np.float32), share=share)


def _expectation(data: Spectra, model: _Model, grid: PoseGrid) -> _Sums:
    k, r, f = len(model.averages), len(grid.angles), len(data.ring)
    pose = np.zeros((k, r, len(grid.shifts)))
    sums = _Sums(np.zeros((k, r, f), complex), np.zeros((k, f)), pose)
    for block, evidence, weight in _posteriors(data, model, grid):
        sums.log_likelihood += float(evidence.sum())
        sums.pose += weight.sum(0, dtype=np.float64)
        sums.moved += grid.moved_back(weight, data.rows[block])
        if data.transfer2 is not None:
            sums.used += weight.sum((2, 3)).T @ data.transfer2[block]
    if data.transfer2 is None:
        sums.used += sums.pose.sum((1, 2))[:, None]
    return sums


def _posteriors(
    data: Spectra, model: _Model, grid: PoseGrid
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float32]]]:
    """Yield for each block its log evidence (B,) and its posterior (B, K, R, T)."""
    k, r, t = len(model.averages), len(grid.angles), len(grid.shifts)
    drawn = data.turned(model.averages, grid)  # (K, R, F)
    half = (np.abs(drawn) ** 2 / model.noise / 2).astype(np.float32).reshape(k * r, -1)
    with np.errstate(divide="ignore"):
        share = np.log(model.share)[:, None, None]
    prior = (share + grid.log_prior(model.shift_std)).astype(np.float32)
    columns = grid.columns(drawn / model.noise)
    for start in range(0, len(data), BLOCK):
        block = slice(start, start + BLOCK)
        score = (data.rows[block] @ columns.T).reshape(-1, k, r, t)
        norm = half.sum(1) if data.transfer2 is None else data.transfer2[block] @ half.T
        score += prior - norm.reshape(-1, k, r, 1)
        evidence, weight = normalised(score)
        yield block, evidence, weight


def _maximisation(data: Spectra, sums: _Sums, model: _Model, grid: PoseGrid) -> _Model:
    averages = np.stack([_wiener(data, sums, k, model, grid) for k in range(len(sums.pose))])
    drawn = data.turned(averages, grid)
    power = np.abs(drawn) ** 2 * sums.used[:, None] / len(grid.angles)
    explained = (2 * (drawn.conj() * sums.moved).real - power).sum((0, 1))
    residual = np.maximum(data.power - explained, 1e-9 * data.power)
    centred = [data.moved(averages[k, None], grid.centre(one)) for k, one in enumerate(sums.pose)]
    return replace(
        model,
        averages=np.concatenate(centred),
        share=sums.pose.sum((1, 2)) / len(data),
        noise=data.ring_mean(residual) / (2 * len(data)),
        shift_std=grid.shift_std(sums.pose.sum(0)),
    )


def _wiener(data: Spectra, sums: _Sums, k: int, model: _Model, grid: PoseGrid) -> Images:
    """Return the average of class k: its images turned back, over the CTF^2 they carry."""
    spectrum = data.of_references(data.turned_back(sums.moved[k], grid)[None])[0]
    used = np.maximum(data.ring_mean(sums.used[k]), 1e-6)
    noise = model.noise / used
    signal = np.maximum(data.ring_mean(np.abs(spectrum / used) ** 2) / 2 - noise, 1e-9 * noise)
    average: Images = data.images_of((spectrum / used * signal / (signal + noise))[None])[0]
    return average


def _poses(
    data: Spectra, model: _Model, grid: PoseGrid, history: NDArray[np.float64]
) -> Classification:
    """Return each image's class, and the mean pose about the likeliest turn in it."""
    found = []
    for _, _, weight in _posteriors(data, model, grid):
        of_class = weight.sum((2, 3))
        best = of_class.argmax(1)
        rows = np.arange(len(best))
        found.append((best, of_class[rows, best], *pose_means(weight[rows, best], grid)))
    label, probability, angle, shift = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Classification(
        model.averages, model.share, model.noise, label, probability, angle, shift, history
    )
