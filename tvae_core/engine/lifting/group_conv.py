"""The lifting layer: one convolution of the image with every filter turned by every r 2 pi / R.

Shapes: B batch, C channels, H W image, K kernels, R rotations, h w shift cells, k kernel side.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tvae_core.engine.lifting.escnn_import import escnn_is_installed, import_escnn
from tvae_core.engine.lifting.fourier_conv import FourierPlan
from tvae_core.engine.lifting.lifting_method import Method, fastest
from tvae_core.engine.lifting.patch_conv import correlate_patches
from tvae_core.engine.lifting.planar_basis import planar_basis
from tvae_core.errors import CheckpointError

_SAMPLED_PIXELS = 256


@lru_cache(maxsize=4)
def steerable_basis(rotations: int, kernel_px: int) -> Tensor:
    """Return the sampled filter basis for `R2Conv(trivial -> regular)`, (n, Q, k, k).

    escnn's where it is installed, the same in closed form where it is not: they differ by float32
    rounding, and a run goes on with either.

    Slice r of a basis filter is the filter turned counter-clockwise by r 2 pi / R; a filter bank is
    a weighted sum of these, which is what `R2Conv.expand_parameters` computes
    (`test_filters_are_those_of_escnn`). Only the Q = `oriented(R)` first turns are kept: the
    others are quarter turns of these, which are exact on the pixel grid.
    """
    if escnn_is_installed():
        return _escnn_basis(rotations, kernel_px)
    return planar_basis(rotations, kernel_px, oriented(rotations))


def _escnn_basis(rotations: int, kernel_px: int) -> Tensor:
    """Return the basis as escnn samples it.

    escnn itself samples and normalises the whole basis at once: 9 s and 5 GB at kernel 65, P8. Here
    its basis is sampled a few pixels at a time and normalised by the same sums.
    """
    escnn = import_escnn()
    r2 = escnn.nn.modules.conv.r2convolution
    space = escnn.gspaces.trivialOnR2() if rotations == 1 else escnn.gspaces.rot2dOnR2(rotations)
    wanted, rings, sigma, maximum = r2.compute_basis_params(kernel_px, None, None, None, 1, None)
    basis = space.build_kernel_basis(
        space.trivial_repr, space.regular_repr, sigma, rings, maximum_frequency=maximum
    )
    attributes = list(basis)
    kept = torch.tensor([wanted(attribute) for attribute in attributes]).nonzero()[:, 0]
    sizes = torch.tensor([float(attribute["shape"][0]) for attribute in attributes])[kept]
    x, y = _pixels(kernel_px)
    squares = torch.zeros(len(kept))
    found = torch.empty(len(kept), oriented(rotations), len(x))  # the one large block
    for at in range(0, len(x), _SAMPLED_PIXELS):
        points = torch.stack([x, y], 1)[at : at + _SAMPLED_PIXELS]
        sampled = basis.sample(points)[..., 0][:, kept]  # (p, n, R)
        squares += sampled.square().sum((0, 2))
        found[..., at : at + len(points)] = sampled[..., : found.shape[1]].permute(1, 2, 0)
    norms = (squares / sizes).sqrt()
    if bool((norms < 1e-6).any()):
        found, norms = found[norms >= 1e-6], norms[norms >= 1e-6]
    return found.div_(norms[:, None, None]).view(len(found), -1, kernel_px, kernel_px)


def _pixels(kernel_px: int) -> tuple[Tensor, Tensor]:
    """Return x and y of the kernel's pixels, row by row from the top, as escnn lays them."""
    axis = torch.arange(kernel_px, dtype=torch.float32) - (kernel_px - 1) / 2
    y, x = torch.meshgrid(-axis, axis, indexing="ij")
    return x.flatten(), y.flatten()


def oriented(rotations: int) -> int:
    """Return how many turns of a filter are not quarter or half turns of an earlier one."""
    return rotations // (4 if rotations % 4 == 0 else 2 if rotations % 2 == 0 else 1)


def all_turns(filters: Tensor, rotations: int) -> Tensor:
    """Return filters (Q, ..., k, k) with their quarter or half turns, (R, ..., k, k)."""
    steps = rotations // len(filters)
    return torch.cat([torch.rot90(filters, 4 // steps * s, (-2, -1)) for s in range(steps)])


class LiftingConv(nn.Module):
    """Convolution of (B, C, H, W) with R turned copies of K steerable filters.

    A model made for training holds the free weights (K, C, n) of escnn's basis. A model loaded for
    use holds the expanded filters only and needs no escnn. The convolution is done directly, by
    products of patches or in Fourier space, whichever was measured to be faster
    (`lifting_method.fastest`).

    Parameters
    ----------
    channels, kernels, rotations, kernel_px : int
        C, K, R and k.
    trainable : bool
        Whether to build the basis; otherwise `filters` are expected from a checkpoint.
    """

    basis: Tensor | None
    expanded: Tensor | None

    def __init__(
        self, channels: int, kernels: int, rotations: int, kernel_px: int, trainable: bool = True
    ) -> None:
        super().__init__()
        self.shape = (rotations * kernels, channels, kernel_px, kernel_px)
        self.rotations = rotations
        self.kernels = kernels
        self.method: Method | None = None  # None: measured at the first use
        self.register_buffer("basis", None, persistent=False)
        self.register_buffer("expanded", None, persistent=False)
        self.weights: nn.Parameter | None = None
        self._held: Tensor | None = None
        self._kept: tuple[object, Tensor] | None = None
        if trainable:
            self.basis = steerable_basis(rotations, kernel_px)
            self.weights = nn.Parameter(torch.empty(kernels, channels, len(self.basis)))
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights so that filters have He's variance 2 / (C k^2) on average."""
        assert self.basis is not None
        assert self.weights is not None
        _, channels, side, _ = self.shape
        gain = self.basis[:, 0].square().sum(0).mean().sqrt()
        nn.init.normal_(self.weights, std=(2.0 / (channels * side * side)) ** 0.5 / float(gain))

    def filters(self) -> Tensor:
        """Return the filter bank, (R * K, C, k, k), rotation-major."""
        if self.expanded is not None:
            return self.expanded
        if self.basis is None or self.weights is None:
            raise CheckpointError("the model has no filters", todo="load a checkpoint first")
        kernels, channels, count = self.weights.shape
        bank = self.weights.view(-1, count) @ self.basis.view(count, -1)  # (K C, Q k k)
        side = self.shape[-1]
        bank = bank.view(kernels, channels, -1, side, side).permute(2, 0, 1, 3, 4)
        return all_turns(bank, self.rotations).reshape(self.shape)

    def freeze(self, filters: Tensor | None = None) -> None:
        """Expand the filter bank once for inference, or take it from a checkpoint."""
        self.expanded = (self.filters() if filters is None else filters).detach()
        self._kept = None

    def train(self, mode: bool = True) -> LiftingConv:
        """Switch modes; a trainable layer forgets its expanded filters when training."""
        if self.weights is not None:
            self.expanded = None
        self._kept = None
        return super().train(mode)

    def choose_method(self, plan: FourierPlan, trained: bool) -> Method:
        """Return the method for a geometry, measured the first time it is needed."""
        if self.method is None:
            bank = self.expanded if self.expanded is not None else self.weights
            assert bank is not None
            if bank.dtype != torch.float32:  # the transforms are kept in float32
                return "direct"
            self.method = fastest(self.shape, self.rotations, plan, bank.device, trained)
        return self.method

    @contextmanager
    def one_bank(self, side: int, padding: int, pitch: int = 1) -> Iterator[None]:
        """Expand the filters once for all the images seen in the block, also backwards.

        The gradient of the bank is gathered over every backward pass within the block and passed
        on to the weights when it ends.
        """
        plan = FourierPlan(side, self.shape[-1], padding, pitch)
        self.choose_method(plan, trained=True)
        bank = self._bank(plan)
        self._held = bank.detach().requires_grad_(bank.requires_grad)
        try:
            yield
            if self._held.grad is not None:
                bank.backward(self._held.grad)  # type: ignore[no-untyped-call]
        finally:
            self._held = None

    def forward(self, images: Tensor, padding: int, pitch: int = 1) -> Tensor:
        """Return (B, h, w, R, K), the correlation of images (B, C, H, W) with every filter.

        `padding` zeros surround the images; negative, it crops. Places are `pitch` pixels apart.
        """
        plan = FourierPlan(images.shape[-1], self.shape[-1], padding, pitch)
        method = self.choose_method(plan, trained=torch.is_grad_enabled())
        bank = self._held if self._held is not None else self._kept_bank(plan)
        if method != "fourier" or images.requires_grad:
            return self._direct(images, plan, bank if method != "fourier" else self.filters())
        return plan.correlate(images, bank, (self.rotations, self.kernels))

    @property
    def _turns(self) -> int:
        return 2 if self.rotations % 2 == 0 else 1

    def _bank(self, plan: FourierPlan) -> Tensor:
        filters = self.filters()
        if self.method != "fourier":
            return filters
        return plan.spectrum(filters[: len(filters) // self._turns])

    def _kept_bank(self, plan: FourierPlan) -> Tensor:
        """Return the bank, kept from the last use where neither weights nor sizes have changed."""
        if torch.is_grad_enabled() and self.expanded is None:
            return self._bank(plan)
        source = self.expanded if self.expanded is not None else self.weights
        assert source is not None
        key = (plan, self.method, source.data_ptr(), source._version, source.device)
        if self._kept is None or self._kept[0] != key:
            self._kept = (key, self._bank(plan).detach())
        return self._kept[1]

    def _direct(self, images: Tensor, plan: FourierPlan, filters: Tensor) -> Tensor:
        padded, shape = F.pad(images, (plan.padding,) * 4), (self.rotations, self.kernels)
        if self.method == "patches" and not images.requires_grad:
            return correlate_patches(padded, filters, plan.pitch, shape)
        lifted = F.conv2d(padded, filters, stride=plan.pitch)  # (B, R K, h, w)
        last = lifted.permute(0, 2, 3, 1)
        return last.reshape(*last.shape[:3], *shape)
