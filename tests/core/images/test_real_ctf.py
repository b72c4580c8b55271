"""Tables of real particles: their CTF fits the rings in the images, in both programs' words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from tvae_core.config import DataConfig
from tvae_core.ctf import ctf_image
from tvae_core.errors import ConfigError
from tvae_core.images.opening import open_stack
from tvae_core.images.optics import optics_of
from tvae_core.images.prepared import open_prepared

SharedData = Callable[[str], Path]


def ring_means(values: np.ndarray) -> np.ndarray:
    """Means (side // 2,) over rings of an image on the grid of `rfft2`."""
    side = values.shape[0]
    y, x = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    ring = np.rint(np.hypot(y, x) * side).astype(int).ravel()
    return (np.bincount(ring, values.ravel()) / np.bincount(ring))[: side // 2]


def ripple(curve: np.ndarray) -> np.ndarray:
    return curve - gaussian_filter1d(curve, 8)


@pytest.mark.parametrize(
    ("table", "images", "finest_angstrom"),
    [("cryodrgn/empiar_10076_7.star", 7, 5.0), ("cryodrgn/relion31.star", 5, 6.5)],
)
def test_thon_rings_of_real_particles_lie_where_the_ctf_says(
    shared_data: SharedData, table: str, images: int, finest_angstrom: float
) -> None:
    """The power spectrum follows CTF^2 at the table's defocus and at no other 10 % away."""
    with open_stack(shared_data(f"cryoem/{table}")) as stack:
        optics, raw = optics_of(stack, "test"), stack.read(np.arange(images))
    side, pixel = raw.shape[1], float(optics.pixel_size_angstrom[0])
    band = slice(int(side * pixel / 25), int(side * pixel / finest_angstrom))
    power = np.abs(np.fft.rfft2(raw - raw.mean((1, 2), keepdims=True))) ** 2
    rings = [ripple(np.log(ring_means(p)))[band] for p in power]

    def agreement(scale: float) -> float:
        u, v = optics.ctf.defocus_u_angstrom, optics.ctf.defocus_v_angstrom
        ctf = replace(
            optics.ctf,
            defocus_u_angstrom=np.asarray(u) * scale,
            defocus_v_angstrom=np.asarray(v) * scale,
        )
        expected = [ripple(ring_means(c**2))[band] for c in ctf_image(ctf, side, pixel)]
        pairs = zip(rings, expected, strict=True)
        return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]))

    assert agreement(1.0) > 0.55
    assert agreement(1.0) > 1.5 * max(agreement(0.9), agreement(1.1))


def test_relion_and_cryosparc_tables_of_one_stack_flip_the_same_phases(
    shared_data: SharedData,
) -> None:
    flipped = []
    for table in ("empiar_10076_7.star", "empiar_10076_7.cs"):
        config = DataConfig(
            path=str(shared_data(f"cryoem/cryodrgn/{table}")), phase_flip=True, normalise="none"
        )
        with open_prepared(config) as images:
            flipped.append(images.read(np.arange(7)))
    turned = -flipped[1]  # its blob/sign is -1
    np.testing.assert_allclose(flipped[0], turned, atol=1e-3)


def test_a_table_without_a_pixel_size_is_refused(shared_data: SharedData) -> None:
    path = shared_data("cryoem/cryodrgn/toy_projections.star")
    with pytest.raises(ConfigError, match="neither the table nor its stacks give a pixel size"):
        open_prepared(DataConfig(path=str(path), phase_flip=True))
