"""The CTF against a formula written out point by point, and its use on images."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from tvae_core.ctf import Ctf, apply_ctf, ctf_image, phase_flip, wavelength_angstrom
from tvae_core.errors import ConfigError

EXAMPLE = Ctf(
    defocus_u_angstrom=np.array([12_000.0, 25_000.0]),
    defocus_v_angstrom=np.array([11_200.0, 25_000.0]),
    astigmatism_angle_deg=np.array([33.0, 0.0]),
    voltage_kv=np.array([300.0, 200.0]),
    cs_mm=2.7,
    amplitude_contrast=np.array([0.07, 0.1]),
    phase_shift_deg=np.array([0.0, 40.0]),
    b_factor_angstrom2=np.array([80.0, 0.0]),
)
ROWS = EXAMPLE.rows().tolist()


def scalar_ctf(row: list[float], kx: float, ky: float) -> float:
    """The CTF at one frequency, from physical constants and the wave aberration."""
    defocus_u, defocus_v, angle_deg, kilovolt, cs_mm, contrast, phase_deg, b_factor = row
    electron, mass, light, planck = 1.602176634e-19, 9.1093837015e-31, 299792458.0, 6.62607015e-34
    energy = electron * kilovolt * 1e3
    momentum = math.sqrt(energy * (energy + 2 * mass * light**2)) / light
    wavelength = planck / momentum * 1e10
    away = math.atan2(ky, kx) - math.radians(angle_deg)
    defocus = defocus_u * math.cos(away) ** 2 + defocus_v * math.sin(away) ** 2
    k = math.hypot(kx, ky)
    aberration = math.pi * wavelength * defocus * k**2
    aberration -= 0.5 * math.pi * cs_mm * 1e7 * wavelength**3 * k**4
    aberration += math.radians(phase_deg)
    wave = cmath.exp(1j * aberration)
    value = math.sqrt(1 - contrast**2) * wave.imag + contrast * wave.real
    return value * math.exp(-b_factor * k**2 / 4)


@pytest.mark.parametrize("side", [16, 17])
def test_the_ctf_agrees_with_a_formula_written_point_by_point(side: int) -> None:
    pixel = 1.7
    values = ctf_image(EXAMPLE, side, pixel)
    assert values.shape == (2, side, side // 2 + 1)
    frequencies_y, frequencies_x = np.fft.fftfreq(side, pixel), np.fft.rfftfreq(side, pixel)
    expected = [
        [[scalar_ctf(row, x, y) for x in frequencies_x] for y in frequencies_y] for row in ROWS
    ]
    # RELION's wavelength constant is 5e-6 off today's physical constants, times up to 340 rad
    assert values == pytest.approx(np.array(expected), abs=2e-3)


def test_the_wavelength_at_300_kv_is_the_textbook_one() -> None:
    assert wavelength_angstrom(300.0) == pytest.approx(0.01969, abs=1e-5)


def test_bright_protein_stays_bright_at_zero_frequency() -> None:
    ctf = Ctf(15_000.0, 15_000.0, amplitude_contrast=0.1)
    assert ctf_image(ctf, 8, 3.0)[0, 0, 0] == pytest.approx(0.1)


def test_underfocus_first_raises_the_contrast() -> None:
    ring = ctf_image(Ctf(15_000.0, 15_000.0), 64, 3.0)[0, 0]
    assert ring[1] > ring[0] > 0.0
    assert ctf_image(Ctf(-15_000.0, -15_000.0), 64, 3.0)[0, 0, 5] < 0.0


@pytest.mark.parametrize("side", [20, 21])
def test_a_point_becomes_the_inverse_transform_of_the_ctf(side: int) -> None:
    images = np.zeros((2, side, side))
    images[:, side // 2, side // 2] = 1.0
    spread = apply_ctf(images, EXAMPLE, 2.0, padding=1.0)
    expected = np.fft.irfft2(ctf_image(EXAMPLE, side, 2.0), s=(side, side))
    expected = np.roll(expected, (side // 2, side // 2), axis=(1, 2))
    assert spread == pytest.approx(expected, abs=1e-6)  # float32


def test_padding_keeps_what_leaves_on_one_side_from_coming_back_on_the_other() -> None:
    images = np.zeros((1, 32, 32))
    images[0, 16, 1] = 1.0
    ctf = Ctf(15_000.0, 15_000.0)
    wrapped = np.abs(apply_ctf(images, ctf, 3.0, padding=1.0)[0, 16, -4:]).max()
    assert np.abs(apply_ctf(images, ctf, 3.0)[0, 16, -4:]).max() < wrapped / 2


def test_flipping_phases_keeps_the_background_level() -> None:
    images = np.random.default_rng(3).normal(5.0, 1.0, (2, 24, 24))
    once = phase_flip(images, EXAMPLE, 2.0, padding=1.0)
    assert not np.allclose(once, images, atol=0.1)
    border = np.concatenate([once[:, 0].ravel(), once[:, -1].ravel()])
    assert border.mean() == pytest.approx(5.0, abs=1.0)


def test_flipping_phases_makes_the_transfer_positive() -> None:
    images = np.zeros((2, 24, 24))
    images[:, 12, 12] = 1.0
    seen = apply_ctf(images, EXAMPLE, 2.0, padding=1.0)
    flipped = phase_flip(seen, EXAMPLE, 2.0, padding=1.0)
    transfer = np.fft.rfft2(np.roll(flipped, (-12, -12), axis=(1, 2))).real
    away = np.ones(transfer.shape[1:], dtype=bool)
    away[0, 0] = False  # the border's mean is put back here
    away[12], away[:, 12] = False, False  # at Nyquist +k and -k share a cell, astigmatism or not
    assert transfer[:, away] == pytest.approx(
        np.abs(ctf_image(EXAMPLE, 24, 2.0))[:, away], abs=1e-5
    )


def test_taking_images_takes_their_rows() -> None:
    assert np.array_equal(EXAMPLE.take([1]).rows(), EXAMPLE.rows()[1:])


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ConfigError):
        Ctf(np.zeros(2), np.zeros(3))
    with pytest.raises(ConfigError):
        apply_ctf(np.zeros((3, 8, 8)), EXAMPLE, 1.0)
    with pytest.raises(ConfigError):
        apply_ctf(np.zeros((2, 8, 9)), EXAMPLE, 1.0)
    with pytest.raises(ConfigError):
        ctf_image(EXAMPLE, 8, 0.0)
