"""Held-out images: the ELBO, without bias from samples of the posterior, and angles under turns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from tvae_core.analysis.averages import upright
from tvae_core.engine.data import CachedImages, Indices, batch_of, blocks_of
from tvae_core.engine.device import full_precision, mixed_precision
from tvae_core.engine.model.noise import Noise
from tvae_core.engine.model.sampling import categorical_sample
from tvae_core.engine.model.target_vae import TERMS, TargetVae
from tvae_core.engine.together.ranks import ALONE, Ranks
from tvae_core.engine.using.inference import infer

Pictures = NDArray[np.float32]
Values = NDArray[np.floating]
_BATCH = 100
_NO_STEP = -1  # of training: the noise of an evaluation is its own
Check = Callable[[], None]  # is called often; raises `Cancelled` when the work is to stop


def nothing() -> None:
    """Never stop."""


@torch.no_grad()
def mean_elbo(
    model: TargetVae,
    images: CachedImages,
    indices: Indices,
    batch: int,
    samples: int = 1,
    seed: int = 0,
    check: Check = nothing,
    ranks: Ranks = ALONE,
) -> dict[str, float]:
    """Return the ELBO and its parts, nats an image, means over `indices`, with `samples` draws.

    Each rank of a run looks at its share of the blocks, and all get the means over all.
    """
    device = model.points_px.device
    sums = torch.zeros(len(TERMS), dtype=torch.float64, device=device)
    blocks = list(blocks_of(len(indices), batch))
    for number in ranks.share(np.arange(len(blocks))):
        check()
        part = batch_of(images, indices[blocks[number]]).to(device)
        with mixed_precision(device):
            posterior = model.infer(part.images)
            noise = Noise(seed, _NO_STEP, part.numbers)
            with full_precision(device):
                sample = categorical_sample(posterior, model.cells, samples, noise)
            terms = model.elbo_terms(part.images, posterior, sample, ctf=part.ctf)
            sums += terms.sums()
    return dict(zip(TERMS, (ranks.summed(sums) / len(indices)).tolist(), strict=True))


@torch.no_grad()
def angles_of(model: TargetVae, images: Pictures) -> NDArray[np.float32]:
    """Return the most likely rotation of images (n, C, H, W), (n,) radians; nothing is drawn."""
    found = infer(model, torch.from_numpy(np.ascontiguousarray(images)), pixel_share=0)
    return np.asarray(found.angle_rad.numpy())


def unturned_angles(
    model: TargetVae,
    images: CachedImages,
    indices: Indices,
    angle_rad: Values,
    shift_px: Values,
    check: Check = nothing,
    ranks: Ranks = ALONE,
) -> NDArray[np.float32]:
    """Return the rotation inferred of images turned back by their true poses, (n,) radians.

    angle_rad (n,) and shift_px (n, 2) are the poses of `indices`.
    """
    found = np.zeros(len(indices), np.float32)
    blocks = list(blocks_of(len(indices), _BATCH))
    for number in ranks.share(np.arange(len(blocks))):
        check()
        block = blocks[number]
        back = turned_back(images.read(indices[block]), angle_rad[block], shift_px[block])
        found[block] = angles_of(model, back)
    return ranks.filled(found)


def turned_angles(
    model: TargetVae,
    images: Pictures,
    turns_rad: Values,
    check: Check = nothing,
    ranks: Ranks = ALONE,
) -> NDArray[np.float32]:
    """Return the rotation inferred as images (n, C, H, W) are turned by each of T turns, (n, T).

    Each image is turned about its centre by bilinear interpolation (paper appendix A.3).
    """
    none = np.zeros((len(images), 2))
    found = np.zeros((len(images), len(turns_rad)), np.float32)
    for number in ranks.share(np.arange(len(turns_rad))):
        check()
        back = turned_back(images, np.full(len(images), -turns_rad[number]), none)
        found[:, number] = angles_of(model, back)
    return ranks.filled(found)


def turned_back(images: Pictures, angle_rad: Values, shift_px: Values) -> Pictures:
    """Return images (n, C, H, W) with their poses taken out, interpolated bilinearly."""
    flat = upright(np.moveaxis(images, 1, -1), angle_rad, shift_px)
    return np.ascontiguousarray(np.moveaxis(flat, -1, 1))
