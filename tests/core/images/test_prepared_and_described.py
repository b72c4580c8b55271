"""A stack as the model sees it, and what there is to say about a stack."""

from __future__ import annotations

import numpy as np
import pytest

from tests.core.images.makers import mrc_bytes, save_pictures
from tvae_core.config import DataConfig
from tvae_core.errors import ConfigError, ImageFileError
from tvae_core.images.inspect import describe
from tvae_core.images.prepared import open_prepared


@pytest.fixture
def path(tmp_path):
    images = np.random.default_rng(0).normal(size=(6, 8, 8)).astype(np.float32)
    images[2] = 9.0
    images[4, 0, :3] = np.nan
    (tmp_path / "a.mrcs").write_bytes(mrc_bytes(images, pixel_size=1.5))
    return tmp_path / "a.mrcs"


def test_a_prepared_stack_scales_its_pixel_size(path):
    config = DataConfig(path=str(path), downsample_px=4, bad_pixels="mean", mask=True)
    with open_prepared(config) as prepared:
        assert (len(prepared), prepared.side, prepared.channels) == (6, 4, 1)
        assert prepared.pixel_size_angstrom == pytest.approx(3.0)
        assert prepared.mask.shape == (4, 4)
        images = prepared.read([5, 4, 2])
        assert images.shape == (3, 1, 4, 4)
        assert np.isfinite(images).all()
        assert prepared.preprocessor.bad_pixel_count == 3
        assert prepared.preprocessor.constant_count == 1
        assert prepared.stack.kind == "MRC"


def test_a_refused_image_is_named_by_its_number_in_the_stack(path):
    with open_prepared(DataConfig(path=str(path))) as prepared:
        prepared.read([0, 1, 2, 3, 5])
        with pytest.raises(ImageFileError, match=r"a.mrcs: 3 NaN .* in image 4"):
            prepared.read([5, 4])


def test_settings_that_do_not_fit_are_config_errors(path):
    with pytest.raises(ConfigError, match=r"data.path: no images are given"):
        open_prepared(DataConfig())
    with pytest.raises(ConfigError, match=r"data.phase_flip"):
        open_prepared(DataConfig(path=str(path), phase_flip=True))


def test_describe_counts_over_the_whole_stack(path):
    found = describe(path)
    assert found == found | {
        "kind": "MRC",
        "count": 6,
        "height": 8,
        "width": 8,
        "channels": 1,
        "dtype": "float32",
        "files": 1,
        "label_counts": None,
        "bad_pixels": 3,
        "bad_images": 1,
        "constant_images": 1,
        "max": 9.0,
        "remarks": ["1 of 6 images is constant"],
    }
    assert found["pixel_size_angstrom"] == pytest.approx(1.5)
    assert found["min"] < found["mean"] < found["max"]


def test_describe_names_the_classes_and_survives_a_stack_without_a_finite_pixel(tmp_path):
    for name, count in (("cat", 2), ("dog", 3)):
        save_pictures(tmp_path / "set" / name, np.zeros((count, 4, 4), np.uint8))
    assert describe(tmp_path / "set")["label_counts"] == {"cat": 2, "dog": 3}
    (tmp_path / "nan.mrc").write_bytes(mrc_bytes(np.full((1, 2, 2), np.nan, np.float32)))
    found = describe(tmp_path / "nan.mrc")
    assert (found["mean"], found["bad_pixels"]) == (None, 4)
