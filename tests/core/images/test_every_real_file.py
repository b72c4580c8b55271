"""Every cryo-EM file at hand opens as what it is, or is refused for a reason that is true."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path
from typing import NamedTuple

import mrcfile
import numpy as np
import pytest

from tvae_core.errors import ImageFileError
from tvae_core.images.opening import open_stack


class Opens(NamedTuple):
    """Images, side in pixels, pixel size in Angstrom; a word of each remark."""

    count: int
    side: int
    pixel: float | None
    remark: str = ""
    dtype: str = "f4"


class Refused(NamedTuple):
    """What the one line says."""

    words: str


CUBE = "if it is a volume"
DETECTOR = "rlnDetectorPixelSize without rlnMagnification says no pixel size"
PICKLE = Refused("pickles are not read: they can run any code")
EXPECTED: dict[str, Opens | Refused] = {
    "aspire/clean70S_65p.mrc": Opens(65, 65, None, CUBE),
    "aspire/projections_89.mrcs": Opens(100, 89, 1.0),
    "cryodrgn/cryosparc_P12_J24_001_particles.cs": Refused(
        "its stack J19/extract/20150917_05196_DNA-TET-25k-DE20_raw.region_000.sum-all_003-072_"
        "particles.mrc (and 49 more) is missing (set image_root"
    ),
    "cryodrgn/empiar_10076_7.cs": Opens(7, 320, 1.31, "contrast of 7 images is inverted"),
    "cryodrgn/empiar_10076_7.mrc": Opens(7, 320, None),  # flagged a volume, cell 0
    "cryodrgn/empiar_10076_7.star": Opens(7, 320, 1.31),  # 5 um * 1e4 / 38168
    "cryodrgn/hand-vol.mrc": Opens(64, 64, 1.0, CUBE),
    "cryodrgn/hand.mrcs": Opens(100, 64, 1.0),
    "cryodrgn/hand_rot_trans.pkl": PICKLE,
    "cryodrgn/relion31.mrcs": Opens(5, 256, 1.0),
    "cryodrgn/relion31.star": Opens(
        5, 256, 2.806, "stacks say 1 angstrom per pixel, the table 2.8"
    ),
    "cryodrgn/test_ctf.pkl": PICKLE,
    "cryodrgn/toy_angles.pkl": PICKLE,
    "cryodrgn/toy_projections.mrcs": Opens(1000, 30, None),  # MX = 1, cell 1: no pixel size
    "cryodrgn/toy_projections.star": Opens(1000, 30, None),
    "cryodrgn/toy_rot_trans.pkl": PICKLE,
    "cryodrgn/toy_trans.pkl": PICKLE,
    "cryodrgn/toymodel_small_nocenter.mrc": Opens(30, 30, 1.0, CUBE),
    "mrcfile/EMD-3197.map": Opens(20, 20, 11.4, CUBE),
    "mrcfile/emd_3197.map.gz": Opens(20, 20, 11.4, CUBE),
    "mrcfile/float16_mode12.mrc": Opens(1, 64, 3.595, dtype="f2"),
    "starfile/basic_double_quote.star": Refused("no loop has rlnImageName"),
    "starfile/one_loop.star": Refused("rlnCtfImage says that it is of a tomogram"),
    "starfile/rln3.1_data_style.star": Refused(
        "several tables of images: data_block_2, data_block_3"
    ),
    "tomodrgn/10076_classD_32.mrc": Opens(32, 32, 1.0, CUBE),
    "tomodrgn/10076_classD_32_sim.mrcs": Opens(576, 32, 13.1),
    # rlnDetectorPixelSize without a magnification is no pixel size: its stack's is taken
    "tomodrgn/10076_classD_32_sim.star": Opens(576, 32, 13.1, DETECTOR),
    "tomodrgn/10076_classE_32.mrc": Opens(32, 32, 1.0, CUBE),
    "tomodrgn/10076_classE_32_sim.mrcs": Opens(720, 32, 13.1),
    "tomodrgn/10076_classE_32_sim.star": Opens(720, 32, 13.1, DETECTOR),
}
TURNED = {"cryodrgn/empiar_10076_7.cs"}  # blob/sign is -1
STACK_OF = {
    "cryodrgn/empiar_10076_7.cs": "cryodrgn/empiar_10076_7.mrc",
    "cryodrgn/empiar_10076_7.star": "cryodrgn/empiar_10076_7.mrc",
    "cryodrgn/relion31.star": "cryodrgn/relion31.mrcs",
    "cryodrgn/toy_projections.star": "cryodrgn/toy_projections.mrcs",
    "tomodrgn/10076_classD_32_sim.star": "tomodrgn/10076_classD_32_sim.mrcs",
    "tomodrgn/10076_classE_32_sim.star": "tomodrgn/10076_classE_32_sim.mrcs",
}


def test_no_file_is_left_out(shared_data):
    folder = shared_data("cryoem")
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert found - {"SOURCES.md"} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_file_opens_or_is_refused(shared_data, name):
    path, expected = shared_data(f"cryoem/{name}"), EXPECTED[name]
    if isinstance(expected, Refused):
        with pytest.raises(ImageFileError) as caught:
            open_stack(path)
        assert expected.words in str(caught.value)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        return
    with open_stack(path) as stack:
        assert (len(stack), stack.height, stack.width) == (
            expected.count,
            expected.side,
            expected.side,
        )
        assert stack.dtype == np.dtype(expected.dtype)
        pixel = stack.pixel_size_angstrom
        assert (pixel is None) == (expected.pixel is None)
        assert pixel is None or pixel == pytest.approx(expected.pixel, rel=2e-4)
        assert all(expected.remark and expected.remark in remark for remark in stack.remarks)
        assert bool(stack.remarks) == bool(expected.remark)
        images = stack.read(np.arange(len(stack)))
    stack_path = shared_data(f"cryoem/{STACK_OF.get(name, name)}")
    expected_pixels = _by_mrcfile(stack_path).reshape(images.shape)
    sign = -1 if name in TURNED else 1
    np.testing.assert_array_equal(images, sign * expected_pixels)


def _by_mrcfile(path: Path) -> np.ndarray:
    """Return what an independent reader finds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of missing words MAP and machine stamps
        if path.suffix == ".gz":
            header, body = gzip.decompress(path.read_bytes()), 1024
            return np.frombuffer(header[body:], "<f4")
        with mrcfile.open(path, permissive=True) as file:
            return np.array(file.data, dtype=np.float32)


def test_two_near_duplicates_are_two_images(shared_data):
    with open_stack(shared_data("cryoem/cryodrgn/relion31.star")) as stack:
        first, second = stack.read([0, 1]).reshape(2, -1)
    assert not np.array_equal(first, second)
    assert np.corrcoef(first, second)[0, 1] > 0.9999
