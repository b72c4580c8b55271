"""The lifting convolution: both ways give the same numbers, and neither does more than it must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from tvae_core.engine.lifting import fourier_conv, lifting_method
from tvae_core.engine.lifting.fourier_conv import FourierPlan
from tvae_core.engine.lifting.group_conv import LiftingConv, all_turns, steerable_basis

# sums of a few thousand products in float32, in another order
CLOSE: dict[str, Any] = {"atol": 1e-4, "rtol": 1e-4}
CASES = [
    (24, 17, 1, 1), (25, 11, 5, 1), (50, 29, 9, 1), (20, 21, 10, 1), (16, 3, -4, 1), (33, 33, 0, 1),
    (24, 18, 1, 2), (25, 11, 5, 2), (48, 32, -2, 2), (20, 21, 5, 3), (16, 4, -4, 2), (31, 8, 0, 3),
]  # fmt: skip


@pytest.mark.parametrize(("side", "kernel", "padding", "pitch"), CASES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("turns", [1, 2])
def test_fourier_equals_direct_forward_and_backward(
    side: int, kernel: int, padding: int, pitch: int, channels: int, turns: int
) -> None:
    torch.manual_seed(0)
    images = torch.randn(2, channels, side, side)
    kernels = (torch.randn(5, channels, kernel, kernel) / kernel).requires_grad_()
    plan = FourierPlan(side, kernel, padding, pitch)
    turned = torch.cat([torch.rot90(kernels, 2 * t, (-2, -1)) for t in range(turns)])
    direct = F.conv2d(F.pad(images, (padding,) * 4), turned, stride=pitch).permute(0, 2, 3, 1)
    found = plan.correlate(images, plan.spectrum(kernels), (turns, 5))
    torch.testing.assert_close(found.flatten(3), direct, **CLOSE)
    toward = torch.randn_like(direct)
    (expected,) = torch.autograd.grad((direct * toward).sum(), kernels)
    (gradient,) = torch.autograd.grad((found.flatten(3) * toward).sum(), kernels)
    torch.testing.assert_close(gradient, expected, atol=1e-3, rtol=1e-4)


@st.composite
def plans(draw: st.DrawFn) -> FourierPlan:
    """Draw sides, kernels and pitches, odd and even, with zeros around the image or cropped."""
    side, kernel = draw(st.integers(4, 40)), draw(st.integers(1, 41))
    padding = draw(st.integers(-side // 2, kernel - 1))
    assume(side + 2 * padding >= kernel)
    return FourierPlan(side, kernel, padding, draw(st.integers(1, 3)))


@settings(max_examples=200, deadline=None)
@given(plans(), st.integers(1, 2), st.integers(0, 99))
def test_fourier_is_the_direct_correlation_at_every_size(
    plan: FourierPlan, channels: int, seed: int
) -> None:
    g = torch.Generator().manual_seed(seed)
    images = torch.randn(1, channels, plan.side, plan.side, generator=g)
    kernels = torch.randn(2, channels, plan.kernel, plan.kernel, generator=g)
    exact = F.conv2d(
        F.pad(images.double(), (plan.padding,) * 4), kernels.double(), None, plan.pitch
    )
    found = plan.correlate(images, plan.spectrum(kernels), (1, 2)).flatten(3).permute(0, 3, 1, 2)
    size = kernels.square().sum((1, 2, 3)).mean().sqrt()  # of a correlation with such an image
    assert (found - exact).square().mean().sqrt() / size < 2e-6


@settings(max_examples=100, deadline=None)
@given(plans(), st.integers(1, 3))
def test_fourier_turns_by_quarters_with_image_and_kernel(plan: FourierPlan, quarters: int) -> None:
    assume((plan.side + 2 * plan.padding - plan.kernel) % plan.pitch == 0)  # places in the middle
    g = torch.Generator().manual_seed(0)
    images = torch.randn(1, 1, plan.side, plan.side, generator=g)
    kernels = torch.randn(1, 1, plan.kernel, plan.kernel, generator=g)

    def correlated(turns: int) -> torch.Tensor:
        image, kernel = (torch.rot90(t, turns, (-2, -1)) for t in (images, kernels))
        return plan.correlate(image, plan.spectrum(kernel), (1, 1)).flatten(3)[..., 0]

    difference = correlated(quarters) - torch.rot90(correlated(0), quarters, (1, 2))
    assert difference.square().mean().sqrt() / kernels.square().sum().sqrt() < 2e-6


@pytest.mark.parametrize("rotations", [1, 2, 4, 5, 8])
def test_a_layer_gives_the_same_either_way(rotations: int) -> None:
    torch.manual_seed(1)
    lifting, images = LiftingConv(1, 3, rotations, 9), torch.randn(2, 1, 16, 16)
    found = {}
    for method in lifting_method.METHODS:
        lifting.method = method
        out = lifting(images, 2)
        (gradient,) = torch.autograd.grad(out.square().sum(), lifting.weights)
        found[method] = (out, gradient)
    for method in ("fourier", "patches"):
        torch.testing.assert_close(found[method][0], found["direct"][0], **CLOSE)
        torch.testing.assert_close(found[method][1], found["direct"][1], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("method", lifting_method.METHODS)
def test_one_bank_gathers_the_gradient_of_all_micro_batches(method: lifting_method.Method) -> None:
    torch.manual_seed(2)
    lifting, images = LiftingConv(1, 3, 4, 9), torch.randn(6, 1, 16, 16)
    lifting.method = method
    assert lifting.weights is not None
    lifting(images, 2).square().sum().backward()
    whole, lifting.weights.grad = lifting.weights.grad, None
    with lifting.one_bank(16, 2):
        for part in images.split(2):
            lifting(part, 2).square().sum().backward()
    torch.testing.assert_close(lifting.weights.grad, whole, atol=1e-4, rtol=1e-4)


def test_filters_are_expanded_once_a_step_and_once_for_use(monkeypatch: pytest.MonkeyPatch) -> None:
    lifting, images, calls = LiftingConv(1, 3, 4, 9), torch.randn(2, 1, 16, 16), []
    lifting.method = "fourier"
    spectrum = FourierPlan.spectrum
    monkeypatch.setattr(FourierPlan, "spectrum", lambda *a: (calls.append(1), spectrum(*a))[1])
    with lifting.one_bank(16, 2):
        for _ in range(3):
            lifting(images, 2).sum().backward()
    assert len(calls) == 1
    lifting.eval()
    with torch.no_grad():
        first = lifting(images, 2)
        assert torch.equal(lifting(images, 2), first)
        assert len(calls) == 2
        assert lifting.weights is not None
        lifting.weights.add_(1.0)  # other weights: the bank is made anew
        assert not torch.equal(lifting(images, 2), first)
    assert len(calls) == 3


def test_the_period_is_the_least_that_keeps_copies_of_the_image_away() -> None:
    plan = FourierPlan(100, 65, 22)  # the cryo-EM setting: 80 x 80 places of 100 x 100
    assert (plan.places, plan.period) == (80, 122)
    direct = 80**2 * 65**2 * 1024
    assert 13 < direct / plan.multiply_adds(512) < 14  # half the kernels, all turns


def test_only_the_places_that_are_kept_are_computed() -> None:
    every, second = FourierPlan(100, 65, 22), FourierPlan(100, 66, 22, pitch=2)
    assert second.places == every.places // 2
    ratio = second.multiply_adds(512) / every.multiply_adds(512)
    # of places one way, and of the two ways: between a half and a quarter
    v, h, n = second.frequencies, second.places, second.period
    assert second.multiply_adds(512) == 4 * v * h * 512 * (n + h)
    assert ratio < 0.42


def test_a_shorter_period_would_let_copies_in(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    plan, images, kernels = (
        FourierPlan(20, 13, 3),
        torch.randn(1, 1, 20, 20),
        torch.randn(2, 1, 13, 13),
    )
    right = plan.correlate(images, plan.spectrum(kernels), (1, 2))
    period = plan.period
    assert period > plan.side
    monkeypatch.setattr(FourierPlan, "period", period - 2)
    fourier_conv._matrices.cache_clear()
    wrong = plan.correlate(images, plan.spectrum(kernels), (1, 2))
    fourier_conv._matrices.cache_clear()
    middle = slice(2, -2)
    torch.testing.assert_close(wrong[:, middle, middle], right[:, middle, middle], **CLOSE)
    assert (wrong - right).abs().max() > 0.1  # the outermost places see the image's copy


def test_only_the_turns_that_differ_are_kept() -> None:
    assert steerable_basis(8, 9).shape[1] == 2
    assert steerable_basis(6, 9).shape[1] == 3
    assert steerable_basis(5, 9).shape[1] == 5
    filters = torch.randn(2, 3, 1, 5, 5)
    turned = all_turns(filters, 8)
    assert torch.equal(turned[2:4], torch.rot90(filters, 1, (-2, -1)))
    assert torch.equal(turned[4:6], torch.rot90(filters, 2, (-2, -1)))


def test_the_choice_is_measured_once_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TVAE_CACHE", str(tmp_path))
    measured = []
    seconds = lifting_method.measure

    def counting(*arguments: Any) -> dict[lifting_method.Method, float]:
        measured.append(arguments)
        return seconds(*arguments)

    monkeypatch.setattr(lifting_method, "measure", counting)
    question = ((8, 1, 9, 9), 4, FourierPlan(16, 9, 2), torch.device("cpu"), True)
    first = lifting_method.fastest(*question)
    assert lifting_method.fastest(*question) == first
    assert len(measured) == 1
    (tmp_path / "lifting.json").write_text("not JSON")
    lifting_method.fastest(*question)
    assert len(measured) == 2
