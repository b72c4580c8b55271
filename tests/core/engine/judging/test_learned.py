"""The figures of a verdict, on models whose worth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.core.images.test_facts import ellipses
from tvae_core.config import ModelConfig
from tvae_core.engine.data import CachedImages
from tvae_core.engine.judging.learned import learning_figures
from tvae_core.engine.model.systems import build_model
from tvae_core.engine.model.target_vae import TargetVae

SIDE = 16


class Held:
    """Images in memory, as a prepared stack."""

    side, channels = SIDE, 1

    def __init__(self, images: np.ndarray) -> None:
        self.all = images.astype(np.float32)[:, None]

    def __len__(self) -> int:
        return len(self.all)

    def read(self, indices: np.ndarray) -> np.ndarray:
        return self.all[indices]


def model(**changes: object) -> TargetVae:
    settings = {
        "encoder_kernels": 2, "generator_hidden": 8, "fourier_features": 8, "rotations": 4,
        "kernel_px": 9, "likelihood": "gaussian", "shift_prior_std_px": 1.0,
    }  # fmt: skip
    torch.manual_seed(0)
    return build_model(ModelConfig.model_validate(settings | changes), SIDE, 1).eval()


def figures(net: TargetVae, images: np.ndarray, turned: bool = False):  # type: ignore[no-untyped-def]
    cached = CachedImages(Held(images))
    return learning_figures(net, cached, np.arange(len(images)), 500, turned)


def small(count: int) -> np.ndarray:
    return ellipses(count)[:, 16:32, 16:32]


def test_an_untrained_model_saves_nothing_on_any_images() -> None:
    noise = np.random.default_rng(0).normal(size=(40, SIDE, SIDE))
    for images in (small(40), noise):
        assert figures(model(), images).gain < 0


def test_the_mean_image_is_what_a_model_must_beat() -> None:
    net = model()
    with torch.no_grad():
        for parameter in net.generator.parameters():
            parameter.zero_()
    images = small(40)
    found = figures(net, images - images.mean(0))  # drawn: nothing, which is their mean
    assert found.explained == pytest.approx(1 / 40, abs=1e-6)  # of which the mean is of 40
    assert found.content_saved == pytest.approx(0, abs=1e-6)
    costs = found.content_nats + found.pose_nats
    assert found.gain + costs == pytest.approx(SIDE**2 / 2 * np.log(40 / 39), rel=0.05)


def test_information_is_none_where_the_posterior_is_one_for_all_images() -> None:
    same = np.repeat(small(1), 30, axis=0)
    found = figures(model(), same)
    assert found.shift_nats == pytest.approx(0, abs=1e-4)
    assert found.rotation_nats == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("system", ["vae", "spatial-vae"])
def test_other_systems_have_figures_too(system: str) -> None:
    found = figures(model(system=system, mlp_hidden=8), small(20))
    assert found.infers_pose == (system == "spatial-vae")
    assert np.isfinite(found.gain)


def test_images_are_turned_no_farther_than_the_prior_lets_objects_lie() -> None:
    anyhow = figures(model(), small(40), turned=True).drift
    upright = {"rotation_prior": "normal", "rotation_prior_std_rad": 1e-4}
    assert figures(model(**upright), small(40), turned=True).drift < 0.01 < anyhow
