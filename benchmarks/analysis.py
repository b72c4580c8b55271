"""How long does what follows the mouse take with a million images?

OMP_NUM_THREADS=1 python benchmarks/analysis.py [images]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from tvae_core.analysis.alignment import angles_to_reference
from tvae_core.analysis.averages import AverageAccumulator, average, upright, upright_fine
from tvae_core.analysis.clustering import cluster
from tvae_core.analysis.projection import pca
from tvae_core.analysis.support import density_image, label_image, value_image
from tvae_core.selection import NamedSet, circle_mask, nearest_mask, polygon_mask, range_mask
from tvae_core.sidecar import Sidecar, load_sidecar, save_sidecar

EXTENT = ((-4.0, 4.0), (-4.0, 4.0))


def measure(name: str, work: Callable[[], object], repeats: int = 7) -> None:
    """Print the median and the longest time of `work` in milliseconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    print(f"{name:<58}{np.median(times):>10,.1f}{max(times):>10,.1f}")


def freehand(corners: int) -> np.ndarray:
    """Return a wobbly closed line (corners, 2)."""
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    radius = 1 + 0.5 * np.sin(3 * angle) + 0.05 * np.sin(40 * angle)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def plane(images: int) -> None:
    """Time what works on the plane."""
    rng = np.random.default_rng(0)
    xy = rng.normal(size=(images, 2)).astype(np.float32)
    values, labels = xy[:, 0], rng.integers(0, 10, images)
    for corners in (20, 200, 1000):
        lasso = freehand(corners)
        measure(f"lasso of {corners} corners", lambda p=lasso: polygon_mask(xy, p))
    measure("circle", lambda: circle_mask(xy, (0, 0), 1.0))
    measure("1,000 nearest, as a mask", lambda: nearest_mask(xy, (0, 0), 1000))
    measure("range on a column", lambda: range_mask(values, -1, 1))
    measure("density image 512 x 512", lambda: density_image(xy, EXTENT, (512, 512)))
    measure("value image 512 x 512", lambda: value_image(xy, values, EXTENT, (512, 512)))
    measure(
        "class image 512 x 512, 10 classes", lambda: label_image(xy, labels, EXTENT, (512, 512))
    )
    notes(images, xy)


def notes(images: int, xy: np.ndarray) -> None:
    """Time the sidecar of a store with ten sets and a plane."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "embeddings.h5"
        store = SimpleNamespace(path=path, images=images, identity="x")
        sidecar = Sidecar.of(store)
        rule = {"kind": "none"}
        sidecar.sets = [NamedSet(str(n), "#000000", xy[:, 0] > n / 5, rule) for n in range(10)]
        sidecar.planes["umap"] = xy
        measure("notes: save 10 sets and a plane", lambda: save_sidecar(sidecar, store), 3)
        measure("notes: load them", lambda: load_sidecar(store), 3)


def pictures() -> None:
    """Time what works on thumbnails."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(1000, 48, 48)).astype(np.float32)
    grey = rng.integers(0, 256, images.shape, dtype=np.uint8)
    angle, shift = rng.uniform(-3, 3, 1000), rng.normal(size=(1000, 2))
    running = AverageAccumulator((48, 48))
    measure("1,000 images 48 x 48: upright, bilinear", lambda: upright(images, angle, shift))
    measure("1,000 images 48 x 48: upright, cubic", lambda: upright_fine(images, angle, shift))
    measure("1,000 images 48 x 48: average of raw", lambda: average(images, angle, shift))
    measure("1,000 images 48 x 48: add upright to the average", lambda: running.add(grey))
    measure(
        "1,000 images 48 x 48: angles to a reference",
        lambda: angles_to_reference(images, images[0]),
    )


def latents(images: int) -> None:
    """Time what works on the latent."""
    z = np.random.default_rng(0).normal(size=(images, 8)).astype(np.float32)
    measure("PCA of 8 dimensions", lambda: pca(z), 3)
    measure("k-means, 10 clusters", lambda: cluster("k-means", z, 10), 1)
    measure("Gaussian mixture, 10 clusters", lambda: cluster("gaussian-mixture", z, 10), 1)
    measure("Ward, 10 clusters", lambda: cluster("ward", z, 10), 1)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(f"{count:,} images{'':<46}{'median':>10}{'longest':>10}  ms")
    plane(count)
    pictures()
    latents(count)
