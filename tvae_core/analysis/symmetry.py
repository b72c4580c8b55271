"""Which rotations leave a decoded object as it is: its symmetry, read off the generator.

The posterior knows only R angles, and C3, C5 or C7 are not on such a grid; the generator is
continuous, so an object is decoded at many angles and compared with itself at angle 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.sampling import polar_rings

Array = NDArray[np.floating]
ROUND = 0  # order of an object that every rotation leaves as it is

_LARGEST_ORDER = 24
_ROUND_ABOVE = 0.98
_ENOUGH = 0.5


@dataclass(frozen=True)
class SymmetryPeak:
    """A rotation that gives much of the object back. `name` is the nearest 1 / n turn, as `C3`."""

    angle_deg: float
    correlation: float
    name: str


@dataclass(frozen=True)
class Symmetry:
    """Correlation with angle 0 over the angles, its peaks (highest first), and the order found.

    `order` n means C_n; 1 none, 0 round. `score` is the lowest correlation at its rotations.
    """

    angle_deg: Array
    correlation: Array
    peaks: list[SymmetryPeak]
    order: int
    score: float

    @property
    def name(self) -> str:
        """The symmetry in words."""
        return {0: "round", 1: "no rotational symmetry"}.get(self.order, f"C{self.order}")

    @property
    def hint(self) -> str:
        """The symmetry and how nearly it is kept, such as `C2, 0.97`."""
        if self.order != 1:
            return f"{self.name}, {self.score:.2f}"
        return f"{self.name} ({self.highest})" if self.peaks else self.name

    @property
    def highest(self) -> str:
        """The highest peak in words, such as `at most 0.28, at 180°`; empty when there is none."""
        if not self.peaks:
            return ""
        best = self.peaks[0]
        return f"at most {best.correlation:.2f}, at {best.angle_deg:.0f}°"


@dataclass(frozen=True)
class SetSymmetry:
    """The symmetry of the mean content of a set, and how it varies over the set.

    low, high (A,) : 10th and 90th percentile over the contents of the correlation at each angle of
    `mean`. counts : how many contents have which symmetry, by name, most frequent first.
    """

    mean: Symmetry
    low: Array
    high: Array
    counts: dict[str, int]

    @property
    def agreement(self) -> float:
        """Share of the contents that have the symmetry of the mean content."""
        return self.counts.get(self.mean.name, 0) / max(1, sum(self.counts.values()))


def rotation_correlation(images: Array) -> NDArray[np.float64]:
    """Return the Pearson correlation (A,) of images (A, h, w[, 3]) with the first, in a circle.

    Pixels outside the inscribed circle are left out: they come into view only when turned.
    """
    circle = _inscribed_circle(*images.shape[1:3])
    pixels = np.asarray(images, dtype=np.float64)[:, circle].reshape(len(images), -1)
    pixels -= pixels.mean(1, keepdims=True)
    lengths = np.linalg.norm(pixels, axis=1)
    scale = np.maximum(lengths * lengths[0], np.finfo(float).tiny)
    correlation: NDArray[np.float64] = pixels @ pixels[0] / scale
    return correlation


def symmetry_of_images(images: Array) -> Symmetry:
    """Return the symmetry of an object decoded at angles a 360 / A degrees, images (A, h, w)."""
    return symmetry_of_profile(rotation_correlation(images))


def symmetry_of_decoder(decode: Callable[[Array], Array], angles: int = 360) -> Symmetry:
    """Return the symmetry of what `decode` makes of angles (A,) in radians: images (A, h, w)."""
    return symmetry_of_images(decode(np.arange(angles) * 2 * np.pi / angles))


def symmetries_of_contents(images: Array, angles: int = 360) -> list[Symmetry]:
    """Return the symmetry of each of many decoded images (n, h, w[, 3]), each decoded once.

    An image is sampled on rings and compared with itself turned, by FFT: the same correlation as
    of images decoded at each angle, up to the interpolation, without decoding each angle.
    """
    values = np.asarray(images, dtype=np.float32)
    channels = [values] if values.ndim == 3 else [values[..., k] for k in range(values.shape[3])]
    spectrum: Array = np.zeros(1)
    for channel in channels:
        rings = polar_rings(channel, angles)
        area = np.arange(1.0, rings.shape[1] + 1)  # of a ring, to a constant
        mean = (rings.mean(2) * area).sum(1) / area.sum()
        turned = np.fft.rfft(rings - mean[:, None, None], axis=2)
        spectrum = spectrum + (np.abs(turned) ** 2 * area[:, None]).sum(1)
    profiles = np.fft.irfft(spectrum, angles, axis=1)
    weight = np.maximum(profiles[:, :1], np.finfo(float).tiny)
    return [symmetry_of_profile(profile) for profile in profiles / weight]


def symmetry_of_set(mean: Symmetry, members: list[Symmetry]) -> SetSymmetry:
    """Return the symmetry of a set from that of its mean content and those of some members.

    All profiles have the same angles.
    """
    profiles = np.array([m.correlation for m in members]).reshape(-1, len(mean.correlation))
    low, high = (
        np.percentile(profiles, [10, 90], axis=0) if len(members) else [mean.correlation] * 2
    )
    counts = dict(Counter(m.name for m in members).most_common())
    return SetSymmetry(mean, low, high, counts)


def symmetry_of_profile(correlation: Array) -> Symmetry:
    """Return the symmetry read off a correlation profile (A,) over one turn.

    C_n is called when the correlation at all multiples of 360 / n stands above the middle between
    the lowest value and 1, and half-way between them it is lower by half that span; the largest
    such n wins, because C6 has the peaks of C2 and C3.
    """
    profile = np.asarray(correlation, dtype=np.float64)
    angle = np.arange(len(profile)) * 360.0 / len(profile)
    span = 1.0 - profile.min()
    peaks = _peaks(profile, angle, span)
    if profile.min() > _ROUND_ABOVE:
        return Symmetry(angle, profile, peaks, ROUND, float(profile.min()))
    order, score = 1, 1.0
    for n in range(2, _LARGEST_ORDER + 1):
        top = _at(profile, np.arange(1, n) / n).min()
        valley = _at(profile, (np.arange(n) + 0.5) / n).mean()
        if 1.0 - top < _ENOUGH * span and top - valley > _ENOUGH * span:
            order, score = n, float(top)
    return Symmetry(angle, profile, peaks, order, score)


def _peaks(profile: Array, angle: Array, span: float) -> list[SymmetryPeak]:
    """Local maxima, highest first, that stand a tenth of the span above the turn's mean."""
    top = (profile > np.roll(profile, 1)) & (profile >= np.roll(profile, -1))
    top &= profile > profile.mean() + 0.1 * span
    top[0] = False
    found = sorted(np.flatnonzero(top), key=lambda n: -profile[n])
    return [SymmetryPeak(float(angle[n]), float(profile[n]), _name(angle[n])) for n in found]


def _name(angle_deg: float) -> str:
    """Return the smallest n of which the angle is a multiple of 360 / n, within 2 degrees."""
    for n in range(2, 13):
        if abs((angle_deg + 180.0 / n) % (360.0 / n) - 180.0 / n) < 2.0:
            return f"C{n}"
    return f"{angle_deg:.0f} deg"


def _at(profile: Array, turns: Array) -> Array:
    place = np.arange(len(profile) + 1) / len(profile)
    values: Array = np.interp(turns, place, np.concatenate([profile, profile[:1]]))
    return values


def _inscribed_circle(height: int, width: int) -> NDArray[np.bool_]:
    y, x = np.ogrid[:height, :width]
    distance = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
    circle: NDArray[np.bool_] = distance <= min(height, width) / 2
    return circle
