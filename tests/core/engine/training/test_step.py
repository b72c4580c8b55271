"""What a step and an inference cost, counted: pixels, cells, multiply-adds, copies, allocations."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from tests.core.engine.model.models import blob_images, small_model
from tvae_core.config import ModelConfig, RunConfig
from tvae_core.engine.data import Batch, CachedImages
from tvae_core.engine.judging.evaluate import mean_elbo
from tvae_core.engine.model.generator import Generator
from tvae_core.engine.model.noise import Noise
from tvae_core.engine.model.posterior import kl_terms
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training.step import Schedule, micro_batch_size, train_step
from tvae_core.engine.training.trainer_state import TrainerState
from tvae_core.engine.using.inference import images_at_once, infer
from tvae_core.runs import costs

SIDE = 24
MODEL = ModelConfig(
    kernel_px=15,
    encoder_kernels=32,
    generator_hidden=64,
    fourier_features=128,
    shift_prior_std_px=2.0,
    shift_limit_sigmas=4.0,
)


def made(method: Any = "fourier", **settings: Any) -> TargetVae:
    torch.manual_seed(0)
    model = TargetVae(MODEL.model_copy(update=settings), SIDE, 1)
    model.encoder.lifting.method = method
    return model


def step_multiply_adds(model: TargetVae, pixel_share: float, images: int, micro: int) -> int:
    config = RunConfig(model=model.model).changed([f"train.pixel_share={pixel_share}"])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with FlopCounterMode(display=False) as counter:
        train_step(
            model, optimizer, Batch(blob_images(images, SIDE)), config, Schedule(0.0, 1.0), 0,
            micro, lambda: None,
        )  # fmt: skip
    return counter.get_total_flops() // 2


def generator_multiply_adds(pixels: int) -> int:
    hidden, features = MODEL.generator_hidden, MODEL.fourier_features
    return pixels * hidden * (features + hidden)


def test_a_share_of_the_pixels_costs_that_share_of_the_generator() -> None:
    model = made()
    all_pixels = step_multiply_adds(model, 1.0, 4, 4)
    quarter = step_multiply_adds(model, 0.25, 4, 4)
    saved = 4 * 3 * generator_multiply_adds(SIDE**2 * 3 // 4)  # forward, and two products backward
    assert all_pixels - quarter == pytest.approx(saved, rel=0.1)  # the Fourier features besides


def test_cells_beyond_four_deviations_are_not_computed() -> None:
    model = made()
    assert len(model.positions_px) == 16**2  # +-8 pixels of a prior of 2
    every_cell = made(shift_limit_sigmas=0.0)
    assert len(every_cell.positions_px) == SIDE**2
    cost = [step_multiply_adds(m, 0.25, 2, 2) for m in (model, every_cell)]
    assert cost[1] - cost[0] > 2 * 3 * 2 * (SIDE**2 - 16**2) * 8 * 32 * 32  # two layers, three ways


def test_micro_batches_cost_no_more_than_one_batch() -> None:
    # the bank is expanded once, so only rounding of the pixel count may differ
    whole = step_multiply_adds(made(), 0.25, 8, 8)
    assert step_multiply_adds(made(), 0.25, 8, 2) == pytest.approx(whole, rel=0.01)


def test_the_lifting_costs_what_the_plan_says() -> None:
    fourier, direct = made("fourier"), made("direct")
    counts = []
    for model in (fourier, direct):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.encoder.lifting(blob_images(1, SIDE), model.grid.padding)
            first = counter.get_total_flops()
            model.encoder.lifting(blob_images(1, SIDE), model.grid.padding)
            counts.append((counter.get_total_flops() - first) // 2)
    assert counts[1] == 16**2 * 15**2 * 8 * 32
    assert counts[0] < 0.6 * counts[1]  # even at this size; 13 times less at 100 px, kernel 65


def test_no_gradient_passes_through_a_copied_view() -> None:
    model, images = made(activation="leaky-relu"), blob_images(2, SIDE)
    config = RunConfig(model=model.model)
    from tvae_core.engine.training.step import draw

    posterior = model.infer(images)
    sample = draw(model, posterior, config, 1.0, Noise(0, 0, torch.arange(len(images))))
    terms = model.elbo_terms(images, posterior, sample)
    seen, waiting = set(), [terms.elbo.sum().grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting += [following for following, _ in node.next_functions]
    names = {type(node).__name__ for node in seen}
    assert any("Correlate" in name for name in names)
    assert not {"CopySlices", "AsStridedBackward0"} & names


SAMPLERS = [
    ["train.sampler=gumbel-softmax", "train.samples=2"],
    ["train.sampler=cells", "train.samples=3", "train.pixel_share=0.3"],
]


@pytest.mark.parametrize("settings", SAMPLERS)
def test_a_step_is_the_same_however_its_batch_is_cut(settings: list[str]) -> None:
    found = []
    for micro in (12, 5, 1):
        model = made("direct")
        config = RunConfig(model=model.model).changed(settings)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        batch = Batch(blob_images(12, SIDE), index=torch.arange(100, 112).flip(0))
        figures = train_step(
            model, optimizer, batch, config, Schedule(0.0, 1.0), 7, micro, lambda: None
        )
        found.append((figures.elbo, [p.grad for p in model.parameters()]))
    for elbo, gradients in found[1:]:
        assert elbo == pytest.approx(found[0][0], rel=1e-5)
        for gradient, whole in zip(gradients, found[0][1], strict=True):
            # sums of the same numbers in another order
            torch.testing.assert_close(gradient, whole, rtol=1e-3, atol=1e-4 * float(whole.norm()))


def test_validation_is_the_same_however_it_is_cut() -> None:
    model = made("direct").eval()
    images = CachedImages(_Array(blob_images(10, SIDE).numpy()))
    means = [mean_elbo(model, images, np.arange(3, 10), batch)["elbo"] for batch in (7, 2)]
    assert means[0] == pytest.approx(means[1], rel=1e-6)


class _Array:
    """Images in memory, prepared."""

    def __init__(self, images: Any) -> None:
        self._images = images
        self.channels, self.side = images.shape[1:3]

    def __len__(self) -> int:
        return len(self._images)

    def read(self, indices: Any) -> Any:
        return self._images[indices]


class _Allocations(TorchDispatchMode):
    """The largest tensor that any operation makes, in bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor) and not tensor._is_view():
                self.largest = max(self.largest, tensor.numel() * tensor.element_size())
        return out


def test_memory_of_inference_does_not_grow_with_the_images() -> None:
    model = made().eval()
    at_once = images_at_once(model, torch.device("cpu"))
    images = blob_images(3 * at_once, SIDE)
    features = 4 * at_once * 16**2 * 8 * 32
    with _Allocations() as made_:
        infer(model, images, 0.0)
    assert made_.largest <= max(features, 4 * images.numel())


def test_without_pixels_only_the_cells_of_the_mode_are_read_and_nothing_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, images = small_model().eval(), blob_images(5)
    full = infer(model, images)
    rows = []
    head = model.encoder.head.register_forward_hook(lambda _, given, out: rows.append(out.shape))
    monkeypatch.setattr(Generator, "draw", lambda *_: pytest.fail("an image was drawn"))
    quick = infer(model, images, 0.0)
    head.remove()
    assert rows == [(5, 5 * 5 * 3, 3 + 2 * 2 + 3)]
    for name in ("z_mean", "z_std", "angle_rad", "shift_px", "peak", "entropy", "rotation"):
        # the same sums in another order
        torch.testing.assert_close(getattr(quick, name), getattr(full, name), atol=1e-4, rtol=1e-4)
    assert torch.isnan(quick.elbo).all()


def test_a_share_of_pixels_estimates_the_error_and_the_elbo() -> None:
    model, images = small_model(side=33).eval(), blob_images(4, 33)
    full, some = infer(model, images), infer(model, images, 0.5)
    torch.testing.assert_close(some.z_mean, full.z_mean)
    # half of 1089 pixels of a smooth residual: a few per cent
    torch.testing.assert_close(
        some.reconstruction_error, full.reconstruction_error, rtol=0.15, atol=0
    )
    torch.testing.assert_close(some.elbo, full.elbo, rtol=0.15, atol=0)
    assert some.reconstruction is None


def test_a_grid_is_drawn_as_its_points_are() -> None:
    model = small_model().eval()
    z, angle = torch.randn(3, 2), torch.randn(3)
    shift = torch.randn(3, 2)
    drawn = model.draw(z, angle, shift)
    expected = model.generator(model.points_px, z, angle, shift)
    torch.testing.assert_close(drawn, expected.detach(), atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, while it traces
def test_the_generator_can_be_compiled_whole() -> None:
    # traced as on a GPU, run by the eager backend: the same numbers, and no break in the graph
    generator = small_model().generator
    points, z = torch.randn(40, 2), torch.randn(3, 2)
    angle = torch.randn(3, requires_grad=True)
    shift = torch.randn(3, 2)
    plain = generator(points, z, angle, shift)
    (expected,) = torch.autograd.grad(plain.square().sum(), angle)
    generator.compile(backend="eager", fullgraph=True)
    traced = generator(points, z, angle, shift)
    (gradient,) = torch.autograd.grad(traced.square().sum(), angle)
    torch.testing.assert_close(traced, plain)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("pitch", [1, 2])
@pytest.mark.parametrize("sigmas", [0.0, 4.0])
def test_the_preflight_cuts_a_batch_as_the_step_does(pitch: int, sigmas: float) -> None:
    """One cost model: what it is told of a run before is what the model itself holds."""
    model = made(shift_pitch_px=pitch, shift_limit_sigmas=sigmas)
    config = RunConfig(model=model.model).changed(["train.batch_size=65536"])
    by_step = micro_batch_size(model, config, torch.device("cpu"))
    before = costs.micro_batch_size(
        config.model, config.train, SIDE**2, costs.shift_cells(config.model, SIDE),
        costs.CPU_WORKING_SET,
    )  # fmt: skip
    assert by_step == before


def test_a_step_climbs_by_the_narrowed_prior_and_tells_the_elbo_of_the_whole_one() -> None:
    def gradient(deviation: float, weight: float) -> tuple[torch.Tensor, float]:
        model = made(rotation_prior="normal", rotation_prior_std_rad=deviation)
        config = RunConfig(model=model.model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        figures = train_step(
            model, optimizer, Batch(blob_images(3, SIDE)), config,
            Schedule(0.0, 1.0, rotation_weight=weight), 0, 3, lambda: None,
        )  # fmt: skip
        return model.encoder.head.weight.grad, figures.elbo

    narrowed, told = gradient(0.9, 9.0)
    narrow, of_narrow = gradient(0.3, 1.0)
    torch.testing.assert_close(narrowed, narrow, atol=1e-3, rtol=1e-3)
    model = made(rotation_prior="normal", rotation_prior_std_rad=0.9)
    with torch.no_grad():
        prior = model.prior.narrowed(9.0)
        posterior = model.infer(blob_images(3, SIDE), prior)
        more = kl_terms(posterior, model.prior).total - kl_terms(posterior, prior).total
    assert told == pytest.approx(of_narrow - float(more.sum()), abs=1e-2)
    assert float(more.sum()) > 1.0


def test_a_normal_prior_on_rotation_widens_by_the_same_factor_in_each_step() -> None:
    def weights(*settings: str) -> list[float]:
        config = RunConfig().changed(
            ["train.rotation_warmup=0.5", "train.rotation_start=0.5", "train.epochs=1", *settings]
        )
        trainer = SimpleNamespace(config=config, step=0, steps_per_epoch=100, lr_factor=1.0)
        found = []
        for trainer.step in (0, 25, 50, 99):
            found.append(TrainerState.schedule(trainer).rotation_weight)
        return found

    assert weights("model.rotation_prior=normal") == pytest.approx([4.0, 2.0, 1.0, 1.0])
    at_once = ("model.rotation_prior=normal", "train.rotation_warmup=0")
    assert weights(*at_once) == [1.0, 1.0, 1.0, 1.0]
    upright = ("model.rotation_prior=normal", "model.rotation_prior_std_rad=0.3")
    assert weights(*upright) == [1.0, 1.0, 1.0, 1.0]  # half a turn costs 55 nats as it is
    assert weights() == [1.0, 1.0, 1.0, 1.0]  # a uniform prior has nothing to narrow
