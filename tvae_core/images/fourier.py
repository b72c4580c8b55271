"""Making images smaller by cutting their Fourier transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fourier_crop(
    images: NDArray[np.float32], side: int, offset_px: tuple[float, float] = (0.0, 0.0)
) -> NDArray[np.float32]:
    """Return the images resampled to `side` x `side`, band-limited, their mean preserved.

    The image centre (size - 1) / 2 stays the image centre for odd and even sizes: an object at
    x pixels from the centre appears at x * side / S. A plain cut of the transform keeps the
    first pixel's place instead and so moves the object by half of 1 - side / S output pixels.

    Parameters
    ----------
    images : (..., S, S) float32
    side : int
        At most S.
    offset_px : (row, column)
        Where the output's centre lies from the input's centre, in input pixels, rows down.

    Returns
    -------
    (..., side, side) float32
        out(y) = sum F_k exp(2 pi i k (y S / side + (S - 1) / 2 + offset) / S), |k| < side / 2.
    """
    from scipy import fft  # heavy: the window reads this file and transforms nothing

    size = images.shape[-1]
    spectrum = fft.rfft2(images)
    rows = np.rint(fft.fftfreq(side) * side).astype(np.int64)
    columns = np.arange(side // 2 + 1)
    cut = spectrum[..., rows[:, None], columns[None, :]]  # negative k counts from the end
    phases = _phase(rows, size, side, offset_px[0])[:, None]
    phases = phases * _phase(columns, size, side, offset_px[1])[None]
    scale = (side / size) ** 2
    cut = cut * (phases * scale).astype(np.complex64)
    return np.asarray(fft.irfft2(cut, s=(side, side)), np.float32)


def _phase(k: NDArray[np.int64], size: int, side: int, offset_px: float) -> NDArray[np.complex128]:
    """Return the factor of each frequency; the unpaired one of an even side is dropped."""
    shift = 0.5 / side - 0.5 / size + offset_px / size
    kept = 2 * np.abs(k) != side
    return np.asarray(np.exp(2j * np.pi * k * shift) * kept)
