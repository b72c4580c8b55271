"""Pictures of a run as it learns: decoded grid, raw and reconstructed pairs, latents."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from tvae_core.config import RunConfig
from tvae_core.engine.data import CachedImages, batch_of
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.using.decode import Decoder
from tvae_core.engine.using.inference import infer
from tvae_core.files import write_bytes
from tvae_core.progress import Preview
from tvae_core.runs.folder import RunFolder

GRID_NODES = 8
PAIRS = 10
_BATCH = 100
Images = NDArray[np.floating[Any]]


def write(
    run: RunFolder, model: TargetVae, images: CachedImages, config: RunConfig, epoch: int
) -> Preview:
    """Write the previews of an epoch into the run and return the record that names them."""
    sample = _sample(len(images), config)
    found = [infer(model, torch.from_numpy(images.read(part)), 0.0) for part in _parts(sample)]
    z = torch.cat([f.z_mean for f in found]).numpy()
    angle = torch.cat([f.angle_rad for f in found]).numpy()
    first = batch_of(images, sample[:PAIRS])
    raw = first.images.numpy()
    made = infer(model, first.images, ctf=first.ctf).reconstruction
    assert made is not None
    grid_file = run.previews / f"decoded_grid_{epoch:04d}.png"
    pairs_file = run.previews / f"pairs_{epoch:04d}.png"
    latents_file = run.previews / f"latents_{epoch:04d}.npz"
    _save_montage(grid_file, decoded_grid(Decoder(model), z, GRID_NODES), GRID_NODES)
    pairs = np.moveaxis(np.concatenate([raw, made.numpy()]), 1, -1)
    _save_montage(pairs_file, pairs, len(raw))
    buffer = io.BytesIO()
    np.savez(buffer, z=z, angle_rad=angle, index=sample)
    write_bytes(latents_file, buffer.getvalue())
    return Preview(epoch, str(grid_file), str(pairs_file), str(latents_file))


def grid_points(z: Images, nodes: int) -> NDArray[np.float32]:
    """Return (nodes * nodes, D) contents on a grid over the plane where the latents z (N, D) lie.

    The plane is z itself for D = 2, the first two principal axes beyond; for D = 1 the grid runs
    along the one axis, row after row. The first row is the top (largest second coordinate).
    """
    centre = z.mean(0)
    if z.shape[1] <= 2:
        axes = np.eye(z.shape[1])
    else:
        axes = np.linalg.svd(z - centre, full_matrices=False)[2][:2]
    plane = (z - centre) @ axes.T
    low, high = np.percentile(plane, [2, 98], axis=0)
    if z.shape[1] == 1:
        points = np.linspace(low[0], high[0], nodes * nodes)[:, None]
    else:
        x, y = np.meshgrid(np.linspace(low[0], high[0], nodes), np.linspace(high[1], low[1], nodes))
        points = np.stack([x.ravel(), y.ravel()], 1)
    return np.asarray(centre + points @ axes, dtype=np.float32)


def decoded_grid(decoder: Decoder, z: Images, nodes: int) -> Images:
    """Return the decoded images (nodes * nodes, h, w[, 3]) on a grid over the latents z (N, D)."""
    return decoder.decode(grid_points(z, nodes))


def montage(images: Images, columns: int, low: float, high: float) -> NDArray[np.uint8]:
    """Return images (n, h, w[, 1 or 3]) tiled into one uint8 picture, `columns` a row."""
    if images.ndim == 3:
        images = images[..., None]
    n, h, w, c = images.shape
    rows = -(-n // columns)
    scaled = np.clip((images - low) / max(high - low, 1e-9), 0, 1) * 255
    sheet = np.zeros((rows * columns, h, w, c), np.uint8)
    sheet[:n] = np.round(scaled)
    tiled = sheet.reshape(rows, columns, h, w, c).swapaxes(1, 2)
    picture = tiled.reshape(rows * h, columns * w, c)
    return picture[..., 0] if c == 1 else picture


def _save_montage(path: Any, images: Images, columns: int) -> None:
    low, high = np.percentile(images, [0.5, 99.5])
    buffer = io.BytesIO()
    Image.fromarray(montage(images, columns, float(low), float(high))).save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())


def _sample(count: int, config: RunConfig) -> NDArray[np.int64]:
    size = min(config.train.preview_images, count)
    return np.sort(np.random.default_rng([config.train.seed, 2]).permutation(count)[:size])


def _parts(indices: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [indices[start : start + _BATCH] for start in range(0, len(indices), _BATCH)]
