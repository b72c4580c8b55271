"""Correlation as one matrix product of patches and filters, for devices that excel at products.

Direct convolution of few channels with large kernels leaves a GPU idle: the product of the patches
(B h w, C k^2) with the filters has the same multiply-adds at the full rate, and its rows are the
places, so that nothing is laid out anew. Patches are made again backwards, not kept.

Shapes: B batch, C channels, H W padded image, M filters, k kernel side, h w places.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_CHUNK_BYTES = 512 << 20
_ALIGNED = 8  # columns: products of odd numbers of them run on a GPU's slower kernels


def correlate_patches(
    padded: Tensor, filters: Tensor, pitch: int, shape: tuple[int, ...]
) -> Tensor:
    """Return (B, h, w, *shape), the correlation of padded images (B, C, H, W) with filters.

    No gradient is passed to the images.

    Parameters
    ----------
    filters : (M, C, k, k)
    pitch : int
        Pixels from one place to the next.
    shape : (int, ...)
        How the M filters are laid out. (A view made of the result would be copied by autograd once
        something is done to it in place.)
    """
    kind = padded.device.type
    reduced = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else padded.dtype
    out: Tensor = _Patches.apply(padded.detach().to(reduced), filters, pitch, shape)  # type: ignore[no-untyped-call]
    return out


class _Patches(torch.autograd.Function):
    """Rows of patches by filters, so many images at once as fit the room."""

    @staticmethod
    def forward(
        ctx: Any, padded: Tensor, filters: Tensor, pitch: int, shape: tuple[int, ...]
    ) -> Tensor:
        ctx.save_for_backward(padded)
        ctx.side, ctx.pitch = filters.shape[-1], pitch
        ctx.shape, ctx.dtype = filters.shape, filters.dtype
        bank = filters.flatten(1).to(padded.dtype)
        bank = F.pad(bank, (0, -bank.shape[1] % _ALIGNED)).T  # (C k k and zeros, M)
        places = _places(padded, ctx.side, pitch)
        out = padded.new_empty(len(padded), *places, *shape)
        with torch.autocast(padded.device.type, enabled=False):
            for some in _together(padded, ctx.side, pitch):
                rows = out[some].view(-1, bank.shape[1])
                torch.mm(_patches(padded[some], ctx.side, pitch), bank, out=rows)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None, None]:
        (padded,) = ctx.saved_tensors
        count, taps = ctx.shape[0], math.prod(ctx.shape[1:])
        found = padded.new_zeros(count, taps + -taps % _ALIGNED, dtype=ctx.dtype)
        with torch.autocast(padded.device.type, enabled=False):
            for some in _together(padded, ctx.side, ctx.pitch):
                rows = gradient[some].flatten(3).flatten(0, 2).to(padded.dtype)
                found += rows.T @ _patches(padded[some], ctx.side, ctx.pitch)
        return None, found[:, :taps].reshape(ctx.shape), None, None


def _places(padded: Tensor, side: int, pitch: int) -> tuple[int, int]:
    height, width = padded.shape[-2:]
    return (height - side) // pitch + 1, (width - side) // pitch + 1


def _patches(padded: Tensor, side: int, pitch: int) -> Tensor:
    """Return the patches (B h w, C k k) of padded images, with columns of zeros at the end."""
    views = padded.unfold(2, side, pitch).unfold(3, side, pitch)  # (B, C, h, w, k, k)
    views = views.permute(0, 2, 3, 1, 4, 5)
    places, taps = views.shape[:3], math.prod(views.shape[3:])
    rows = padded.new_empty(*places, taps + -taps % _ALIGNED)
    rows[..., :taps].view(views.shape).copy_(views)
    rows[..., taps:] = 0
    return rows.flatten(0, 2)


def _together(padded: Tensor, side: int, pitch: int) -> list[slice]:
    """Return which images are done together."""
    height, width = _places(padded, side, pitch)
    each = padded.element_size() * height * width * padded.shape[1] * side**2
    count = max(1, _CHUNK_BYTES // each)
    return [slice(start, start + count) for start in range(0, len(padded), count)]
