"""One rule of nearness: distances in the full z, whitened by the data (Mahalanobis distance)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
DEAD_NATS = 0.01  # mean KL of a dimension below which it says nothing of an image
_FIT_ON = 200_000
_FLAT = 1e-10  # of the largest variance: a direction in which the images do not differ


class Whitening:
    """The linear map after which the images have unit variance in every direction.

    A dimension that the encoder leaves at its prior holds noise alone, and does not count.

    Parameters
    ----------
    z_mean, z_std : (N, D)
        Means and standard deviations of the posteriors of all images.

    Attributes
    ----------
    matrix : (D, K) float32
        `z @ matrix` is whitened; K is D less the dimensions that do not count.
    nats : (D,)
        What each dimension says of an image; infinite where it is not known.
    """

    def __init__(self, z_mean: Array, z_std: Array | None = None) -> None:
        z = np.asarray(z_mean)
        step = max(1, len(z) // _FIT_ON)
        some = np.asarray(z[::step], dtype=np.float64)
        counts = np.ones(z.shape[1], dtype=bool)
        self.nats = np.full(z.shape[1], np.inf)
        if z_std is not None and len(z):
            self.nats = kl_of_each_dimension(z[::step], z_std[::step])
            alive = self.nats >= DEAD_NATS
            counts = alive if alive.any() else counts
        self.matrix = _whitening_matrix(some[np.isfinite(some).all(axis=1)], counts)

    def __call__(self, z: Array) -> NDArray[np.float32]:
        """Return z (n, D) whitened, (n, K) float32."""
        with np.errstate(all="ignore"):  # BLAS warns without cause
            return np.asarray(np.asarray(z, dtype=np.float32) @ self.matrix)


def kl_of_each_dimension(z_mean: Array, z_std: Array) -> NDArray[np.float64]:
    """Return KL(q(z_d | image) || N(0, 1)) in nats, mean over the images (N, D) -> (D,)."""
    mean, std = (np.asarray(v, dtype=np.float64) for v in (z_mean, z_std))
    variance = np.maximum(std**2, 1e-12)
    terms = 0.5 * (mean**2 + variance - 1 - np.log(variance))
    return np.asarray(terms[np.isfinite(terms).all(axis=1)].mean(axis=0))


def _whitening_matrix(z: Array, counts: NDArray[np.bool_]) -> NDArray[np.float32]:
    dims = np.flatnonzero(counts)
    matrix = np.eye(len(counts))[:, dims]
    if len(z) < 2:
        return matrix.astype(np.float32)
    away = z[:, dims] - z[:, dims].mean(axis=0)
    scale = away.std(axis=0)
    scale[scale == 0] = 1.0  # before the covariance: dimensions of very different size
    correlation = np.einsum("ni,nj->ij", away / scale, away / scale) / (len(z) - 1)
    variance, axes = np.linalg.eigh(correlation)
    kept = variance > _FLAT * max(float(variance[-1]), 1e-30)
    whiten = axes[:, kept] / np.sqrt(variance[kept])
    return np.asarray(matrix @ (whiten / scale[:, None]), dtype=np.float32)
