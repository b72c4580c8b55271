"""Images as rows of Fourier components, and the grid of poses they are compared on.

The likelihood of an image under a reference at every turn and shift is then one matrix product,
(images, components) by (components, turns x shifts), and so is the sum of the images moved back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from tvae_core.analysis.averages import upright_fine
from tvae_core.errors import ConfigError
from tvae_core.geometry import group_angles

Float = NDArray[np.floating[Any]]
Images = NDArray[np.float32]

BLOCK = 256  # images a matrix product
_LEAST = -50.0  # log of a weight: smaller ones are denormal, and products of those 20 times slower
_RADIUS = 20  # cycles an image, kept where no band is asked for: 600 components


@dataclass(frozen=True)
class Spectra:
    """Images (n, side, side) as real rows, unitary over the pixels.

    side: of the images. kept: (side, side // 2 + 1), the components of `rfft2` that are used; F of
    them. ring (F,): their radius, whole cycles an image. scale (F,): 1 or sqrt(2) for the half
    plane that `rfft2` leaves out, over the side. rows (n, 2 F): real then imaginary parts, times
    the CTF. power (F,): sum over the images, without the CTF. transfer2 (n, F): CTF squared, or
    nothing where the images have none.
    """

    side: int
    kept: NDArray[np.bool_]
    ring: NDArray[np.int64]
    scale: NDArray[np.float32]
    rows: NDArray[np.float32]
    power: NDArray[np.float64]
    transfer2: NDArray[np.float32] | None

    @classmethod
    def of(cls, images: Float, band: float = 0.0, transfer: Float | None = None) -> Spectra:
        """Transform images; `band` of Nyquist is kept, 0: up to 20 cycles an image.

        Raises
        ------
        ConfigError
            When the images are not (n, side, side), or the CTFs are not theirs.
        """
        side = _checked_side(images, transfer)
        rows, columns = _frequencies(side)
        radius = np.hypot(rows, columns)
        kept = radius <= (band or min(1.0, 2 * _RADIUS / side)) / 2
        inner = (columns > 0) & ((side % 2 == 1) | (columns < 0.5))
        scale = (np.where(inner, np.sqrt(2), 1.0) / side).astype(np.float32)[kept]
        ctf = None if transfer is None else np.asarray(transfer, np.float32)[:, kept]
        result = np.empty((len(images), 2 * len(scale)), np.float32)
        power = np.zeros(len(scale))
        for start in range(0, len(images), BLOCK):
            block = slice(start, start + BLOCK)
            spectra = fft.rfft2(np.asarray(images[block], np.float32))[:, kept] * scale
            power += (np.abs(spectra) ** 2).sum(0, dtype=np.float64)
            result[block] = as_rows(spectra if ctf is None else spectra * ctf[block])
        ring = np.rint(radius * side).astype(np.int64)[kept]
        return cls(side, kept, ring, scale, result, power, None if ctf is None else ctf**2)

    def __len__(self) -> int:
        return len(self.rows)

    def of_references(self, images: Float) -> NDArray[np.complex64]:
        """Return (k, F): the spectra of references (k, side, side), on the scale of the rows."""
        spectra = fft.rfft2(np.asarray(images, np.float32))[:, self.kept] * self.scale
        return np.asarray(spectra, np.complex64)

    def images_of(self, spectra: NDArray[np.complexfloating[Any]]) -> Images:
        """Return (k, side, side) of spectra (k, F); what was not kept is 0."""
        full = np.zeros((len(spectra), *self.kept.shape), np.complex64)
        full[:, self.kept] = spectra / self.scale
        images: Images = fft.irfft2(full, s=(self.side, self.side)).astype(np.float32)
        return images

    def turned(self, references: Images, grid: PoseGrid) -> NDArray[np.complex64]:
        """Return (k, R, F): each reference (k, side, side) at each turn of the grid."""
        still = np.zeros((len(grid.angles), 2))
        turned = (
            upright_fine(np.repeat(one[None], len(still), 0), -grid.angles, still, 0.0)
            for one in references
        )
        return np.stack([self.of_references(images) for images in turned])

    def turned_back(self, sums: NDArray[np.complexfloating[Any]], grid: PoseGrid) -> Images:
        """Return (side, side): the sum over the turns of spectra (R, F), each turned back."""
        images = self.images_of(sums)
        total: Images = upright_fine(images, grid.angles, np.zeros((len(sums), 2)), 0.0).sum(0)
        return total

    def log_noise(self, noise: NDArray[np.float64]) -> float:
        """Return the part of an image's log-likelihood that every reference has alike."""
        return float(-(np.log(noise) + self.power / len(self) / noise / 2).sum())

    def moved(self, images: Images, by_px: Float) -> Images:
        """Return images (k, side, side), their objects moved by (x right, y up) pixels."""
        rows, columns = (axis[self.kept] for axis in _frequencies(self.side))
        phase = np.exp(-2j * np.pi * (columns * by_px[0] - rows * by_px[1]))
        return self.images_of(self.of_references(images) * phase)

    def ring_mean(self, values: Float) -> NDArray[np.float64]:
        """Return (F,): the mean of values (F,) over the ring of each component."""
        weight = self.scale.astype(np.float64) ** 2
        total = np.bincount(self.ring, values * weight)
        area = np.bincount(self.ring, weight)
        means: NDArray[np.float64] = (total / np.maximum(area, 1e-30))[self.ring]
        return means


@dataclass(frozen=True)
class PoseGrid:
    """Turns (R,) [rad], shifts (T, 2) [px, x right, y up] and the phases (T, F) that do a shift."""

    angles: NDArray[np.float64]
    shifts: NDArray[np.float64]
    phases: NDArray[np.complex64]

    @classmethod
    def of(cls, data: Spectra, turns: int, limit_px: int) -> PoseGrid:
        """Return `turns` angles and the whole-pixel shifts within `limit_px`."""
        steps = np.arange(-limit_px, limit_px + 1)
        x, y = (axis.ravel() for axis in np.meshgrid(steps, steps))
        near = np.hypot(x, y) <= limit_px + 0.5
        shifts = np.stack([x, y], 1)[near].astype(np.float64)
        rows, columns = (axis[data.kept] for axis in _frequencies(data.side))
        phases = np.exp(-2j * np.pi * (shifts @ np.stack([columns, -rows])))
        angles = np.asarray(group_angles(turns), np.float64)
        return cls(angles, shifts, phases.astype(np.complex64))

    def log_prior(self, shift_std_px: float) -> NDArray[np.float64]:
        """Return (T,): uniform over the turns, normal over the shifts."""
        prior = -(self.shifts**2).sum(1) / (2 * shift_std_px**2)
        return np.asarray(prior - np.log(np.exp(prior).sum()) - np.log(len(self.angles)))

    def columns(self, references: NDArray[np.complexfloating[Any]]) -> NDArray[np.float32]:
        """Return (k R T, 2 F): references (k, R, F) at every shift, as rows for a product."""
        return as_rows(references[:, :, None, :] * self.phases).reshape(
            -1, 2 * references.shape[-1]
        )

    def centre(self, weight: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return (2,): by how much a reference must move so that the shifts are smallest.

        A reference off its centre by c needs shifts of R(angle) c; weight (R, T) is how often each
        pose was found.
        """
        cos, sin = np.cos(self.angles), np.sin(self.angles)
        x, y = (weight @ self.shifts).T
        total = np.array([(cos * x + sin * y).sum(), (cos * y - sin * x).sum()])
        return np.asarray(total / max(float(weight.sum()), 1e-30), np.float64)

    def shift_std(self, weight: NDArray[np.floating[Any]]) -> float:
        """Return the spread of the shifts in pixels, half a pixel at least; weight as above."""
        squared = float(weight.sum(0) @ (self.shifts**2).sum(1)) / max(float(weight.sum()), 1e-30)
        return max(0.5, float(np.sqrt(squared / 2)))

    def moved_back(
        self, weight: NDArray[np.float32], rows: NDArray[np.float32]
    ) -> NDArray[np.complex128]:
        """Return (k, R, F): images (B, 2 F) summed with weights (B, k, R, T), shifts undone."""
        k, r, t = weight.shape[1:]
        sums = as_complex(weight.reshape(len(rows), -1).T @ rows).reshape(k, r, t, -1)
        return np.asarray(np.einsum("krtf,tf->krf", sums, self.phases.conj()), np.complex128)


def pose_means(
    posterior: NDArray[np.float32], grid: PoseGrid
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return angle (B,) and shift (B, 2): the mean about the likeliest turn of (B, R, T)."""
    of_turn = posterior.sum(2)
    turns = len(grid.angles)
    away = np.abs(np.arange(turns) - of_turn.argmax(1)[:, None])
    near = np.minimum(away, turns - away) <= max(1, turns // 12)
    angle = np.angle((of_turn * near) @ np.exp(1j * grid.angles))
    place = (posterior * near[:, :, None]).sum(1)
    shift = place @ grid.shifts / np.maximum(place.sum(1, keepdims=True), 1e-30)
    return angle, shift


def as_rows(spectra: NDArray[np.complexfloating[Any]]) -> NDArray[np.float32]:
    """Return (..., 2 F) of (..., F): real parts, then imaginary parts."""
    parts = np.concatenate([spectra.real, spectra.imag], -1)
    return np.ascontiguousarray(parts, np.float32)


def as_complex(rows: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Return (..., F) of (..., 2 F); undoes `as_rows`."""
    half = rows.shape[-1] // 2
    spectra: NDArray[np.complex64] = rows[..., :half] + 1j * rows[..., half:]
    return spectra


def normalised(
    log_weight: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return the log of the sum (B,) and the normalised weights of log weights (B, ...)."""
    axes = tuple(range(1, log_weight.ndim))
    highest = log_weight.max(axis=axes, keepdims=True)
    weight = np.exp(np.maximum(log_weight - highest, _LEAST))
    total = weight.sum(axis=axes, keepdims=True, dtype=np.float64)
    weight /= total.astype(np.float32)
    return np.ravel(highest + np.log(total)).astype(np.float64), weight


def _frequencies(side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = np.meshgrid(fft.fftfreq(side), fft.rfftfreq(side), indexing="ij")
    return rows, columns


def _checked_side(images: Float, transfer: Float | None) -> int:
    if images.ndim != 3 or images.shape[1] != images.shape[2] or not len(images):
        raise ConfigError(f"images of shape {images.shape} are not (n, side, side)")
    if transfer is not None and transfer.shape != (*images.shape[:2], images.shape[1] // 2 + 1):
        raise ConfigError(f"CTFs of shape {transfer.shape} do not fit images {images.shape}")
    return int(images.shape[1])
