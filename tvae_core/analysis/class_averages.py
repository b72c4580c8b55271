"""Averages of classes of pose-aligned images: mean, deviation, half sets, and their correlation.

Images come in blocks and only sums are kept, so that memory does not depend on how many there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from tvae_core.analysis.alignment import RingCorrelation, fourier_ring_correlation
from tvae_core.analysis.averages import AverageAccumulator, soft_circle
from tvae_core.analysis.honest_resolution import (
    STILL,
    HonestCorrelation,
    PoseFreedom,
    honest_correlation,
)
from tvae_core.ctf import Ctf, ctf_image, padded_side

Array = NDArray[np.floating]
Images = NDArray[np.float32]
_GROUPS = 8  # of images, whose averages are compared pair by pair


@dataclass(frozen=True)
class AveragedClass:
    """The average of a class.

    Parameters
    ----------
    mean, std : (side, side) float32
        `std` is the deviation of the images that were summed: of one image, not of the mean.
    count : int
    correlation : RingCorrelation
        Between the averages of two random halves inside a soft circle. The halves share poses
        found by one model, which aligned their noise as well.
    honest : HonestCorrelation
        The same without what noise gained by that.
    """

    mean: Images
    std: Images
    count: int
    correlation: RingCorrelation
    honest: HonestCorrelation

    def resolution_px(self, threshold: float = 0.143) -> float:
        """Return the length in pixels that is resolved, infinity where noise alone could do it."""
        return self.honest.resolution_px(threshold) if self.count > 1 else float("inf")


class ClassAccumulator:
    """Sums of the upright images of a class, half by half.

    Parameters
    ----------
    side : int
        Pixels.
    wiener : float or None
        None: the mean of what is added. A number eps: the images that are added were multiplied
        by their CTF, and the average is sum(CTF y) / (sum(CTF^2) + eps n), in Fourier space on a
        grid twice as large.
    """

    def __init__(self, side: int, wiener: float | None = None) -> None:
        self.side, self._wiener = side, wiener
        self._halves = [AverageAccumulator((side, side)) for _ in range(2)]
        self._sums, self._counts = np.zeros((_GROUPS, side, side)), np.zeros(_GROUPS, np.int64)
        self._padded = padded_side(side, 2.0)
        grid = (self._padded, self._padded // 2 + 1)
        self._power = np.zeros((2, *grid) if wiener is not None else (2, 0))

    def add(
        self,
        images: Array,
        half: NDArray[np.integer],
        upright_ctf: Ctf | None = None,
        pixel_size_angstrom: Array | None = None,
    ) -> None:
        """Add upright images.

        Parameters
        ----------
        images : (n, side, side)
        half : (n,) of 0 and 1
            Which half each belongs to.
        upright_ctf : Ctf, optional
            Of each image as it is turned (`turned_ctf`); needed for a Wiener average, as is
        pixel_size_angstrom : (n,), optional
        """
        group = (self._counts.sum() + np.arange(len(images))) % _GROUPS
        for number in np.unique(group):
            self._sums[number] += images[group == number].sum(0, dtype=np.float64)
        self._counts += np.bincount(group, minlength=_GROUPS)
        for number in (0, 1):
            chosen = np.flatnonzero(half == number)
            self._halves[number].add(images[chosen])
            if upright_ctf is not None and pixel_size_angstrom is not None:
                self._add_power(number, upright_ctf.take(chosen), pixel_size_angstrom[chosen])

    def _add_power(self, half: int, ctf: Ctf, pixel_size_angstrom: Array) -> None:
        for index, pixel in enumerate(pixel_size_angstrom.tolist()):
            self._power[half] += ctf_image(ctf.take([index]), self._padded, pixel)[0] ** 2

    def result(
        self,
        freedom: PoseFreedom = STILL,
        share: float = 1.0,
        control: ClassAccumulator | None = None,
    ) -> AveragedClass:
        """Return the average of what is in; zeros when that is nothing.

        Parameters
        ----------
        freedom : PoseFreedom
            By how much the images were turned and shifted.
        share : float
            How many of all images were chosen for the class.
        control : ClassAccumulator, optional
            Of the images with their phases made random beyond `honest.cutoff` of the result without
            it, turned upright by poses that were found anew.
        """
        first, second = self._halves
        whole = first.joined(second).result()
        mask = soft_circle(self.side)
        parts = [self._average(h.result().mean, [n]) for n, h in enumerate(self._halves)]
        curve = fourier_ring_correlation(*(_inside(part, mask) for part in parts))
        curve.correlation[0] = 1.0  # frequency zero was taken off
        substituted = None if control is None else control.apart()
        honest = honest_correlation(self.apart(), whole.count, freedom, share, substituted)
        mean = self._average(whole.mean, [0, 1])
        return AveragedClass(mean, whole.std, whole.count, curve, honest)

    def apart(self) -> NDArray[np.float64]:
        """Return the averages of groups of the images, masked and free of their mean."""
        mask, filled = soft_circle(self.side), self._counts > 0
        means = self._sums[filled] / self._counts[filled, None, None]
        groups = [_inside(self._average(mean, [0, 1]), mask) for mean in means]
        return np.stack(groups) if groups else np.zeros((0, self.side, self.side))

    def _average(self, mean: Array, halves: list[int]) -> Images:
        if self._wiener is None:
            return np.ascontiguousarray(mean, dtype=np.float32)
        count = max(1, sum(self._halves[n].count for n in halves))
        power = self._power[halves].sum(0) / count
        grid = (self._padded, self._padded)
        spectrum = scipy.fft.rfft2(mean.astype(np.float64), s=grid) / (power + self._wiener)
        image = scipy.fft.irfft2(spectrum, s=grid)[: self.side, : self.side]
        return np.ascontiguousarray(image, dtype=np.float32)


def turned_ctf(ctf: Ctf, angle_rad: Array) -> Ctf:
    """Return the CTF of images after they are turned back by `angle_rad` (n,), counter-clockwise.

    The astigmatism angle runs from the column axis towards growing rows, which is clockwise where
    y points up: turning an image back by +angle adds the angle.
    """
    values = {name: np.broadcast_to(value, len(ctf)) for name, value in vars(ctf).items()}
    azimuth = values["astigmatism_angle_deg"] + np.degrees(angle_rad)
    return Ctf(**{**values, "astigmatism_angle_deg": azimuth})


def random_halves(count: int, seed: int = 0) -> NDArray[np.int8]:
    """Return 0 or 1 for each of `count` images at random, as many of one as of the other."""
    half = (np.arange(count) % 2).astype(np.int8)
    return np.random.default_rng(seed).permutation(half)


def _inside(image: Array, mask: Images) -> Array:
    """Return an image within a mask, free of its mean there."""
    return np.asarray((image - float((image * mask).sum() / mask.sum())) * mask)
