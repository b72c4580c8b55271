"""The steerable filters of the plane in closed form: rings of Gaussian profile times harmonics.

A filter is exp(-(rho - rho_j)^2 / (2 sigma_j^2)) cos(m phi - alpha), phi counter-clockwise from x.
Turning it by an angle is taking m times that angle from its phase, so every weighted sum of them is
a filter that can be turned exactly (Weiler and Cesa, NeurIPS 2019, whose library escnn is the
reference). Filters, order, signs and scale are those of escnn's `R2Conv(trivial -> regular)` of
C_R, so that weights trained with either are weights of both (`test_closed_form_is_that_of_escnn`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_WIDTH, _LAST_WIDTH, _CENTRE_WIDTH = 0.6, 0.4, 0.005  # px, escnn's defaults
_SMALLEST_NORM = 1e-6


@dataclass(frozen=True)
class _Ring:
    radius: float
    width: float
    highest: float  # harmonic that is not aliased there


def planar_basis(rotations: int, kernel_px: int, turns: int) -> Tensor:
    """Return the basis, (n, turns, k, k): slice r is the filter turned by r 2 pi / R.

    Parameters
    ----------
    rotations : int
        R of the group.
    kernel_px : int
        k, side of the filters.
    turns : int
        How many of the R turns are wanted, from the first.
    """
    axis = torch.arange(kernel_px, dtype=torch.float64) - (kernel_px - 1) / 2
    y, x = torch.meshgrid(-axis, axis, indexing="ij")
    rho, phi = torch.hypot(x, y).flatten(), torch.atan2(y, x).flatten()
    rings = _rings(kernel_px)
    found = []
    for m in range(int(max(ring.highest for ring in rings)) + 1):
        profiles = _profiles(rings, m, rho)
        for phase, size in _phases(m, rotations):
            turned = _turned(m, phase, rotations, phi)  # (R, k k)
            norms = (profiles.square() @ turned.square().sum(0) / size).sqrt()
            whole = norms >= _SMALLEST_NORM
            scaled = profiles[whole] / norms[whole, None]
            found.append(scaled[:, None] * turned[:turns])
    basis = torch.cat(found).to(torch.float32)
    return basis.reshape(len(basis), turns, kernel_px, kernel_px)


def _rings(kernel_px: int) -> list[_Ring]:
    """Return one ring a pixel of radius, and the harmonics each can carry."""
    count, last = math.ceil(kernel_px / 2), (kernel_px - 1) // 2
    rings = []
    for radius in range(count):
        highest = 2 * radius - (radius + 1) % 2
        if radius == kernel_px // 2:  # it touches the border
            highest = 2
        width = _LAST_WIDTH if radius == last else _WIDTH
        if radius == 0:
            width, highest = _CENTRE_WIDTH, 0
        rings.append(_Ring(radius, width, min(2 * radius, highest)))
    return rings


def _profiles(rings: list[_Ring], m: int, rho: Tensor) -> Tensor:
    """Return (rings that carry m, k k); harmonics above 0 have no value at the centre."""
    lines = [
        torch.exp(-((rho - ring.radius) ** 2) / (2 * ring.width**2))
        for ring in rings
        if m <= ring.highest
    ]
    profiles = torch.stack(lines)
    return profiles if m == 0 else profiles * (rho > 0)


def _phases(m: int, rotations: int) -> list[tuple[float, int]]:
    """Return the phases alpha of harmonic m, each with the size of its representation of C_R.

    escnn counts angles from y: alpha is m quarter turns; and of a harmonic that C_R sees as -m, its
    partner is a quarter turn back.
    """
    first = m * math.pi / 2
    if m == 0:
        return [(first, 1)]
    rest = m % rotations
    sign = -1 if 2 * rest > rotations else 1
    size = 1 if rest == 0 or 2 * rest == rotations else 2
    return [(first, size), (first + sign * math.pi / 2, size)]


def _turned(m: int, phase: float, rotations: int, phi: Tensor) -> Tensor:
    """Return cos(m (phi - r 2 pi / R) - phase) for every r, (R, k k)."""
    angles = torch.arange(rotations, dtype=torch.float64) * (2 * math.pi / rotations)
    return torch.cos(m * (phi - angles[:, None]) - phase)
