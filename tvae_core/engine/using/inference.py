"""Deterministic inference: content, rotation and shift of the likeliest mode, and their spread.

Shapes: B batch, C channels, H W image, S cells, R rotations, K kernels, D content dimensions,
P pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvae_core.engine.data import Batch
from tvae_core.engine.device import mixed_precision, working_set_bytes
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.model.likelihood import expected_pixels, log_likelihood
from tvae_core.engine.model.posterior import entropy, kl_terms
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.using.likeliest_mode import likeliest_mode
from tvae_core.store import EmbeddingStore

Array = NDArray[np.floating]

_IN_CACHE_BYTES = 8 << 20


@dataclass(frozen=True)
class Inferred:
    """What is inferred of each image, on the CPU, float32.

    z_mean, z_std (B, D); angle_rad in [-pi, pi), angle_std_rad (B,); shift_px, shift_std_px (B, 2);
    peak, entropy (B,); rotation (B, R) = q(r | y); reconstruction_error (B,) mean squared
    difference a pixel and elbo (B,) nats at the means, NaN where no pixels were asked for;
    reconstruction (B, C, H, W) where all were.
    """

    z_mean: Tensor
    z_std: Tensor
    angle_rad: Tensor
    angle_std_rad: Tensor
    shift_px: Tensor
    shift_std_px: Tensor
    peak: Tensor
    entropy: Tensor
    rotation: Tensor
    reconstruction_error: Tensor
    elbo: Tensor
    reconstruction: Tensor | None = None


@torch.no_grad()
def infer(
    model: TargetVae, images: Tensor, pixel_share: float = 1.0, ctf: Tensor | None = None
) -> Inferred:
    """Return what the model infers of images (B, C, H, W).

    Parameters
    ----------
    pixel_share : float
        Share of the compared pixels that are drawn for the reconstruction error and the ELBO: 1 all
        and the whole reconstruction, 0 none. The latents are the same whatever it is; without
        pixels the heads of z, angle and shift are evaluated about the most likely cell alone.
    ctf : (B, 9), optional
        Of each image, for a model that sees through it (`ctf_values`): the reconstruction is then
        what the microscope shows of the object.
    """
    size = images_at_once(model, model.points_px.device)
    while True:
        try:
            parts = _infer_parts(model, Batch(images, ctf), size, pixel_share)
            break
        except torch.OutOfMemoryError:  # others use the GPU too, or it was taken for larger
            if size == 1:
                raise
            size = -(-min(size, len(images)) // 2)
    return Inferred(**{name: torch.cat([part[name] for part in parts]) for name in parts[0]})


def _infer_parts(
    model: TargetVae, batch: Batch, size: int, share: float
) -> list[dict[str, Tensor]]:
    device = model.points_px.device
    parts = [_infer_part(model, part.to(device), share) for part in batch.split(size)]
    return [_at_home(part) for part in parts]


def _at_home(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors (B, ...) on the CPU, float32; from a GPU in one copy: each waits for it."""
    if not found["z_mean"].is_cuda:
        return {name: value.float() for name, value in found.items()}
    flat = {name: value.float().reshape(len(value), -1) for name, value in found.items()}
    home = torch.cat(list(flat.values()), 1).cpu()
    parts = torch.split(home, [value.shape[1] for value in flat.values()], 1)
    shapes = [value.shape for value in found.values()]
    return {n: part.reshape(s) for n, part, s in zip(found, parts, shapes, strict=True)}


def images_at_once(model: TargetVae, device: torch.device) -> int:
    """Return how many images' features stay in cache, or fit half of what a GPU has free.

    There they are bfloat16, and a layer has its input, its output and one more at a time.
    """
    on_cpu = device.type == "cpu"
    room = _IN_CACHE_BYTES if on_cpu else 2 * working_set_bytes(device)
    config = model.model
    cells = len(model.positions_px) * config.rotations
    return max(1, room // ((4 if on_cpu else 8) * cells * config.encoder_kernels))


def _infer_part(model: TargetVae, batch: Batch, pixel_share: float) -> dict[str, Tensor]:
    images = batch.images
    encoder, prior = model.encoder, model.prior
    kl = None
    with mixed_precision(images.device):
        features = encoder.features(images)
        if pixel_share > 0:
            posterior = encoder.posterior(features, prior)
            log_q, kl = posterior.log_q, kl_terms(posterior, prior).total
        else:
            log_q = encoder.log_q(features, prior)
        found = likeliest_mode(model, features, log_q)
    found |= {"entropy": entropy(log_q), "rotation": log_q.exp().sum(1)}
    if kl is None:
        unknown = torch.full_like(found["entropy"], torch.nan)
        return found | {"reconstruction_error": unknown, "elbo": unknown}
    return found | _fit(model, batch, found, kl, pixel_share)


def _fit(
    model: TargetVae, batch: Batch, latents: dict[str, Tensor], kl: Tensor, share: float
) -> dict[str, Tensor]:
    """Return reconstruction error, ELBO and, of a share of 1, the reconstruction."""
    images = batch.images
    pixels = None if share >= 1 or batch.ctf is not None else _spread_out(model.compared, share)
    with mixed_precision(images.device):
        raw = model.draw(latents["z_mean"], latents["angle_rad"], latents["shift_px"], pixels)
    raw = model.through_ctf(raw, batch.ctf)
    expected = expected_pixels(raw, model.model)  # (B, P, C)
    seen = images.flatten(2).transpose(1, 2)
    compared = model.compared
    if pixels is not None:
        seen, compared = seen[:, pixels], torch.arange(len(pixels), device=pixels.device)
    log_p = log_likelihood(raw[:, compared], seen[:, compared], model.model).sum(1)
    difference = (seen - expected)[:, compared]
    found = {
        "reconstruction_error": difference.square().mean((1, 2)),
        "elbo": log_p * (len(model.compared) / len(compared)) - kl,
    }
    if pixels is None:
        found["reconstruction"] = expected.transpose(1, 2).reshape(images.shape)
    return found


def _spread_out(compared: Tensor, share: float) -> Tensor:
    """Return a share of the compared pixels, the same for every image, without preference."""
    g = torch.Generator().manual_seed(len(compared))
    order = torch.randperm(len(compared), generator=g)
    chosen = order[: max(1, round(share * len(compared)))].sort().values
    return compared[chosen.to(compared.device)]


def poses_by(store: EmbeddingStore) -> Callable[[Array], tuple[Array, Array, Array]]:
    """Return what infers content (n, D), angle (n,) and shift (n, 2) as a store's model does.

    It takes images (n, C, h, w) as the model sees them.

    Raises
    ------
    CheckpointError, StoreError
        The store holds no usable model.
    """
    return poses_of_model(store.weights(), store.path)


def poses_of_model(
    weights: bytes, where: Path | str = "model"
) -> Callable[[Array], tuple[Array, Array, Array]]:
    """Return what infers content, angle and shift as the model of a safetensors file does.

    Raises
    ------
    CheckpointError
        It is no usable model.
    """
    model = model_from_bytes(weights, Path(where))

    def poses(images: Array) -> tuple[Array, Array, Array]:
        found = infer(model, torch.from_numpy(np.ascontiguousarray(images, np.float32)), 0.0)
        return found.z_mean.numpy(), found.angle_rad.numpy(), found.shift_px.numpy()

    return poses


@torch.no_grad()
def attention_of(model: TargetVae, image: Array) -> tuple[Array, Array, float]:
    """Return where and how turned a model looks for the object of one image (C, H, W).

    Returns
    -------
    shift : (cells, cells) float32
        q(t | y), row 0 on top; its middle is no shift.
    rotation : (R,) float32
        q(r | y).
    pitch_px : float
        Pixels from one cell to the next.
    """
    images = torch.from_numpy(np.ascontiguousarray(image, np.float32))[None]
    q = model.infer(images.to(model.points_px.device)).log_q.float().exp()[0].cpu()
    side = round(len(q) ** 0.5)
    shift = q.sum(1).reshape(side, side).numpy()
    return shift, q.sum(0).numpy(), float(model.grid.pitch)
