"""The ELBO of held-out images, estimated without bias from samples of the posterior itself."""

from __future__ import annotations

import torch

from tvae_core.engine.data import CachedImages, Indices, batch_of, blocks_of
from tvae_core.engine.device import mixed_precision
from tvae_core.engine.sampling import categorical_sample
from tvae_core.engine.step import TERMS, add_terms, noise
from tvae_core.engine.target_vae import TargetVae


@torch.no_grad()
def mean_elbo(
    model: TargetVae,
    images: CachedImages,
    indices: Indices,
    batch: int,
    samples: int = 1,
    seed: int = 0,
) -> dict[str, float]:
    """Return the ELBO and its parts, nats an image, means over `indices`, with `samples` draws."""
    device = model.points_px.device
    g = noise(device, seed, -1 % (1 << 31))
    sums = dict.fromkeys(TERMS, 0.0)
    for block in blocks_of(len(indices), batch):
        part = batch_of(images, indices[block]).to(device)
        with mixed_precision(device):
            posterior = model.infer(part.images)
            sample = categorical_sample(posterior, model.cells, samples, g)
            terms = model.elbo_terms(part.images, posterior, sample, ctf=part.ctf)
            add_terms(sums, terms)
    return {name: value / len(indices) for name, value in sums.items()}
