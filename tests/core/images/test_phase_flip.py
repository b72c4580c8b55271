"""Phase flipping on the way to the model: at the original size, by the table's values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tvae_core.analysis.alignment import fourier_ring_correlation
from tvae_core.config import DataConfig
from tvae_core.ctf import phase_flip
from tvae_core.errors import ConfigError
from tvae_core.images.fourier import fourier_crop
from tvae_core.images.optics import optics_of
from tvae_core.images.prepared import open_prepared
from tvae_core.synthetic import plan_set, write_set

OPTIONS = {"count": 12, "side": 64, "snr": float("inf"), "hinge_range_deg": 0.0}
PLAIN = {"normalise": "none"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flip")
    write_set(plan_set("hinge", **OPTIONS), folder)
    return folder


def read(path: Path, **settings: object) -> np.ndarray:
    with open_prepared(DataConfig(path=str(path), **{**PLAIN, **settings})) as images:
        return images.read(np.arange(len(images)))[:, 0]


def agreement(images: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Return the ring correlation with the object, averaged over the images."""
    pairs = zip(images, clean, strict=True)
    return np.mean([fourier_ring_correlation(a, b).correlation for a, b in pairs], axis=0)


def test_images_are_flipped_at_their_own_size_before_they_are_cut(folder: Path) -> None:
    raw = read(folder / "particles.star")
    with open_prepared(DataConfig(path=str(folder / "particles.star"))) as images:
        optics = optics_of(images.stack, "test")
    whole = phase_flip(raw, optics.ctf, optics.pixel_size_angstrom)
    expected = fourier_crop(np.ascontiguousarray(whole[:, 8:-8, 8:-8]), 24)
    found = read(folder / "particles.star", phase_flip=True, crop_px=48, downsample_px=24)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_flipped_images_agree_with_the_object_beyond_the_first_zero_of_the_ctf(
    folder: Path,
) -> None:
    clean = plan_set("hinge", **OPTIONS, ctf=False).whole().images
    raw = agreement(read(folder / "particles.star"), clean)
    flipped = agreement(read(folder / "particles.star", phase_flip=True), clean)
    # at 3 A a pixel and 64 pixels, defocus of 1 to 2 micrometres crosses zero in rings 10 and 11
    assert raw[12:14].max() < -0.9
    assert flipped[:17].min() > 0.9


def test_dark_protein_stays_dark(folder: Path, tmp_path: Path) -> None:
    from tests.core.images.makers import mrc_bytes

    images = read(folder / "particles.star")
    (tmp_path / "particles.mrcs").write_bytes(mrc_bytes(-images, pixel_size=3.0))
    (tmp_path / "particles.star").write_bytes((folder / "particles.star").read_bytes())
    bright = read(folder / "particles.star", phase_flip=True)
    dark = read(tmp_path / "particles.star", phase_flip=True)
    np.testing.assert_allclose(dark, -bright, atol=1e-5)
    assert bright[:, 32, 32].mean() > 0 > dark[:, 32, 32].mean()


def test_one_image_read_alone_is_the_same_to_the_last_bit(folder: Path) -> None:
    config = DataConfig(path=str(folder / "particles.star"), phase_flip=True)
    with open_prepared(config) as images:
        np.testing.assert_array_equal(images.read([7, 3])[1], images.read([3])[0])


def test_a_stack_without_a_table_is_refused_in_one_line(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"data.phase_flip: .*without a table.*\.star or \.cs"):
        read(folder / "particles.mrcs", phase_flip=True)


def test_a_table_without_ctf_values_is_refused(tmp_path: Path) -> None:
    write_set(plan_set("hinge", count=3, side=32, ctf=False), tmp_path)
    with pytest.raises(ConfigError, match=r"data.phase_flip: the table gives no CTF values"):
        read(tmp_path / "particles.star", phase_flip=True)


def test_phases_are_not_corrected_twice(folder: Path, tmp_path: Path) -> None:
    text = (folder / "particles.star").read_text()
    text = text.replace("_rlnVoltage #6", "_rlnVoltage #6\n_rlnCtfDataArePhaseFlipped #9")
    text = text.replace(" 300.000000 ", " 300.000000 1 ")
    (tmp_path / "particles.star").write_text(text)
    (tmp_path / "particles.mrcs").write_bytes((folder / "particles.mrcs").read_bytes())
    with pytest.raises(ConfigError, match="corrected already"):
        read(tmp_path / "particles.star", phase_flip=True)


def test_images_that_are_not_asked_for_flipping_need_no_ctf(folder: Path) -> None:
    np.testing.assert_array_equal(read(folder / "particles.star"), read(folder / "particles.mrcs"))
