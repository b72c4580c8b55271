"""Small real files that tests are made from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tvae_core.config import RunConfig
from tvae_core.files import sha256_of_bytes
from tvae_core.particles import OriginalFrame, described_columns, read_table, record_of
from tvae_core.store import Atlas, Plane, StoreContent, write_store
from tvae_core.store_header import StoreHeader


def store_content(
    images: int = 200, z_dim: int = 2, rotations: int = 8, side: int = 16, seed: int = 0
) -> StoreContent:
    """Return the content of a store of random embeddings with thumbnails, labels and an atlas."""
    rng = np.random.default_rng(seed)
    config = RunConfig().changed([f"model.z_dim={z_dim}", f"model.rotations={rotations}"])
    columns = _columns(rng, images, z_dim, rotations)
    weights = b"no model"
    header = StoreHeader(
        config=config,
        run="test",
        side=side,
        channels=1,
        scale=1.0,
        pixel_size_angstrom=2.0,
        software={"target-vae": "test"},
        weights_sha256=sha256_of_bytes(weights),
        created_utc="2026-01-01T00:00:00Z",
    )
    thumbnails = {
        kind: (
            rng.integers(0, 256, (min(4096, images - start), side, side), dtype=np.uint8)
            for start in range(0, images, 4096)
        )
        for kind in ("raw", "upright")
    }
    return StoreContent(
        header=header,
        columns=columns,
        source_files=["images.npy"],
        weights=weights,
        label_names=["one", "two"],
        planes={"pca": _pca(columns["content/mean"])},
        atlas=_atlas(rng, z_dim, side),
        thumbnails=thumbnails,
    )


def make_store(path: Path, **options: Any) -> Path:
    """Write a store of random embeddings and return its path."""
    write_store(path, store_content(**options))
    return path


def star_table(path: Path) -> Path:
    """Write a RELION table of 200 particles with optics and angles; its stack is not there."""
    head = "data_optics\nloop_\n_rlnOpticsGroup\n_rlnImagePixelSize\n1 1.5\n\n"
    head += "data_particles\nloop_\n_rlnImageName\n_rlnOpticsGroup\n_rlnAnglePsi\n"
    rows = [f"{i + 1:06d}@a.mrcs 1 {i - 99.5:.2f}" for i in range(200)]
    path.write_text(head + "\n".join(rows) + "\n")
    return path


def particle_store(
    path: Path,
    table: Path,
    angle_rad: Any = None,
    shift_px: Any = None,
    frame: OriginalFrame | None = None,
) -> Path:
    """Write the store of a run on a particle table, with these poses or random ones."""
    particles = read_table(table)
    content = store_content(images=len(particles))
    frame = frame or OriginalFrame(16, 16)
    header = replace(content.header, scale=frame.scale, original=frame, table=record_of(particles))
    columns = content.columns | {"source/row": np.arange(len(particles))}
    references = particles.image_references()
    columns |= {
        "source/file_index": references.file_index,
        "source/index": references.image_index,
    }
    columns |= {} if particles.uid is None else {"source/uid": particles.uid}
    columns |= {} if angle_rad is None else {"pose/angle_rad": angle_rad}
    columns |= {} if shift_px is None else {"pose/shift_px": shift_px}
    described = described_columns(particles)
    write_store(
        path,
        replace(
            content,
            header=header,
            columns=columns,
            source_files=references.files,
            table_columns=described,
        ),
    )
    return path


def _columns(rng: np.random.Generator, n: int, z_dim: int, rotations: int) -> dict[str, Any]:
    label = rng.integers(0, 2, n)
    posterior = rng.dirichlet(np.ones(rotations), n)
    return {
        "content/mean": rng.normal(size=(n, z_dim)) + 2.0 * label[:, None],
        "content/std": np.full((n, z_dim), 0.1),
        "pose/angle_rad": rng.uniform(-np.pi, np.pi, n),
        "pose/angle_std_rad": np.full(n, 0.1),
        "pose/shift_px": rng.normal(size=(n, 2)),
        "pose/shift_std_px": np.full((n, 2), 0.3),
        "posterior/peak": posterior.max(1),
        "posterior/entropy": -(posterior * np.log(posterior)).sum(1),
        "posterior/rotation": posterior,
        "quality/reconstruction_error": rng.gamma(2.0, 0.01, n),
        "quality/elbo": -rng.gamma(2.0, 10.0, n),
        "source/file_index": np.zeros(n),
        "source/index": np.arange(n),
        "source/label": label,
    }


def _pca(z: Any) -> Plane:
    mean = z.mean(0)
    _, spread, components = np.linalg.svd(z - mean, full_matrices=False)
    rows = np.zeros((2, z.shape[1]))
    rows[: min(2, len(components))] = components[:2]
    share = np.zeros(2)
    share[: min(2, len(spread))] = (spread**2 / (spread**2).sum())[:2]
    f4 = np.float32
    coordinates = ((z - mean) @ rows.T).astype(f4)
    return Plane(coordinates, rows.astype(f4), mean.astype(f4), share.astype(f4))


def _atlas(rng: np.random.Generator, z_dim: int, side: int, nodes: int = 8) -> Atlas:
    axis = np.linspace(-3, 5, nodes).astype(np.float32)
    z = np.zeros((nodes, nodes, z_dim), np.float32)
    z[..., 0] = axis[None, :]
    if z_dim > 1:
        z[..., 1] = axis[:, None]
    images = rng.integers(0, 256, (nodes, nodes, side, side), dtype=np.uint8)
    return Atlas(images, axis, axis, z, "z", 0.0, 1.0)
