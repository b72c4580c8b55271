"""How much does a GPU have to do, and how often is it waited for? Counted without one.

    python benchmarks/gpu_counts.py [--gigabytes 79]

The presets at their full size on a GPU that is pretended, with so much memory free and tensors that
have a shape and no values. Counted are kernels (operations that are no views; some take two) and
waits of the host for the device: of a step of training, of fifty steps with what is read of them,
and of the inference of 256 images, without and with their reconstruction.
"""

from __future__ import annotations

import argparse

import torch

from tests.core.engine.pretended_device import GPU, PretendedGpu
from tvae_core.config import RunConfig
from tvae_core.engine.data import Batch
from tvae_core.engine.model.systems import build_model
from tvae_core.engine.training.step import micro_batch_size, train_step
from tvae_core.engine.training.trainer_state import TrainerState
from tvae_core.engine.using.inference import images_at_once, infer
from tvae_core.presets import load_preset

_SIDES = {"paper-mnist": 50, "paper-particles": 128, "fast-cpu": 50}
_IMAGES, _STEPS = 256, 50


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=int, default=79)
    free = parser.parse_args().gigabytes << 30
    print(
        f"| preset | images a step (at once) | kernels a step | waits in {_STEPS} steps "
        f"| {_IMAGES} images (at once): kernels, waits | with reconstruction |\n"
        "|---|---|---|---|---|---|"
    )
    for preset, side in _SIDES.items():
        config = load_preset(preset)
        with PretendedGpu(free, values=False) as gpu:
            print(f"| {preset}, {side} px | {_row(gpu, config, side)} |", flush=True)


def _row(gpu: PretendedGpu, config: RunConfig, side: int) -> str:
    model = build_model(config.model, side, 1).to(GPU)
    if model.encoder.lifting is not None:
        model.encoder.lifting.method = "direct"
    size, micro = config.train.batch_size, micro_batch_size(model, config, GPU)
    steps = _steps(gpu, TrainerState(model, config, 100 * size), size, micro, side)
    model.eval()
    plain, whole = (_inference(gpu, model, share, side) for share in (0.0, 1.0))
    at_once = min(_IMAGES, images_at_once(model, GPU))
    return f"{size} ({min(size, micro)}) | {steps} | ({at_once}) {plain} | {whole}"


def _steps(gpu: PretendedGpu, state: TrainerState, size: int, micro: int, side: int) -> str:
    batch = Batch(torch.zeros(size, 1, side, side)).pinned()
    for number in range(_STEPS + 2):
        if number == 2:  # the first makes what is kept
            _forget(gpu)
        figures = train_step(
            state.model, state.optimizer, batch, state.config, state.schedule(), state.step,
            micro, lambda: None,
        )  # fmt: skip
        state.after_step(figures, size)
    kernels = gpu.kernels / _STEPS
    list(state.read_steps())
    return f"{kernels:,.0f} | {gpu.waits.total()}"


def _inference(gpu: PretendedGpu, model: torch.nn.Module, share: float, side: int) -> str:
    images = torch.zeros(_IMAGES, 1, side, side).pin_memory()
    for _ in range(2):
        _forget(gpu)
        infer(model, images, share)  # type: ignore[arg-type]
    return f"{gpu.kernels:,}, {gpu.waits.total()}"


def _forget(gpu: PretendedGpu) -> None:
    gpu.kernels = 0
    gpu.waits.clear()


if __name__ == "__main__":
    main()
