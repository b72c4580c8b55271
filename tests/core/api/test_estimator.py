"""`tvae.TargetVAE()` is a scikit-learn transformer that says the same as the run it stands for."""

from __future__ import annotations

import pickle
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import tvae_core as tvae
from tests.core.engine.model.models import blob_images
from tests.core.engine.runs import SIDE, TINY

SETTINGS: dict[str, Any] = TINY["model"] | TINY["train"] | TINY["embed"]
OWN = {name: SETTINGS.pop(name) for name in ("epochs", "batch_size", "learning_rate")}
IMAGES = blob_images(40, SIDE).numpy()[:, 0]


def tiny(**parameters: Any) -> tvae.TargetVAE:
    given = OWN | {"epochs": 1, "preset": "fast-cpu", "settings": SETTINGS}
    return tvae.TargetVAE(**given | parameters)


# Every check of scikit-learn holds. One that comes to be left out gets a line here with its reason.
LEFT_OUT: dict[str, str] = {}
CHECKS = [
    pytest.param(model, check, id=f"{check.func.__name__}-{number}")
    for number, (model, check) in enumerate(
        estimator_checks_generator(
            tiny(settings=SETTINGS | {"kernel_px": 5}),
            expected_failed_checks=LEFT_OUT,
            mark="skip",
        )
    )
]


@pytest.mark.filterwarnings("ignore:rows of .* values are no square images:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(("model", "check"), CHECKS)
def test_a_check_of_scikit_learn_holds(model: tvae.TargetVAE, check: Callable[..., None]) -> None:
    try:
        check(model)
    except unittest.SkipTest as reason:
        pytest.skip(str(reason))


def test_the_content_is_that_of_a_run_with_the_same_settings(tmp_path: Path) -> None:
    model = tiny().fit(IMAGES)
    run = tvae.fit(IMAGES, tmp_path / "run", preset="fast-cpu", **SETTINGS | OWN | {"epochs": 1})
    np.testing.assert_allclose(model.transform(IMAGES), run.store.z, atol=1e-6)
    angle_rad, shift_px = model.pose(IMAGES)
    np.testing.assert_allclose(angle_rad, run.store.angle_rad, atol=1e-5)
    np.testing.assert_allclose(shift_px, run.store.shift_px, atol=1e-5)
    drawn = model.inverse_transform(run.store.z[:3])
    wanted = run.store.decode(run.store.z[:3])
    np.testing.assert_allclose(drawn.reshape(wanted.shape), wanted, atol=1e-6)


def test_bytes_stay_bytes(tmp_path: Path) -> None:
    """8-bit images are scaled by their type, not each by its own range."""
    dim = (IMAGES / IMAGES.max() * 100).astype(np.uint8)
    model = tiny().fit(dim)
    run = tvae.fit(dim, tmp_path / "run", preset="fast-cpu", **SETTINGS | OWN | {"epochs": 1})
    np.testing.assert_allclose(model.transform(dim), run.store.z, atol=1e-6)


def test_flattened_and_colour_images_have_the_shape_that_is_said() -> None:
    grey = tiny().fit(IMAGES)
    flat = IMAGES.reshape(len(IMAGES), -1)
    np.testing.assert_array_equal(grey.transform(flat), grey.transform(IMAGES))
    colour = np.moveaxis(blob_images(20, SIDE, 3).numpy(), 1, -1)
    model = tiny(image_shape=(SIDE, SIDE, 3)).fit(colour.reshape(20, -1))
    np.testing.assert_array_equal(model.transform(colour), tiny().fit(colour).transform(colour))
    with pytest.raises(ValueError, match="no images of shape"):
        tiny(image_shape=(5, 5)).fit(flat)


def test_rows_that_are_no_square_images_are_told() -> None:
    """A column of labels left in the table makes 145 values of 144."""
    rows = np.column_stack([np.arange(40), IMAGES.reshape(40, -1)])
    with pytest.warns(UserWarning, match="145 values are no square images: filled up to 13 x 13"):
        tiny().fit(rows)


def test_it_works_in_a_pipeline_and_survives_a_pickle() -> None:
    pipeline = make_pipeline(tiny(), StandardScaler())
    z = pipeline.fit_transform(IMAGES)
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(again.transform(IMAGES), z)
    assert pipeline[0].get_feature_names_out().tolist() == ["targetvae0", "targetvae1"]
    assert len(pipeline[0].history_) == 1


def test_the_seed_decides() -> None:
    first, again, other = (tiny(random_state=s).fit_transform(IMAGES) for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"z_dim": 0}, "z_dim"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"preset": "no such"}, "no preset"),
        ({"settings": {"train.epochs": 3}}, "parameter of its own: epochs="),
        ({"settings": {"rotation": 3}}, "did you mean 'rotations'"),
    ],
)
def test_a_wrong_setting_is_a_value_error_in_one_line(
    parameters: dict[str, Any], words: str
) -> None:
    model = tiny().set_params(**parameters)
    with pytest.raises(ValueError, match=words) as found:
        model.fit(IMAGES)
    assert "\n" not in str(found.value)
