"""Every pair of settings trains every weight and every part of the posterior, or is refused."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
import torch

from tests.core.engine.model.models import blob_images
from tvae_core.config import RunConfig, parse_config
from tvae_core.engine.data import Batch
from tvae_core.engine.model.noise import Noise
from tvae_core.engine.model.systems import build_model
from tvae_core.engine.training.step import draw, train_step
from tvae_core.engine.training.trainer_state import TrainerState
from tvae_core.errors import ConfigError

SIDE, IMAGES = 12, 6
SMALL: dict[str, dict[str, Any]] = {
    "data": {},
    "model": {
        "rotations": 4, "kernel_px": 7, "encoder_kernels": 4, "encoder_layers": 1,
        "generator_hidden": 8, "fourier_features": 8, "fourier_scale_px": 3.0, "mlp_hidden": 6,
        "shift_prior_std_px": 1.5, "shift_limit_sigmas": 2.0,
    },
    "train": {"batch_size": IMAGES, "learning_rate": 1e-2},
}  # fmt: skip
OTHERS: dict[str, list[Any]] = {
    "model.system": ["vae", "beta-vae", "spatial-vae"],
    "model.rotations": [1, 2],
    "model.z_dim": [1],
    "model.kernel_px": [0, 3],
    "model.encoder_layers": [0],
    "model.rotation_mixing": [1],
    "model.generator_layers": [1],
    "model.content_layers": [2],
    "model.activation": ["silu"],
    "model.likelihood": ["gaussian", "gaussian-learned"],
    "model.subpixel_shift": [False],
    "model.shift_pitch_px": [2, 3],
    "model.group_conv": [False],
    "model.rotation_inference": [False],
    "model.rotation_offset": [False],
    "model.rotation_prior": ["normal"],
    "model.shift_limit_sigmas": [0, 0.01],
    "train.samples": [3],
    "train.temperature": [0.1],
    "train.pixel_share": [0.01],
    "train.content_warmup": [1.0],
    "train.rotation_start": [0.3],
    "train.rotation_warmup": [0.1],
    "train.optimizer": ["muon"],
}
CELLS = {"train.sampler": "cells", "train.samples": 3}
SETTINGS: list[dict[str, Any]] = [{k: v} for k, values in OTHERS.items() for v in values] + [CELLS]
PAIRS = [a | b for a, b in combinations(SETTINGS, 2) if not a.keys() & b.keys()]


def made(settings: dict[str, Any]) -> RunConfig:
    values = {section: dict(inside) for section, inside in SMALL.items()}
    for key, value in settings.items():
        section, name = key.split(".")
        values[section][name] = value
    return parse_config(values, "pair")


def without_gradient(config: RunConfig, images: torch.Tensor) -> list[str]:
    """Return which parts of the posterior the likelihood says nothing to."""
    model = build_model(config.model, SIDE, 1)
    posterior = model.infer(images)
    noise = Noise(0, 0, torch.arange(len(images)))
    sample = draw(model, posterior, config, config.train.temperature, noise)
    by_sample = model.log_likelihood(images, sample)
    parts = {name: part for name, part in vars(posterior).items() if part is not None}
    if posterior.log_q[0].numel() == 1:
        del parts["log_q"]
    parts = {name: part for name, part in parts.items() if part.requires_grad}
    gradients = torch.autograd.grad(
        (by_sample * sample.weight).sum(), list(parts.values()), allow_unused=True
    )
    return [n for n, g in zip(parts, gradients, strict=True) if g is None or not bool(g.any())]


def unmoved(config: RunConfig, images: torch.Tensor) -> list[str]:
    """Return which weights a step leaves as they were, or makes no number of."""
    model = build_model(config.model, SIDE, 1)
    if model.encoder.lifting is not None:
        model.encoder.lifting.method = "direct"
    state = TrainerState(model, config, len(images))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    train_step(
        model, state.optimizer, Batch(images), config, state.schedule(), 0, len(images),
        lambda: None,
    )  # fmt: skip
    return [
        name
        for name, p in model.named_parameters()
        if torch.equal(p, before[name]) or not bool(p.isfinite().all())
    ]


@pytest.mark.slow
def test_every_pair_trains_everything_or_is_refused() -> None:
    images, silent, refused = blob_images(IMAGES, SIDE), {}, 0
    for settings in (*SETTINGS, *PAIRS):
        try:
            config = made(settings)
            found = without_gradient(config, images) + unmoved(config, images)
        except ConfigError:
            refused += 1
            continue
        if found:
            silent[str(settings)] = found
    assert silent == {}
    assert refused < 0.02 * len(PAIRS)  # a pitch that is no pitch without an offset


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"train.sampler": "cells"}, "train.samples=4"),
        ({"train.sampler": "cells", "train.pixel_share": 0.5}, "train.samples=4"),
        ({"model.kernel_px": 1}, "model.kernel_px=0"),
        ({"data.validation_share": 0.5, "data.test_share": 0.5}, "data.test_share=0.1"),
    ],
    ids=str,
)
def test_what_trains_nothing_is_refused_with_its_remedy(
    settings: dict[str, Any], remedy: str
) -> None:
    words = [f"{key}={value}" for key, value in settings.items()]
    with pytest.raises(ConfigError, match=remedy) as refused:
        RunConfig().changed(words)
    assert "\n" not in str(refused.value)
    RunConfig().changed([*words, remedy])


@pytest.mark.parametrize("system", ["vae", "beta-vae", "spatial-vae"])
def test_a_system_without_cells_may_draw_one_sample(system: str) -> None:
    RunConfig().changed([f"model.system={system}", "train.sampler=cells"])


def test_two_cells_are_both_drawn() -> None:
    config = made({"train.sampler": "cells", "train.samples": 3, "model.rotations": 2,
                   "model.shift_limit_sigmas": 0.01})  # fmt: skip
    assert without_gradient(config, blob_images(IMAGES, SIDE)) == []
