"""Correlation by patches: what conv2d gives, forwards and backwards, however it is cut."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tvae_core.engine.lifting import lifting_method, patch_conv
from tvae_core.engine.lifting.fourier_conv import FourierPlan
from tvae_core.engine.lifting.group_conv import LiftingConv


@pytest.mark.parametrize("pitch", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("room", [1, 40_000, 1 << 30])
def test_patches_are_a_convolution(
    pitch: int, channels: int, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patch_conv, "_CHUNK_BYTES", room)  # one image at once, two, all
    g = torch.Generator().manual_seed(3)
    padded = torch.randn(5, channels, 17, 19, generator=g, dtype=torch.float64)
    filters = torch.randn(6, channels, 5, 5, generator=g, dtype=torch.float64, requires_grad=True)
    found = patch_conv.correlate_patches(padded, filters, pitch, (2, 3))
    wanted = F.conv2d(padded, filters, stride=pitch).permute(0, 2, 3, 1)
    torch.testing.assert_close(found.flatten(3), wanted)
    slope = torch.randn(wanted.shape, generator=g, dtype=torch.float64)
    (ours,) = torch.autograd.grad((found.flatten(3) * slope).sum(), filters)
    (theirs,) = torch.autograd.grad((wanted * slope).sum(), filters)
    torch.testing.assert_close(ours, theirs)


def test_under_autocast_products_are_of_bfloat16_and_sums_over_images_are_not() -> None:
    g = torch.Generator().manual_seed(4)
    padded = torch.randn(4, 1, 16, 16, generator=g)
    filters = torch.randn(8, 1, 7, 7, generator=g, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = patch_conv.correlate_patches(padded, filters, 1, (8,))
        (gradient,) = torch.autograd.grad(found.float().square().sum(), filters)
    assert (found.dtype, gradient.dtype) == (torch.bfloat16, torch.float32)
    wanted = F.conv2d(padded, filters).permute(0, 2, 3, 1)
    assert (found - wanted).square().mean().sqrt() < 0.01 * wanted.square().mean().sqrt()
    (exact,) = torch.autograd.grad(wanted.square().sum(), filters)
    assert (gradient - exact).square().mean().sqrt() < 0.01 * exact.square().mean().sqrt()


def test_nothing_is_copied_where_bias_and_activation_work_in_place() -> None:
    lifting = LiftingConv(1, 3, 4, 5)
    lifting.method = "patches"
    out = lifting(torch.randn(2, 1, 12, 12), 1)
    assert not out._is_view()


def test_a_processor_does_not_try_patches() -> None:
    plan = FourierPlan(12, 5, 1)
    seconds = lifting_method.measure((8, 1, 5, 5), 2, plan, torch.device("cpu"), trained=True)
    assert set(seconds) == {"direct", "fourier"}
