"""How a model begins: with unit variance through every layer, on the images it will see."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tvae_core.engine.data import Batch
from tvae_core.engine.lifting.group_conv import LiftingConv
from tvae_core.engine.model.target_vae import TargetVae

_SMALLEST_STD = 1e-6


def unit_variance(model: TargetVae, batch: Batch, seed: int) -> None:
    """Scale each hidden layer so that what it gives has unit variance; biases become zero.

    One pass is enough: a layer is scaled when it is reached, and what it gives goes on scaled
    (Mishkin and Matas 2016, "All you need is a good init"). Heads and output stay as drawn.

    Parameters
    ----------
    batch : Batch
        A few images on the model's device.
    seed : int
        Of the contents drawn from the prior.
    """
    weights = [*model.encoder.hidden_weights(), *model.generator.hidden_weights()]
    wanted = {id(weight) for weight in weights}
    hooks = [
        layer.register_forward_hook(_scale)
        for layer in model.modules()
        if id(_weights_of(layer)) in wanted
    ]
    try:
        with torch.enable_grad():  # without, the encoder's layers see a few rows at a time
            model.infer(batch.images)
        _draw_one_each(model, len(batch), seed)
    finally:
        for hook in hooks:
            hook.remove()
    if isinstance(model.encoder.lifting, LiftingConv):
        model.encoder.lifting.train(model.training)  # forgets a bank of the weights before


@torch.no_grad()
def _draw_one_each(model: TargetVae, count: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(count, model.model.z_dim, generator=g).to(model.points_px.device)
    still = torch.zeros_like(z[:, 0])
    model.generator(model.points_px, z, still, torch.stack([still, still], 1))


@torch.no_grad()
def _scale(layer: nn.Module, given: Any, out: Tensor) -> Tensor:
    weights = _weights_of(layer)
    assert weights is not None
    bias = getattr(layer, "bias", None)
    if bias is not None:
        out = out - bias
        bias.zero_()
    std = out.float().std().clamp_min(_SMALLEST_STD)
    weights.div_(std)
    return out / std


def _weights_of(layer: nn.Module) -> Tensor | None:
    found = layer.weights if isinstance(layer, LiftingConv) else getattr(layer, "weight", None)
    return found if isinstance(found, Tensor) else None
