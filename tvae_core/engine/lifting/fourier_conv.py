"""Correlation with large kernels at few places, as matrix products in Fourier space.

A direct correlation of a W x W image with M kernels of k x k at h x w places costs h w k^2 M
multiply-adds. Here the transforms are plain matrix products, pruned to what is needed: half of the
frequencies (images and kernels are real), only the wanted places, and half of the kernels (a kernel
turned by 180 degrees has the conjugate transform, so both share one product). With N periods,
V = N // 2 + 1 and M' = M / 2 that is 4 h N V M' + 4 h w V M' multiply-adds: 13 times fewer
at 100 px, kernel 65 and 80 x 80 places, at the same speed a multiply-add as any matrix product.

Shapes: B batch, C channels, W image side, k kernel side, h places along each axis, N period,
V frequencies kept along x, M distinct kernels, T turns of a kernel that share its transform.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

_CHUNK_BYTES = {"cpu": 3 << 20, "cuda": 512 << 20}


@dataclass(frozen=True)
class FourierPlan:
    """The geometry of a correlation and its transform matrices.

    Parameters
    ----------
    side : int
        W, of the square image.
    kernel : int
        k; even, its places lie on the corners of pixels.
    padding : int
        Zeros around the image, negative crops: output place 0 has its kernel's first pixel at
        pixel `-padding`.
    pitch : int
        Pixels from one place to the next; those between are not computed.
    """

    side: int
    kernel: int
    padding: int
    pitch: int = 1

    @property
    def places(self) -> int:
        """Output places along each axis, h."""
        return (self.side + 2 * self.padding - self.kernel) // self.pitch + 1

    @property
    def period(self) -> int:
        """The smallest even period N at which no wanted place sees a copy of the image.

        Aliases of the image may reach the padding of places that are not computed, so that N is
        far less than the side of the padded image.
        """
        span = (self.places - 1) * self.pitch + self.kernel  # pixels under any kernel
        reach = max(self.side, self.side + self.padding, span - self.padding)
        return reach + reach % 2

    @property
    def frequencies(self) -> int:
        """Frequencies kept along x, V."""
        return self.period // 2 + 1

    def multiply_adds(self, kernels: int, channels: int = 1) -> int:
        """Return the multiply-adds an image costs with `kernels` distinct kernels of C channels."""
        h = self.places
        return 4 * self.frequencies * h * kernels * (self.period * channels + h)

    def image_matrices(self, images: Tensor) -> Tensor:
        """Return (B, V, 2, h, C N): each image's transform along y, seen from the wanted rows.

        Part, row s, column (c, u): real and imaginary part of X_c[u, v] exp(2 pi i u s / N).
        """
        m = _matrices(self, images.device)
        batch = len(images)
        rows = torch.complex(images @ m.cos_x, -(images @ m.sin_x))  # (B, C, W, V)
        spectrum = (m.to_u @ rows).permute(0, 3, 1, 2)  # (B, V, C, N)
        seen = spectrum[:, :, None] * m.from_u[:, None]  # (B, V, h, C, N)
        shape = (batch, self.frequencies, 2, self.places, -1)
        return torch.stack([seen.real, seen.imag], 2).reshape(shape)

    def spectrum(self, kernels: Tensor) -> Tensor:
        """Return the transforms (V, 2, C N, M) of kernels (M, C, k, k): real, then imaginary.

        They are those of kernels centred at the origin, conjugated and made ready for `correlate`.
        """
        m = _matrices(self, kernels.device)
        count, channels, side, _ = kernels.shape
        frequencies = self.frequencies
        with _exactly(kernels):
            rows = kernels.float().permute(3, 1, 2, 0).reshape(side, -1)  # (kx, C ky M)
            half = (m.kernel_x @ rows).view(2, frequencies, channels, side, count)
            half = half.permute(1, 2, 0, 3, 4).reshape(frequencies * channels, 2 * side, count)
            both = (m.kernel_y @ half).view(frequencies, channels, 2, self.period, count)
            return both.transpose(1, 2).reshape(frequencies, 2, channels * self.period, count)

    def correlate(self, images: Tensor, spectrum: Tensor, shape: tuple[int, int]) -> Tensor:
        """Return (B, h, h, *shape), the correlation of images (B, C, W, W) with kernels.

        Parameters
        ----------
        images : (B, C, W, W) float32, no gradient is passed to it
        spectrum : (V, 2, C N, M)
            Of `spectrum`.
        shape : (int, int)
            How the kernels are laid out. Of 2 M elements: the M kernels, then the same turned by
            180 degrees, which cost nothing more; of M: the kernels alone.
        """
        with torch.no_grad(), _exactly(images):
            matrices = self.image_matrices(images.float())
        out: Tensor = _Correlate.apply(matrices, spectrum, self, shape)  # type: ignore[no-untyped-call]
        return out


def _exactly(like: Tensor) -> torch.autocast:
    """Return a block without autocast: a transform in bf16 has 8 bits of phase."""
    return torch.autocast(like.device.type, enabled=False)


@contextmanager
def _quickly(like: Tensor) -> Iterator[None]:
    """Let the products over frequencies, nearly all of the work, be of TF32 on a GPU.

    TF32 has 10 bits, two more than the bf16 of the layers that follow.
    """
    with _exactly(like):
        if like.device.type != "cuda":
            yield
            return
        products = torch.backends.cuda.matmul
        before, products.fp32_precision = products.fp32_precision, "tf32"
        try:
            yield
        finally:
            products.fp32_precision = before


@dataclass(frozen=True)
class _Matrices:
    cos_x: Tensor  # (W, V)
    sin_x: Tensor
    to_u: Tensor  # (N, W) complex
    from_u: Tensor  # (h, N) complex
    kernel_x: Tensor  # (2 V, k)
    kernel_y: Tensor  # (2 N, 2 k)
    real_y: Tensor  # (h, 2 V): place t from the (frequency, part) of the product with Re
    imag_y: Tensor  # (h, 2 V): and with Im


@lru_cache(maxsize=8)
def _matrices(plan: FourierPlan, device: torch.device) -> _Matrices:
    n, h = plan.period, plan.places
    first = (plan.kernel - 1) / 2 - plan.padding
    pixel = torch.arange(plan.side, dtype=torch.float64)
    place = first + plan.pitch * torch.arange(h, dtype=torch.float64)
    tap = torch.arange(plan.kernel, dtype=torch.float64) - (plan.kernel - 1) / 2
    u = torch.arange(n, dtype=torch.float64)
    v = torch.arange(plan.frequencies, dtype=torch.float64)

    def phase(a: Tensor, b: Tensor) -> Tensor:
        return 2 * torch.pi / n * torch.remainder(torch.outer(a, b), n)

    image_x, image_y = phase(pixel, v), phase(u, pixel)
    kernel_x, kernel_y = phase(v, tap), phase(u, tap)
    back_y, back_x = phase(place, u), phase(place, v)
    # conj F = A - i B is the product of cos + i sin along x and along y
    weight = torch.full((plan.frequencies,), 2.0, dtype=torch.float64)
    weight[0] = weight[-1] = 1.0
    cos, sin = back_x.cos() * weight / n**2, back_x.sin() * weight / n**2
    values = {
        "cos_x": image_x.cos(),
        "sin_x": image_x.sin(),
        "to_u": torch.polar(torch.ones_like(image_y), -image_y),
        "from_u": torch.polar(torch.ones_like(back_y), back_y),
        "kernel_x": torch.cat([kernel_x.cos(), kernel_x.sin()]),
        "kernel_y": torch.cat(
            [
                torch.cat([kernel_y.cos(), -kernel_y.sin()], 1),
                torch.cat([-kernel_y.sin(), -kernel_y.cos()], 1),
            ]
        ),
        "real_y": torch.stack([cos, -sin], 2).flatten(1),
        "imag_y": torch.stack([sin, cos], 2).flatten(1),
    }
    exact = (torch.complex64, torch.float32)
    made = {k: t.to(device, exact[0] if t.is_complex() else exact[1]) for k, t in values.items()}
    return _Matrices(**made)


class _Correlate(torch.autograd.Function):
    """From image matrices and kernel spectra to places, in chunks that stay in cache or memory."""

    @staticmethod
    def forward(
        ctx: Any, matrices: Tensor, spectrum: Tensor, plan: FourierPlan, shape: tuple[int, int]
    ) -> Any:
        ctx.save_for_backward(matrices)
        ctx.plan, ctx.shape = plan, spectrum.shape
        h, kernels = plan.places, spectrum.shape[-1]
        out = spectrum.new_empty(len(matrices), h, h, *shape)
        by_turn = out.view(*out.shape[:3], -1, kernels)
        scratch = _Scratch(spectrum)
        with _quickly(spectrum):
            for part in _chunks(plan, kernels, spectrum.device):
                for some in _together(plan, len(matrices), part, spectrum.device):
                    to = by_turn[some][..., part]
                    _forward_chunk(plan, matrices[some], spectrum[..., part], to, scratch)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (matrices,) = ctx.saved_tensors
        plan: FourierPlan = ctx.plan
        gradient = gradients[0].float().flatten(3)
        gradient = gradient.view(*gradient.shape[:3], -1, ctx.shape[-1])
        found = gradient.new_empty(ctx.shape)
        scratch = _Scratch(gradient)
        with _quickly(gradient):
            for part in _chunks(plan, ctx.shape[-1], gradient.device):
                sums = torch.zeros_like(
                    found[..., part].transpose(0, 1), memory_format=torch.contiguous_format
                )
                for some in _together(plan, len(matrices), part, gradient.device):
                    _backward_chunk(plan, matrices[some], gradient[some][..., part], sums, scratch)
                found[:, 0, :, part], found[:, 1, :, part] = sums
        return None, found, None, None


class _Scratch:
    """Room for products, kept from one use to the next of the same shape: it stays in cache."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._held: dict[str, Tensor] = {}

    def __call__(self, name: str, *shape: int) -> Tensor:
        held = self._held.get(name)
        if held is None or held.shape != shape:
            self._held[name] = held = self._like.new_empty(shape)
        return held


def _room(device: torch.device) -> int:
    return _CHUNK_BYTES.get(device.type, _CHUNK_BYTES["cpu"])


def _bytes_a_kernel(plan: FourierPlan) -> int:
    return 4 * plan.places * max(2 * plan.frequencies, plan.places)


def _chunks(plan: FourierPlan, kernels: int, device: torch.device) -> list[slice]:
    """Return which kernels are done together: as many as stay in cache, or fit the room."""
    size = 1 << max(4, (_room(device) // _bytes_a_kernel(plan)).bit_length() - 1)
    return [slice(start, min(start + size, kernels)) for start in range(0, kernels, size)]


def _together(plan: FourierPlan, images: int, kernels: slice, device: torch.device) -> list[slice]:
    """Return which images are done together: one in a cache; on a GPU few products do them all."""
    each = _bytes_a_kernel(plan) * (kernels.stop - kernels.start)
    count = 1 if device.type == "cpu" else max(1, _room(device) // each)
    return [slice(start, start + count) for start in range(0, images, count)]


def _by_frequency(matrices: Tensor) -> Tensor:
    """Return the matrices of some images (b, V, 2, h, C N) as (V, 2 b h, C N): no copy of one."""
    return matrices.permute(1, 2, 0, 3, 4).reshape(matrices.shape[1], -1, matrices.shape[-1])


def _forward_chunk(
    plan: FourierPlan, matrices: Tensor, spectrum: Tensor, out: Tensor, scratch: _Scratch
) -> None:
    m, rows = _matrices(plan, matrices.device), _by_frequency(matrices)
    h, v, kernels = plan.places, plan.frequencies, spectrum.shape[-1]
    lines = len(matrices) * h  # wanted rows of all images
    product = scratch("product", v, 2 * lines, kernels)
    seen = product.view(2 * v, lines, kernels).transpose(0, 1)  # (b h, 2 V, M)
    real, imag = (scratch(part, lines, h, kernels) for part in ("real", "imag"))
    torch.bmm(rows, spectrum[:, 0], out=product)
    torch.bmm(m.real_y.expand(lines, h, 2 * v), seen, out=real)
    torch.bmm(rows, spectrum[:, 1], out=product)
    torch.bmm(m.imag_y.expand(lines, h, 2 * v), seen, out=imag)
    real, imag = (t.view(-1, h, h, kernels) for t in (real, imag))
    torch.add(real, imag, out=out[:, :, :, 0])
    if out.shape[3] == 2:
        torch.sub(real, imag, out=out[:, :, :, 1])


def _backward_chunk(
    plan: FourierPlan, matrices: Tensor, gradient: Tensor, sums: Tensor, scratch: _Scratch
) -> None:
    """Add to sums (2, V, C N, M) the gradient of the spectrum, real and imaginary part."""
    m, rows = _matrices(plan, matrices.device), _by_frequency(matrices)
    h, v, kernels = plan.places, plan.frequencies, gradient.shape[-1]
    lines = len(matrices) * h
    seen, both = scratch("seen", lines, 2 * v, kernels), scratch("both", lines, h, kernels)
    parts = seen.view(lines, v, 2, kernels)
    turns = gradient.view(lines, h, -1, kernels).unbind(2)
    for index, back in enumerate((m.real_y, m.imag_y)):
        if len(turns) == 2:
            torch.add(*turns, alpha=1 - 2 * index, out=both)
        torch.bmm(back.T.expand(lines, 2 * v, h), both if len(turns) == 2 else turns[0], out=seen)
        for part in range(2):
            of_part = rows[:, part * lines : (part + 1) * lines].transpose(1, 2)  # (V, C N, b h)
            sums[index].baddbmm_(of_part, parts[:, :, part].transpose(0, 1))
