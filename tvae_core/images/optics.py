"""The CTF of a stack's images, and the correction of their phases by it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tvae_core.ctf import Ctf, phase_flip
from tvae_core.errors import ConfigError
from tvae_core.images.stack import ImageStack

FloatImages = NDArray[np.float32]
_CORRECTED = ("rlnCtfDataArePhaseFlipped", "rlnCtfDataAreCtfPremultiplied")


@dataclass(frozen=True)
class ImageOptics:
    """CTF and pixel size of each of N images, at the size of their files.

    Parameters
    ----------
    ctf : Ctf
        Every field (N,).
    pixel_size_angstrom : (N,) float64
    """

    ctf: Ctf
    pixel_size_angstrom: NDArray[np.float64]

    def take(self, indices: NDArray[np.int64]) -> ImageOptics:
        """Return the optics of the images `indices`, (m,)."""
        return ImageOptics(self.ctf.take(indices), self.pixel_size_angstrom[indices])


def optics_of(stack: ImageStack, wanted_by: str) -> ImageOptics:
    """Return the optics of every image of a stack.

    Parameters
    ----------
    stack : ImageStack
    wanted_by : str
        The setting that asks, for the error.

    Raises
    ------
    ConfigError
        The images are not named by a table, the table gives no CTF or no pixel size, a value of
        the CTF is not finite, the images are not square, or their phases are corrected already.
    """
    table = stack.table
    if table is None:
        raise _none(stack, wanted_by, "the images come without a table, so their CTF is not known")
    ctf, pixels = stack.ctf(), stack.pixel_sizes_angstrom
    if ctf is None:
        raise _none(stack, wanted_by, "the table gives no CTF values")
    if pixels is None:
        raise _none(stack, wanted_by, "neither the table nor its stacks give a pixel size")
    wrong = np.flatnonzero(~np.isfinite(ctf.rows()).all(1))
    if wrong.size:
        raise _none(stack, wanted_by, f"the CTF of row {wrong[0] + 1} is not finite")
    if stack.height != stack.width:
        raise _none(stack, wanted_by, f"images of {stack.width} x {stack.height} px are not square")
    for column in _CORRECTED:
        if table.has(column) and np.any(table.numbers(column) != 0):
            raise ConfigError(
                f"{wanted_by}: {column} says that the phases are corrected already",
                stack.path,
                "do not correct the CTF",
            )
    return ImageOptics(ctf, pixels)


class PhaseFlip:
    """Multiplies images' Fourier transforms by the sign of their CTF, at the original size."""

    def __init__(self, optics: ImageOptics) -> None:
        self._optics = optics

    def __call__(self, images: FloatImages, indices: NDArray[np.int64]) -> FloatImages:
        """Return images (n, C, H, W) of the stack's `indices` (n,) with corrected phases."""
        optics = self._optics.take(indices)
        channels = [
            phase_flip(images[:, channel], optics.ctf, optics.pixel_size_angstrom)
            for channel in range(images.shape[1])
        ]
        return np.stack(channels, axis=1)


def _none(stack: ImageStack, wanted_by: str, why: str) -> ConfigError:
    todo = "name the .star or .cs table with defocus, voltage, Cs and amplitude contrast"
    return ConfigError(f"{wanted_by}: {why}", stack.path, todo)
