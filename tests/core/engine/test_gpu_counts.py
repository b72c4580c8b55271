"""How often the host waits for a GPU, and how much it asks of it: counted on a pretended one."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.core.engine.model.models import blob_images
from tests.core.engine.pretended_device import GPU, PretendedGpu
from tests.core.engine.runs import TINY, tiny_run, write_images
from tvae_core.config import RunConfig
from tvae_core.engine.data import Batch, prefetch
from tvae_core.engine.model.checkpoint import load_newest
from tvae_core.engine.model.systems import build_model
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training import trainer_state
from tvae_core.engine.training.step import StepFigures, train_step
from tvae_core.engine.training.train import train
from tvae_core.engine.training.trainer_state import TrainerState
from tvae_core.engine.using import inference
from tvae_core.engine.using.inference import infer
from tvae_core.errors import TrainingError
from tvae_core.presets import load_preset
from tvae_core.progress import Epoch


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), 60)


class _InMemory:
    """Images as training reads them."""

    side, channels = 12, 1

    def __init__(self, images: int) -> None:
        self._images = blob_images(images, 12).numpy()

    def __len__(self) -> int:
        return len(self._images)

    def read(self, indices: Any) -> Any:
        return self._images[indices]


def state_on(device: torch.device, *settings: str) -> TrainerState:
    config = RunConfig.model_validate(TINY).changed(settings)
    return TrainerState(build_model(config.model, 12, 1).to(device), config, 60)


def step_of(state: TrainerState, batch: Batch) -> StepFigures:
    figures = train_step(
        state.model, state.optimizer, batch, state.config, state.schedule(), state.step, 8,
        lambda: None,
    )  # fmt: skip
    state.after_step(figures, len(batch))
    return figures


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_fifty_steps_wait_once(gpu: PretendedGpu, optimizer: str) -> None:
    state = state_on(GPU, f"train.optimizer={optimizer}")
    batches = [np.arange(8)] * 52
    for number, batch in enumerate(prefetch(_InMemory(8), batches, GPU)):
        if number == 2:  # the first makes what is kept
            gpu.waits.clear()
        step_of(state, batch)
    assert not gpu.waits, gpu.waits
    assert list(state.read_steps()) == []
    assert math.isfinite(state.epoch_means()["elbo"])
    assert gpu.waits.total() == 1, gpu.waits


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_step_without_a_finite_gradient_changes_nothing_and_is_counted(
    gpu: PretendedGpu, optimizer: str, device: str
) -> None:
    state = state_on(torch.device(device), f"train.optimizer={optimizer}")
    batch = Batch(blob_images(8, 12))
    step_of(state, batch)
    assert list(state.read_steps()) == []
    before = state.checkpoint()
    hook = state.model.generator.output.bias.register_hook(lambda g: g * float("nan"))
    assert not step_of(state, batch).taken
    hook.remove()
    assert [step for step, elbo in state.read_steps() if math.isfinite(elbo)] == [1]
    assert (state.skipped, state.skipped_in_a_row) == (1, 1)
    after = state.checkpoint()
    assert after.values["adam_steps"] == before.values["adam_steps"]
    for name, tensor in before.tensors.items():
        if not name.startswith("average."):  # it moves towards the weights in every step
            assert tensor.cpu().equal(after.tensors[name].cpu()), name
    assert step_of(state, batch).taken
    assert list(state.read_steps()) == []
    assert (state.skipped, state.skipped_in_a_row) == (1, 0)


def poisoned(monkeypatch: pytest.MonkeyPatch, hook: Callable[[Any], Any]) -> None:
    """Let `hook` change the gradient of one weight at every step."""

    def initial(*arguments: Any) -> TargetVae:
        model = trainer_state.initial_model(*arguments)
        model.generator.output.weight.register_hook(hook)
        return model

    monkeypatch.setattr("tvae_core.engine.training.train.initial_model", initial)


def test_a_run_on_a_gpu_counts_the_steps_it_skipped(
    gpu: PretendedGpu, tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = count()
    poisoned(monkeypatch, lambda g: g * float("inf") if next(seen) in (2, 9, 10) else g)
    run = tiny_run(tmp_path / "run", images, "train.device=cuda")
    epochs = [record for record in train(run) if isinstance(record, Epoch)]
    assert [epoch.skipped for epoch in epochs] == [1, 2, 0]
    assert all(np.isfinite(epoch.elbo) for epoch in epochs)


def test_too_many_skipped_steps_on_a_gpu_end_the_run_with_sound_weights(
    gpu: PretendedGpu, tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = count()
    poisoned(monkeypatch, lambda g: g * float("nan") if next(seen) > 8 else g)
    run = tiny_run(tmp_path / "run", images, "train.device=cuda", "train.epochs=9")
    with pytest.raises(TrainingError, match="20 steps in a row"):
        list(train(run))
    saved = load_newest(run.checkpoints)
    assert saved is not None
    assert all(t.isfinite().all() for t in saved.tensors.values())


def test_an_elbo_on_a_gpu_that_is_not_finite_is_said_with_its_step(
    gpu: PretendedGpu, tmp_path: Path
) -> None:
    stack = np.random.default_rng(0).random((40, 12, 12)).astype(np.float32)
    stack[7] *= 1e30
    np.save(tmp_path / "wild.npy", stack)
    settings = ("data.normalise=none", "model.likelihood=gaussian", "train.seed=3")
    run = tiny_run(tmp_path / "run", tmp_path / "wild.npy", "train.device=cuda", *settings)
    with pytest.raises(TrainingError, match=r"ELBO became (nan|-inf|inf) at step \d"):
        list(train(run))
    saved = load_newest(run.checkpoints)
    assert saved is None or all(t.isfinite().all() for t in saved.tensors.values())


@pytest.mark.parametrize(("preset", "side"), [("paper-mnist", 50), ("paper-particles", 128)])
def test_256_images_are_inferred_in_one_pass_of_few_kernels(preset: str, side: int) -> None:
    model = build_model(load_preset(preset).model, side, 1)
    assert model.encoder.lifting is not None
    model.encoder.lifting.method = "direct"
    with PretendedGpu(79 << 30, values=False) as gpu:  # an H100
        model = model.to(GPU)
        images = torch.zeros(256, 1, side, side).pin_memory()
        for _ in range(2):  # the first makes what is kept
            gpu.kernels = 0
            gpu.waits.clear()
            infer(model, images)
        assert gpu.kernels <= 220
        assert gpu.waits.total() == 1, gpu.waits


def test_what_a_gpu_infers_comes_home_as_it_is(gpu: PretendedGpu) -> None:
    model = state_on(torch.device("cpu")).model.eval()
    images = blob_images(6, 12)
    here = infer(model, images)
    there = infer(model.to(GPU), images)
    for name, value in vars(here).items():
        assert getattr(there, name).shape == value.shape, name
        assert getattr(there, name).dtype == value.dtype
    torch.testing.assert_close(here.entropy, there.entropy, rtol=0.05, atol=0.05)


def test_images_that_do_not_fit_a_gpu_are_inferred_in_smaller_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, sizes = state_on(torch.device("cpu")).model.eval(), []
    images = blob_images(12, 12)
    whole, part_of = infer(model, images), inference._infer_part

    def crowded(model: TargetVae, batch: Batch, share: float) -> Any:
        sizes.append(len(batch))
        if len(batch) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return part_of(model, batch, share)

    monkeypatch.setattr(inference, "_infer_part", crowded)
    parts = infer(model, images)
    assert sizes == [12, 6, 3, 3, 3, 3]
    torch.testing.assert_close(whole.z_mean, parts.z_mean)
    monkeypatch.setattr(inference, "_infer_part", lambda *_: crowded(model, Batch(images), 1.0))
    with pytest.raises(torch.OutOfMemoryError):
        infer(model, images)
