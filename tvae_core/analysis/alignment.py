"""How well upright images agree: realignment to a reference, and correlation of half sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.sampling import polar_rings
from tvae_core.geometry import wrap_angle

Array = NDArray[np.floating]
Images = NDArray[np.float32]


@dataclass(frozen=True)
class RingCorrelation:
    """Fourier ring correlation (rings,) against frequency (rings,) in cycles a pixel."""

    frequency: NDArray[np.float64]
    correlation: NDArray[np.float64]

    def resolution(self, threshold: float = 0.143) -> float:
        """Return the length in pixels where the curve first falls below `threshold`.

        Infinity when it starts below, two pixels (Nyquist) when it never falls.
        """
        below = np.flatnonzero(self.correlation[1:] < threshold)
        if not below.size:
            return 2.0
        frequency = self.frequency[below[0]]
        return float(1.0 / frequency) if frequency > 0 else float("inf")


def angles_to_reference(images: Array, reference: Array, steps: int = 360) -> Array:
    """Return by which angle (n,) each image shows `reference` turned, in [-pi, pi).

    Both are sampled on rings around the centre and correlated over the angle by FFT; a parabola
    through the peak refines it below one step.

    Parameters
    ----------
    images : (n, h, w)
    reference : (h, w)
    steps : int
        Samples around each ring.
    """
    wanted = np.fft.rfft(_rings(reference[None], steps), axis=2).conj()
    angles = np.empty(len(images))
    for start in range(0, len(images), 256):
        spectrum = np.fft.rfft(_rings(images[start : start + 256], steps), axis=2) * wanted
        score = np.fft.irfft(spectrum.sum(1), steps, axis=1)
        angles[start : start + 256] = _peak(score) * 2 * np.pi / steps
    return wrap_angle(angles)


def fourier_ring_correlation(a: Array, b: Array) -> RingCorrelation:
    """Return the correlation of two images (h, w) on rings of equal frequency, up to Nyquist.

    FRC(k) = Re sum F_a conj(F_b) / sqrt(sum |F_a|^2 sum |F_b|^2) over ring k (van Heel 1982).
    """
    first, second = np.fft.fft2(a), np.fft.fft2(b)
    y, x = (np.fft.fftfreq(size) for size in a.shape)
    side = min(a.shape)
    ring = np.rint(np.hypot(y[:, None], x[None]) * side).astype(int).ravel()
    rings = side // 2 + 1

    def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(ring, values.ravel(), minlength=rings)[:rings], np.float64)

    power = summed(np.abs(first) ** 2) * summed(np.abs(second) ** 2)
    cross = summed((first * second.conj()).real)
    correlation = np.divide(cross, np.sqrt(power), out=np.zeros(rings), where=power > 0)
    return RingCorrelation(np.arange(rings) / side, correlation)


def half_set_correlation(images: Array, seed: int = 0) -> RingCorrelation:
    """Return the ring correlation of the averages of two random halves of upright images.

    The halves share poses found by one model, so it flatters: call it consistency, not resolution.
    """
    order = np.random.default_rng(seed).permutation(len(images))
    halves = (np.mean(images[np.sort(part)], axis=0) for part in (order[::2], order[1::2]))
    return fourier_ring_correlation(*halves)


def _rings(images: Array, steps: int) -> Array:
    """Images (n, h, w) on rings, (n, radii, steps): mean free, times the root of the radius."""
    rings = polar_rings(_float32(images), steps)
    rings -= rings.mean(2, keepdims=True)
    rings *= _float32(np.sqrt(np.arange(1.0, rings.shape[1] + 1)))[:, None]
    return rings


def _peak(score: Array) -> Array:
    """Place of the largest of (n, steps) cyclic scores, refined by a parabola."""
    top: NDArray[np.int64] = score.argmax(1)
    rows = np.arange(len(score))
    before, at, after = (score[rows, (top + d) % score.shape[1]] for d in (-1, 0, 1))
    curve = before - 2 * at + after
    curve = np.where(curve < 0, curve, -np.inf)  # a flat top stays where it is
    peak: Array = top + 0.5 * (before - after) / curve
    return peak


def _float32(values: Array) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)
