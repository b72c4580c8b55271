"""The lifting layer without its group: ordinary kernels, one response a shift cell (ablation 1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tvae_core.config import ModelConfig
from tvae_core.engine.lifting.group_conv import LiftingConv


class PlainConv(LiftingConv):
    """An ordinary convolution with K filters, in the form of a lifting layer of one rotation.

    Parameters
    ----------
    channels, kernels, kernel_px : int
        C, K and k.
    trainable : bool
        Whether to hold the free weights (K, C, k^2); otherwise `filters` come from a checkpoint.
    """

    def __init__(self, channels: int, kernels: int, kernel_px: int, trainable: bool = True) -> None:
        super().__init__(channels, kernels, 1, kernel_px, trainable=False)
        if trainable:
            weights = torch.empty(kernels, channels, kernel_px**2)
            self.weights = nn.Parameter(nn.init.kaiming_normal_(weights))

    def filters(self) -> Tensor:
        """Return the filter bank, (K, C, k, k)."""
        if self.expanded is None and self.weights is not None:
            return self.weights.view(self.shape)
        return super().filters()


def lifting_layer(
    model: ModelConfig, channels: int, kernel_px: int, trainable: bool
) -> LiftingConv:
    """Return the first layer of a model's encoder."""
    if not model.group_conv:
        return PlainConv(channels, model.encoder_kernels, kernel_px, trainable)
    return LiftingConv(channels, model.encoder_kernels, model.rotations, kernel_px, trainable)
