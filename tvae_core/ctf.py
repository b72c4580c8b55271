"""The contrast transfer function of an electron microscope, in numpy.

Convention, RELION's: gamma(k) = pi/2 Cs lambda^3 k^4 - pi lambda defocus(azimuth) k^2 - phase shift
- asin(amplitude contrast), and CTF(k) = -sin(gamma(k)) exp(-B k^2 / 4). A positive defocus is
underfocus. CTF(0) is then +amplitude contrast: a protein that is bright in the projection stays
bright, as in stacks extracted with inverted contrast. A raw micrograph, where protein is dark, is
the negative of this. cryoDRGN writes the same function with the opposite sign.

The astigmatism angle is in the frame of the file, as RELION and CTFFIND give it: from the column
axis towards growing row index. In the house's frame (y up, row 0 at the top) that is clockwise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ConfigError

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
Float32Array = NDArray[np.float32]

_ANGSTROM_PER_MM = 1e7


@dataclass(frozen=True)
class Ctf:
    """CTF parameters of n images; every field is a number or an (n,) array.

    Parameters
    ----------
    defocus_u_angstrom, defocus_v_angstrom : float or (n,)
        Largest and smallest defocus, Angstrom, positive for underfocus.
    astigmatism_angle_deg : float or (n,)
        Azimuth of `defocus_u`, degrees, from the column axis towards growing row index.
    voltage_kv : float or (n,)
    cs_mm : float or (n,)
        Spherical aberration, millimetres.
    amplitude_contrast : float or (n,)
        Between 0 and 1.
    phase_shift_deg : float or (n,)
        Of a phase plate, degrees.
    b_factor_angstrom2 : float or (n,)
        The envelope is exp(-B k^2 / 4).

    Raises
    ------
    ConfigError
        When the fields' lengths differ.
    """

    defocus_u_angstrom: FloatArray | float
    defocus_v_angstrom: FloatArray | float
    astigmatism_angle_deg: FloatArray | float = 0.0
    voltage_kv: FloatArray | float = 300.0
    cs_mm: FloatArray | float = 2.7
    amplitude_contrast: FloatArray | float = 0.1
    phase_shift_deg: FloatArray | float = 0.0
    b_factor_angstrom2: FloatArray | float = 0.0

    def __post_init__(self) -> None:
        lengths = {np.size(value) for value in self._values().values() if np.ndim(value)}
        if len(lengths) > 1:
            raise ConfigError(f"CTF parameters for {sorted(lengths)} images at once")

    def __len__(self) -> int:
        return max(np.size(value) for value in self._values().values())

    def take(self, indices: IntArray | list[int]) -> Ctf:
        """Return the parameters of the images `indices`, (m,), numbers left as they are."""
        arrays = {name: value for name, value in self._values().items() if np.ndim(value)}
        return replace(self, **{name: np.asarray(value)[indices] for name, value in arrays.items()})

    def rows(self) -> FloatArray:
        """Return (n, 8): one row an image, the columns in the order of the fields."""
        columns = [np.broadcast_to(value, len(self)) for value in self._values().values()]
        return np.stack(columns, axis=1).astype(np.float64)

    def _values(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def wavelength_angstrom(voltage_kv: float) -> float:
    """Return the relativistic electron wavelength in Angstrom (0.0197 at 300 kV)."""
    volt = voltage_kv * 1e3
    return float(12.2643247 / np.sqrt(volt * (1.0 + 0.978466e-6 * volt)))


def ctf_image(ctf: Ctf, side: int, pixel_size_angstrom: float) -> FloatArray:
    """Return the CTF on the grid of `rfft2`, with the sign of the module's convention.

    Parameters
    ----------
    ctf : Ctf
        Of n images.
    side : int
        Side of the square image, pixels; odd or even.
    pixel_size_angstrom : float

    Returns
    -------
    (n, side, side // 2 + 1) float64, zero frequency at [:, 0, 0]

    Raises
    ------
    ConfigError
        When the pixel size is not positive.
    """
    grid = _frequency_grid(side, float(pixel_size_angstrom))
    return np.stack([_ctf_of_one(row, grid) for row in ctf.rows()])


def apply_ctf(
    images: FloatArray, ctf: Ctf, pixel_size_angstrom: FloatArray | float, padding: float = 2.0
) -> Float32Array:
    """Multiply the images' Fourier transforms by their CTF.

    The images are padded with zeros, so that what the CTF spreads does not come back in on the
    opposite side. One image at a time: the result does not depend on how the images are grouped.

    Parameters
    ----------
    images : (n, side, side)
    ctf : Ctf
        Of n images, or of one that then holds for all.
    pixel_size_angstrom : float or (n,)
    padding : float
        Side of the padded image over side of the image, 1 or more.

    Returns
    -------
    (n, side, side) float32
    """
    return _filter(images, ctf, pixel_size_angstrom, padding, signs_only=False)


def phase_flip(
    images: FloatArray, ctf: Ctf, pixel_size_angstrom: FloatArray | float, padding: float = 2.0
) -> Float32Array:
    """Multiply the images' Fourier transforms by the sign of their CTF.

    An underfocused image keeps the sign of its contrast, protein bright or dark: CTF(0) is
    positive here, and what is far from zero follows it. The mean of each image's border is taken
    off before padding and put back after. Arguments and result as for `apply_ctf`; 0.7 ms an image
    of 128 x 128 on one core.
    """
    levels = np.array([_border_mean(image) for image in images], dtype=np.float32)[:, None, None]
    return _filter(images - levels, ctf, pixel_size_angstrom, padding, signs_only=True) + levels


def _filter(
    images: FloatArray,
    ctf: Ctf,
    pixel_size_angstrom: FloatArray | float,
    padding: float,
    signs_only: bool,
) -> Float32Array:
    from scipy import fft

    _check_images(images, ctf, padding)
    side = images.shape[-1]
    padded = padded_side(side, padding)
    rows = np.broadcast_to(ctf.rows(), (len(images), len(fields(ctf))))
    pixels = np.broadcast_to(np.asarray(pixel_size_angstrom, np.float64), len(images)).tolist()
    result = np.empty(images.shape, dtype=np.float32)
    for index, (image, row) in enumerate(zip(images, rows, strict=True)):
        if signs_only:
            transfer = _ctf_of_one(row, _coarse_grid(padded, pixels[index]))
            transfer = np.where(transfer < 0.0, np.float32(-1), np.float32(1))
        else:
            transfer = _ctf_of_one(row, _frequency_grid(padded, pixels[index]))
        spectrum = fft.rfft2(image.astype(np.float32), s=(padded, padded))
        spectrum *= transfer.astype(np.float32, copy=False)
        result[index] = fft.irfft2(spectrum, s=(padded, padded))[:side, :side]
    return result


def padded_side(side: int, padding: float) -> int:
    """Return the side of the padded image that is quick to transform, at least side x padding."""
    from scipy import fft

    if padding == 1.0:
        return side
    return int(fft.next_fast_len(int(np.ceil(side * padding)), real=True))


def _check_images(images: FloatArray, ctf: Ctf, padding: float) -> None:
    if images.ndim != 3 or images.shape[1] != images.shape[2]:
        raise ConfigError(f"the CTF needs square grey images (n, side, side), not {images.shape}")
    if len(ctf) not in (1, len(images)):
        raise ConfigError(f"{len(ctf)} CTFs for {len(images)} images")
    if padding < 1.0:
        raise ConfigError(f"padding {padding} is below 1")


def _border_mean(image: FloatArray) -> float:
    border = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    return float(border.mean())


@lru_cache(maxsize=8)
def _frequency_grid(side: int, pixel_size_angstrom: float) -> tuple[FloatArray, ...]:
    """Return k^2, k^2 cos(2 azimuth) and k^2 sin(2 azimuth), 1/Angstrom^2, on the rfft2 grid."""
    if not pixel_size_angstrom > 0.0:
        raise ConfigError(f"pixel size {pixel_size_angstrom} A is not positive")
    y = np.fft.fftfreq(side, pixel_size_angstrom)[:, None]
    x = np.fft.rfftfreq(side, pixel_size_angstrom)[None, :]
    return x**2 + y**2, x**2 - y**2, 2.0 * x * y


@lru_cache(maxsize=8)
def _coarse_grid(side: int, pixel_size_angstrom: float) -> tuple[FloatArray, ...]:
    """Return `_frequency_grid` in float32: three times as fast, gamma exact to 1e-4, for signs."""
    return tuple(part.astype(np.float32) for part in _frequency_grid(side, pixel_size_angstrom))


def _ctf_of_one(row: FloatArray, grid: tuple[FloatArray, ...]) -> FloatArray:
    """Return the CTF of one image; `row` holds the fields of `Ctf` in their order."""
    defocus_u, defocus_v, angle_deg, voltage, cs_mm, contrast, phase_deg, b_factor = row.tolist()
    squared, squared_cos, squared_sin = grid
    wavelength = wavelength_angstrom(voltage)
    twice = 2.0 * np.deg2rad(angle_deg)
    mean, half = (defocus_u + defocus_v) / 2.0, (defocus_u - defocus_v) / 2.0
    gamma = (0.5 * np.pi * cs_mm * _ANGSTROM_PER_MM * wavelength**3) * squared**2
    gamma -= (np.pi * wavelength * mean) * squared
    if half:
        gamma -= (np.pi * wavelength * half * np.cos(twice)) * squared_cos
        gamma -= (np.pi * wavelength * half * np.sin(twice)) * squared_sin
    gamma -= np.deg2rad(phase_deg) + np.arcsin(contrast)
    envelope = np.exp(-b_factor / 4.0 * squared) if b_factor else 1.0
    return np.asarray(-np.sin(gamma) * envelope)
