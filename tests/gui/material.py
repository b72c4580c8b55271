"""A hinged two-rod particle as an analytic decoder, and stores made with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.factories import store_content
from tvae_core.errors import Cancelled
from tvae_core.geometry import pixel_grid_px, to_object_frame
from tvae_core.store import Atlas, write_store


class HingeDecoder:
    """Decodes z to a hinge that opens with z1 and grows with z2; further dimensions do nothing."""

    def __init__(self, side: int = 48, z_dim: int = 2) -> None:
        self.side, self.channels, self.z_dim = side, 1, z_dim
        self.calls = 0

    def decode(
        self,
        z: Any,
        angle_rad: Any = 0.0,
        shift_px: Any = (0.0, 0.0),
        side: int | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Any:
        """Return images (n, side, side) float32, values about 0..1."""
        self.calls += 1
        z = np.atleast_2d(np.asarray(z, dtype=np.float64))
        side = side or self.side
        images = np.empty((len(z), side, side), dtype=np.float32)
        grid = pixel_grid_px(side, side) * self.side / side
        angle = np.broadcast_to(np.asarray(angle_rad, float), len(z))
        shift = np.broadcast_to(np.asarray(shift_px, float), (len(z), 2))
        for start in range(0, len(z), 64):
            if cancelled is not None and cancelled():
                raise Cancelled("replaced by a newer request")
            some = slice(start, start + 64)
            places = to_object_frame(grid, angle[some], shift[some]) * (48 / self.side)
            images[some] = _hinge(places, z[some]).reshape(-1, side, side)
        return images


def _hinge(places: Any, z: Any) -> Any:
    opening = np.radians(50 + 42 * np.tanh(0.8 * z[:, 0]))
    size = 1.0 + 0.28 * np.tanh(0.8 * (z[:, 1] if z.shape[1] > 1 else 0 * z[:, 0]))
    image = np.zeros(places.shape[:2])
    for sign, length, width in ((1, 17.0, 3.6), (-1, 14.0, 4.4)):
        turn = np.pi / 2 + sign * opening
        tip = np.stack([np.cos(turn), np.sin(turn)], 1) * (length * size)[:, None]
        hinge = np.array([0.0, -4.0])
        towards = places - hinge
        along = np.einsum("npk,nk->np", towards, tip) / (tip**2).sum(1)[:, None]
        nearest = np.clip(along, 0, 1)[..., None] * tip[:, None]
        distance = np.linalg.norm(towards - nearest, axis=-1)
        image = np.maximum(image, np.exp(-((distance / (width * size[:, None])) ** 2)))
    head = np.linalg.norm(places - np.array([0.0, -4.0]), axis=-1)
    return np.maximum(image, 1.1 * np.exp(-((head / (5.0 * size[:, None])) ** 2)))


def latents(images: int, z_dim: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return z (N, D) of three crowded states joined by a bridge, and which state each is in."""
    centres = np.array([[-1.7, -0.5], [0.35, 0.9], [1.75, -0.55]])
    state = rng.choice(3, images, p=[0.45, 0.3, 0.25])
    z = rng.normal(size=(images, max(z_dim, 2)))
    z[:, :2] = centres[state] + rng.normal(size=(images, 2)) * [0.36, 0.3]
    bridge = rng.random(images) < 0.28
    share = rng.random(bridge.sum())
    path = np.stack([-1.7 + 3.45 * share, -0.6 + 1.7 * np.sin(np.pi * share)], 1)
    z[bridge, :2] = path + rng.normal(size=path.shape) * 0.16
    return z[:, :z_dim].astype(np.float32), state


def make_hinge_store(
    path: Path, images: int = 2000, z_dim: int = 2, side: int = 48, seed: int = 0
) -> Path:
    """Write a store of hinges with noisy raw thumbnails, their poses, labels and an atlas."""
    rng = np.random.default_rng(seed)
    content = store_content(images=images, z_dim=z_dim, side=side, seed=seed)
    z, state = latents(images, z_dim, rng)
    decoder = HingeDecoder(side, z_dim)
    columns = content.columns | {"content/mean": z, "source/label": state}
    columns["content/std"] = rng.gamma(6.0, 0.02, (images, z_dim))
    columns["pose/shift_px"] = rng.normal(size=(images, 2)) * 2.0
    header = replace(content.header, side=side, pixel_size_angstrom=2.4)
    write_store(
        path,
        replace(
            content,
            header=header,
            columns=columns,
            label_names=["closed", "half open", "open"],
            planes={"pca": _pca(z)},
            atlas=_atlas(decoder),
            thumbnails={"raw": _raw(decoder, columns, rng), "upright": _upright(decoder, columns)},
            thumbnail_range=(-1.0, 2.0),
        ),
    )
    return path


def _pca(z: Any) -> Any:
    from tvae_core.analysis.projection import pca
    from tvae_core.store import Plane

    found = pca(z)
    return Plane(found.coordinates, found.components, found.mean, found.variance_share)


def _bytes(values: Any) -> Any:
    return np.clip((values + 1.0) / 3.0 * 255, 0, 255).astype(np.uint8)


def _raw(decoder: HingeDecoder, columns: Any, rng: np.random.Generator) -> Any:
    z, angle = columns["content/mean"], columns["pose/angle_rad"]
    shift = columns["pose/shift_px"]
    for start in range(0, len(z), 512):
        some = slice(start, start + 512)
        clean = decoder.decode(z[some], angle[some], shift[some])
        yield _bytes(clean + rng.normal(size=clean.shape) * 0.35)


def _upright(decoder: HingeDecoder, columns: Any) -> Any:
    z = columns["content/mean"]
    rng = np.random.default_rng(7)
    for start in range(0, len(z), 512):
        clean = decoder.decode(z[start : start + 512])
        yield _bytes(clean + rng.normal(size=clean.shape) * 0.28)


def _atlas(decoder: HingeDecoder, nodes: int = 24) -> Atlas:
    x = np.linspace(-2.9, 2.9, nodes).astype(np.float32)
    rows = nodes if decoder.z_dim > 1 else 1
    y = np.linspace(-1.7, 2.0, rows).astype(np.float32) * (rows > 1)
    z = np.zeros((rows, nodes, decoder.z_dim), np.float32)
    z[..., 0] = x[None, :]
    if decoder.z_dim > 1:
        z[..., 1] = y[:, None]
    images = decoder.decode(z.reshape(-1, decoder.z_dim))
    side = decoder.side
    values = np.clip(images / 1.2 * 255, 0, 255).astype(np.uint8)
    return Atlas(values.reshape(rows, nodes, side, side), x, y, z, "z", 0.0, 1.2)
