"""The lifting layer: one convolution of the image with every filter turned by every r 2 pi / R.

Shapes: B batch, C channels, H W image, K kernels, R rotations, h w shift cells, k kernel side.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tvae_core.engine.escnn_import import import_escnn
from tvae_core.errors import CheckpointError


@lru_cache(maxsize=4)
def steerable_basis(rotations: int, kernel_px: int) -> Tensor:
    """Return escnn's sampled filter basis for `R2Conv(trivial -> regular)`, (n, R, k, k).

    Slice r of a basis filter is the filter turned counter-clockwise by r 2 pi / R. A filter bank is
    a weighted sum of these, which is what `R2Conv.expand_parameters` computes
    (`test_filters_are_those_of_escnn`).
    """
    escnn = import_escnn()
    space = escnn.gspaces.trivialOnR2() if rotations == 1 else escnn.gspaces.rot2dOnR2(rotations)
    convolution = escnn.nn.R2Conv(
        escnn.nn.FieldType(space, [space.trivial_repr]),
        escnn.nn.FieldType(space, [space.regular_repr]),
        kernel_size=kernel_px,
        bias=False,
        initialize=False,
    )
    blocks = [m for m in convolution.basisexpansion.modules() if hasattr(m, "sampled_basis")]
    basis: Tensor = blocks[0].sampled_basis[:, :, 0].detach()
    return basis.reshape(len(basis), rotations, kernel_px, kernel_px).contiguous()


class LiftingConv(nn.Module):
    """Convolution of (B, C, H, W) with R turned copies of K steerable filters.

    A model made for training holds the free weights (K, C, n) of escnn's basis. A model loaded for
    use holds the expanded filters only and needs no escnn.

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
        self.register_buffer("basis", None, persistent=False)
        self.register_buffer("expanded", None, persistent=False)
        self.weights: nn.Parameter | None = None
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
        bank = self.weights.view(-1, count) @ self.basis.view(count, -1)  # (K C, R k k)
        side = self.shape[-1]
        bank = bank.view(kernels, channels, self.rotations, side, side)
        return bank.permute(2, 0, 1, 3, 4).reshape(self.shape)

    def freeze(self, filters: Tensor | None = None) -> None:
        """Expand the filter bank once for inference, or take it from a checkpoint."""
        self.expanded = (self.filters() if filters is None else filters).detach()

    def train(self, mode: bool = True) -> LiftingConv:
        """Switch modes; a trainable layer forgets its expanded filters when training."""
        if self.weights is not None:
            self.expanded = None
        return super().train(mode)

    def forward(self, images: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
        """Return (B, h, w, R, K), the correlation of images (B, C, H, W) with every filter.

        `padding` (left, right, top, bottom) may be negative, which crops.
        """
        padded = F.pad(images, padding)
        lifted = F.conv2d(padded, self.filters())  # (B, R K, h, w)
        batch, _, height, width = lifted.shape
        last = lifted.permute(0, 2, 3, 1)
        return last.reshape(batch, height, width, self.rotations, self.kernels)
