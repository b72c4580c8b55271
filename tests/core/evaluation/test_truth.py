"""What is known of a set is read from what `tvae synth` writes, or from a user's own table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tvae_core.config import DataConfig
from tvae_core.errors import ConfigError
from tvae_core.evaluation.truth import open_truth, truth_beside
from tvae_core.images.preprocess import Preprocessor
from tvae_core.synthetic import plan_set, write_set


def test_the_truth_of_a_made_set(tmp_path: Path) -> None:
    plan = plan_set("hinge", count=12, side=32)
    written = write_set(plan, tmp_path)
    assert truth_beside(written.stack) == written.truth
    halved = Preprocessor(DataConfig(downsample_px=16), 32, 32, 1, np.dtype(np.float32))
    truth = open_truth(written.truth, 12, halved.scale)
    assert truth.shift_px is not None
    np.testing.assert_allclose(truth.shift_px[:, 1], plan.truth["shift_y_px"] * 0.5)
    np.testing.assert_array_equal(truth.angle_rad, plan.truth["angle_rad"])
    assert "hinge_rad" in truth.factors
    assert not {"image", "angle_rad", "defocus_u_angstrom"} & set(truth.factors)


def test_labels_may_be_words(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("label\nround\nlong\nround\n")
    truth = open_truth(tmp_path / "truth.csv", 3)
    assert truth.label_names == ("long", "round")
    assert truth.labels is not None
    assert truth.labels.tolist() == [1, 0, 1]
    assert truth.label_name(0) == "long"
    assert truth.angle_rad is None


def test_an_npz_of_the_same_columns(tmp_path: Path) -> None:
    shift = np.arange(8.0).reshape(4, 2)
    np.savez(tmp_path / "t.npz", labels=np.arange(4), shift_px=shift, angle_rad=np.zeros(4))
    truth = open_truth(tmp_path / "t.npz", 4)
    np.testing.assert_array_equal(truth.shift_px, shift)
    assert truth.factors == {}


def test_another_number_of_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("label\n1\n2\n")
    with pytest.raises(ConfigError, match="3 images but 2 rows"):
        open_truth(tmp_path / "truth.csv", 3)
    with pytest.raises(ConfigError, match="cannot be read as truth"):
        open_truth(tmp_path / "none.csv", 3)
    assert truth_beside(tmp_path / "elsewhere" / "images.npy") is None
