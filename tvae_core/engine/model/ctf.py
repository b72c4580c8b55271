"""The CTF within the likelihood: the generator draws the object, the microscope shows it.

Shapes: B images, C channels, P = side^2 pixels, G = padded side of the Fourier grid. The formula,
its signs and units are those of `tvae_core.ctf`; a test compares the two.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tvae_core.ctf import padded_side
from tvae_core.errors import ConfigError

_PADDING = 2.0
_ANGSTROM_PER_MM = 1e7


def ctf_values(rows: Tensor, side: int) -> Tensor:
    """Return the CTF of each image on the grid of `rfft2`, (B, side, side // 2 + 1).

    Parameters
    ----------
    rows : (B, 9)
        The fields of `tvae_core.ctf.Ctf` in their order, then the pixel size in Angstrom
        (`PreparedStack.ctf_rows`).
    side : int
        Of the grid.
    """
    columns = rows.float()[:, :, None, None].unbind(1)
    defocus_u, defocus_v, angle_deg, kilovolt, cs_mm, contrast, phase_deg, b_factor, pixel = columns
    y = torch.fft.fftfreq(side, device=rows.device)[None, :, None] / pixel
    x = torch.fft.rfftfreq(side, device=rows.device)[None, None, :] / pixel
    squared = x**2 + y**2  # 1 / Angstrom^2
    volt = kilovolt * 1e3
    wavelength = 12.2643247 / (volt * (1.0 + 0.978466e-6 * volt)).sqrt()
    twice = 2.0 * torch.deg2rad(angle_deg)
    along, across = (x**2 - y**2) * twice.cos(), 2.0 * x * y * twice.sin()
    mean, half = (defocus_u + defocus_v) / 2.0, (defocus_u - defocus_v) / 2.0
    gamma = (0.5 * math.pi * _ANGSTROM_PER_MM) * cs_mm * wavelength**3 * squared**2
    gamma = gamma - math.pi * wavelength * (mean * squared + half * (along + across))
    gamma = gamma - torch.deg2rad(phase_deg) - contrast.asin()
    values: Tensor = -gamma.sin() * (-b_factor / 4.0 * squared).exp()
    return values


def seen_through_ctf(drawn: Tensor, rows: Tensor, side: int) -> Tensor:
    """Return images as the microscope shows them; gradients pass.

    Zeros are put around an image before its Fourier transform is multiplied by the CTF, so that
    nothing comes back in on the opposite side.

    Parameters
    ----------
    drawn : (B M, P, C)
        All pixels of M poses of each image, row by row.
    rows : (B, 9)
        As for `ctf_values`.
    side : int

    Returns
    -------
    (B M, P, C) float32
    """
    poses = len(drawn) // len(rows)
    grid = padded_side(side, _PADDING)
    with torch.autocast(drawn.device.type, enabled=False):
        transfer = ctf_values(rows, grid).repeat_interleave(poses, 0)[:, None]  # (B M, 1, G, G/2+1)
        images = drawn.float().transpose(1, 2).reshape(len(drawn), -1, side, side)  # (B M, C, H, W)
        spectrum = torch.fft.rfft2(images, s=(grid, grid)) * transfer
        seen: Tensor = torch.fft.irfft2(spectrum, s=(grid, grid))[..., :side, :side]
        return seen.flatten(2).transpose(1, 2)


def check_ctf_given(wanted: bool, rows: Tensor | None) -> None:
    """Raise a ConfigError unless a model that sees through the CTF, and no other, is given one."""
    if wanted and rows is None:
        raise ConfigError(
            "the model needs the CTF of its images, and none is given",
            "model.ctf",
            "name the images by a .star or .cs table with CTF values",
        )
    if rows is not None and not wanted:
        raise ConfigError("a CTF is given to a model that uses none", "model.ctf")
