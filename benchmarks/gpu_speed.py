"""How fast is an epoch on a GPU, how busy is it, and what would a captured step give?

    python benchmarks/gpu_speed.py [--presets paper-mnist paper-particles fast-cpu] [--device cuda]
        [--images 10800] [--seconds 60]

Of each preset, in its own sizes, on made images: seconds of the second of two epochs with no other
work, brought to 54,000 images; kernels and host waits a step, the share of the time in which the
device computes (of torch's profiler), images embedded a second; and the time of a step whose
forward and backward pass are replayed as one CUDA graph, without the optimiser.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_check import PRESETS, blobs, environment, waits_of

from tvae_core.config import RunConfig
from tvae_core.engine.data import Batch
from tvae_core.engine.device import mixed_precision
from tvae_core.engine.lifting.fourier_conv import FourierPlan
from tvae_core.engine.lifting.lifting_method import measure
from tvae_core.engine.model.noise import Noise
from tvae_core.engine.model.systems import build_model
from tvae_core.engine.training.optimizer import Optimizer
from tvae_core.engine.training.step import (
    Schedule,
    draw,
    micro_batch_size,
    pixel_subset,
    train_step,
)
from tvae_core.engine.training.train import train
from tvae_core.engine.using.embed import embed
from tvae_core.presets import load_preset
from tvae_core.progress import Epoch
from tvae_core.runs.folder import RunFolder

_EPOCH = 54_000


def main() -> None:
    """Measure each preset and print a line a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", default=["paper-mnist", "paper-particles"])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--images", type=int, default=10_800)
    parser.add_argument("--embedded", type=int, default=10_000)
    given = parser.parse_args()
    print(environment(torch.device(given.device)), flush=True)
    for preset in given.presets:
        for what in (_lifting, _a_step, _epochs, _captured):
            try:
                what(preset, given)
            except Exception as error:  # noqa: BLE001  the next figure is tried as well
                print(f"{preset}: {what.__name__}: {type(error).__name__}: {error}", flush=True)


def _config(preset: str, given: argparse.Namespace, path: str = "") -> RunConfig:
    return load_preset(preset).changed([
        f"data.path={path}", f"train.device={given.device}", "train.epochs=2",
        "train.preview_images=16", "train.checkpoint_minutes=60", "data.validation_share=0",
        "data.test_share=0", "embed.atlas_nodes=0", "embed.thumbnail_px=0",
    ])  # fmt: skip


class _Stepper:
    """A model at the preset's batch, and one step of it."""

    def __init__(self, config: RunConfig, side: int, device: torch.device) -> None:
        self.config, self.device = config, device
        self.model = build_model(config.model, side, 1).to(device)
        self.micro = micro_batch_size(self.model, config, device)
        self.optimizer = Optimizer(self.model, config.train)
        self.images = torch.from_numpy(blobs(config.train.batch_size, side)[:, None]).to(device)

    def step(self, number: int) -> None:
        """Take one step."""
        train_step(
            self.model, self.optimizer, Batch(self.images), self.config, Schedule(1e-4, 1.0),
            number, self.micro, lambda: None,
        )  # fmt: skip

    def gradient(self) -> None:
        """Forward and backward pass alone, whose shapes and numbers are always the same."""
        model, config = self.model, self.config
        pixels = pixel_subset(model, config.train.pixel_share, Noise.of_step(0, 7, self.device))
        numbers = torch.arange(len(self.images), device=self.device)
        with model.encoder.one_bank(), mixed_precision(self.device):
            posterior = model.infer(self.images)
            sample = draw(model, posterior, config, 1.0, Noise(0, 7, numbers))
            terms = model.elbo_terms(self.images, posterior, sample, pixels, None)
        (-terms.elbo.mean()).backward()


def _lifting(preset: str, given: argparse.Namespace) -> None:
    """Print what each way of the lifting convolution takes."""
    device, side = torch.device(given.device), PRESETS[preset][0]
    model = build_model(_config(preset, given).model, side, 1).to(device)
    layer, grid = model.encoder.lifting, model.encoder.grid
    plan = FourierPlan(side, layer.shape[-1], grid.padding, grid.pitch)
    turns = 2 if layer.rotations % 2 == 0 else 1
    seconds = measure(layer.shape, turns, plan, device, trained=True)
    ways = ", ".join(f"{way} {1e3 * s:.3f} ms" for way, s in seconds.items())
    print(f"{preset}: lifting an image forwards and backwards: {ways}", flush=True)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _timed(work: Any, times: int, device: torch.device) -> float:
    """Return the seconds of one call, the median over `times`."""
    seconds = []
    for _ in range(times):
        _wait(device)
        began = time.perf_counter()
        work()
        _wait(device)
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def _a_step(preset: str, given: argparse.Namespace) -> None:
    device = torch.device(given.device)
    stepper = _Stepper(_config(preset, given), PRESETS[preset][0], device)
    for number in range(3):
        stepper.step(number)
    each = _timed(lambda: [stepper.step(n) for n in range(10)], 3, device) / 10
    batch = len(stepper.images)
    print(f"{preset}: {1e3 * each:.1f} ms a step of {batch}, micro-batch {stepper.micro}, "
          f"{_EPOCH / batch * each:.1f} s for {_EPOCH} images", flush=True)  # fmt: skip
    if device.type != "cuda":
        return
    print(f"{preset}: waits a step: {dict(waits_of(lambda: stepper.step(99)))}", flush=True)
    kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=kinds) as profile:
        stepper.step(100)
        _wait(device)
    events = [e for e in profile.events() if e.device_type == torch.profiler.DeviceType.CUDA]
    busy = sum(e.device_time for e in events) * 1e-6
    print(f"{preset}: {len(events)} kernels and copies a step, {1e3 * busy:.1f} ms of them: "
          f"busy {busy / each:.0%} of the time", flush=True)  # fmt: skip
    longest: dict[str, float] = {}
    for event in events:
        longest[event.name] = longest.get(event.name, 0) + event.device_time * 1e-3
    for name, ms in sorted(longest.items(), key=lambda item: -item[1])[:14]:
        print(f"    {ms:6.2f} ms {name[:110]}", flush=True)


def _captured(preset: str, given: argparse.Namespace) -> None:
    """Forward and backward pass one by one and as one graph."""
    device = torch.device(given.device)
    if device.type != "cuda":
        return
    stepper = _Stepper(_config(preset, given), PRESETS[preset][0], device)
    plain = _timed(stepper.gradient, 8, device)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            stepper.optimizer.zero_grad(set_to_none=True)
            stepper.gradient()
    torch.cuda.current_stream().wait_stream(side)
    stepper.optimizer.zero_grad(set_to_none=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        stepper.gradient()
    replayed = _timed(graph.replay, 8, device)
    update = _timed(stepper.optimizer.step, 8, device)
    print(f"{preset}: forward and backward {1e3 * plain:.1f} ms, as a graph "
          f"{1e3 * replayed:.1f} ms; the optimiser {1e3 * update:.1f} ms", flush=True)  # fmt: skip


def _epochs(preset: str, given: argparse.Namespace) -> None:
    """Train two epochs and embed, as `tvae train` does."""
    side = PRESETS[preset][0]
    with tempfile.TemporaryDirectory() as folder:
        some = blobs(512, side)
        images = np.concatenate([some] * (-(-given.images // 512)))[: given.images]
        np.save(Path(folder) / "images.npy", images)
        run = RunFolder(Path(folder) / "run")
        run.create(_config(preset, given, str(Path(folder) / "images.npy")))
        epochs = [record for record in train(run) if isinstance(record, Epoch)]
        second = epochs[-1].seconds
        began = time.perf_counter()
        list(embed(run))
        took = time.perf_counter() - began
    print(f"{preset}: epoch of {len(images)} images {second:.2f} s, so {_EPOCH} in "
          f"{second * _EPOCH / len(images):.1f} s; embedded {len(images) / took:.0f} images/s",
          flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
