"""The optimisers: which weights take which, a known step, and a resume to the same bits."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.core.engine.model.models import blob_images, small_model
from tests.core.engine.runs import tiny_run, write_images
from tvae_core.config import TrainConfig
from tvae_core.engine.data import Batch
from tvae_core.engine.model.systems import build_model
from tvae_core.engine.training.optimizer import Optimizer, hidden_matrices, set_rate
from tvae_core.engine.training.start import unit_variance
from tvae_core.engine.training.train import train
from tvae_core.errors import Cancelled
from tvae_core.files import sha256_of_file

MUON = TrainConfig(optimizer="muon", learning_rate=6e-3, matrix_rate=0.02)


def test_muon_takes_the_matrices_between_hidden_layers_and_adam_the_rest() -> None:
    model = small_model(encoder_layers=2, content_layers=2)
    assert set(hidden_matrices(model)) == {
        "encoder.lifting.weights",
        "encoder.layers.0.weight",
        "encoder.layers.1.weight",
        "generator.coordinate_layer.weight",
        "generator.content_layer.2.weight",
        "generator.shared.0.weight",
    }


@pytest.mark.parametrize("system", ["vae", "beta-vae", "spatial-vae"])
def test_every_system_has_hidden_matrices(system: str) -> None:
    config = small_model().model.model_copy(update={"system": system, "mlp_hidden": 8})
    model = build_model(config, 17, 1)
    assert all(p.ndim == 2 for p in hidden_matrices(model).values())
    assert len(hidden_matrices(model)) >= 2


def test_a_step_of_muon_is_orthogonal_and_as_long_as_its_rate() -> None:
    model = small_model()
    optimizer = Optimizer(model, MUON)
    set_rate(optimizer, 3e-3)  # half of the peak
    weight, filters = model.generator.shared[0].weight, model.encoder.lifting.weights
    assert isinstance(weight, nn.Parameter)
    before = [weight.detach().clone(), filters.detach().clone()]
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    for old, new in zip(before, (weight, filters), strict=True):
        moved = (new.detach() - old).flatten(1)
        rows, columns = moved.shape
        lengths = torch.linalg.svdvals(moved) / (0.01 * max(1.0, rows / columns) ** 0.5)
        # Newton-Schulz leaves the singular values between about 0.5 and 1.5 (Muon's own bound);
        # the least of a random square matrix may lie below
        assert lengths.max() < 1.6
        assert lengths.median() > 0.6


def test_the_whole_rate_of_a_group_follows_the_schedule() -> None:
    optimizer = Optimizer(small_model(), MUON)
    set_rate(optimizer, 6e-3)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([6e-3, 0.02])
    set_rate(optimizer, 1.5e-3)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1.5e-3, 0.005])


@pytest.mark.parametrize("stop_after", [1, 7])
def test_a_run_with_muon_resumes_to_the_same_bits(tmp_path: Path, stop_after: int) -> None:
    images = write_images(tmp_path)
    settings = ("train.optimizer=muon", "train.start=unit-variance", "train.warmup_steps=4")
    whole = tiny_run(tmp_path / "whole", images, *settings)
    list(train(whole))
    broken = tiny_run(tmp_path / "broken", images, *settings)
    asked = count()
    with pytest.raises(Cancelled):
        list(train(broken, cancelled=lambda: next(asked) >= 2 * stop_after))
    list(train(broken, resume=True))
    assert sha256_of_file(broken.model) == sha256_of_file(whole.model)


def test_from_a_start_of_unit_variance_every_hidden_layer_gives_it() -> None:
    model = small_model(encoder_layers=2, content_layers=2, generator_layers=3)
    with torch.no_grad():
        for weight in hidden_matrices(model).values():
            weight.mul_(7.0)
    batch = Batch(blob_images(16))
    unit_variance(model, batch, seed=3)
    seen: list[float] = []
    layers = [
        model.encoder.lifting,
        *model.encoder.layers,
        model.generator.coordinate_layer,
        model.generator.content_layer[2],
        *model.generator.shared,
    ]
    hooks = [
        layer.register_forward_hook(lambda _, given, out: seen.append(float(out.detach().std())))
        for layer in layers
    ]
    unit_variance(model, batch, seed=3)
    for hook in hooks:
        hook.remove()
    assert seen == pytest.approx([1.0] * len(layers), abs=1e-3)
