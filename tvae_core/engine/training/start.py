"""How a model begins: with unit variance through every layer, or with filters of what it will see.

Shapes: G filters, k side of a kernel.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tvae_core.engine.data import Batch
from tvae_core.engine.lifting.group_conv import LiftingConv
from tvae_core.engine.model.sampling import LatentSample
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training.linear_start import LinearModel
from tvae_core.geometry import pixel_grid_px

_SMALLEST_STD = 1e-6
_OTHERS = 0.1  # of the filters as drawn: what is left of those that have no template


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


@torch.no_grad()
def set_filters(model: TargetVae, linear: LinearModel) -> None:
    """Make the encoder's filters templates of the mean and of the components, either sign.

    At several turns within the width of a rotation cell, so that a cell sees where in it the object
    stands. On noise alone each gives unit variance. A likelihood of pose and content under the
    linear model is a function of such products alone. What the steerable basis does not hold of a
    template is left out; filters that no template is left for stay, small.
    """
    lifting = model.encoder.lifting
    if not isinstance(lifting, LiftingConv) or lifting.basis is None or lifting.weights is None:
        return  # plain kernels have no turns
    templates = _templates(model, linear, lifting.shape[-1], lifting.kernels)
    basis = lifting.basis[:, 0].flatten(1)  # (n, k k), the turn by 0
    # in float64 on the host: the same filters whatever the device
    fitted = np.linalg.lstsq(basis.T.double().cpu().numpy(), templates.T.numpy(), rcond=1e-6)[0]
    weights = torch.from_numpy(fitted.T).to(lifting.weights)
    lifting.weights.mul_(_OTHERS)
    lifting.weights[: len(weights), 0] = weights
    lifting.train(model.training)  # forgets a bank of the weights before


def _templates(model: TargetVae, linear: LinearModel, side: int, kernels: int) -> Tensor:
    """Return at most `kernels` templates on a kernel of `side` pixels, (G, k k) float64."""
    linear = linear.to(torch.device("cpu"))
    used = min(len(linear.parts) - 1, model.model.z_dim)
    kinds = [(0, 1.0)] + [(q, sign) for q in range(1, used + 1) for sign in (1.0, -1.0)]
    kinds = kinds[:kernels]
    turns = kernels // len(kinds)
    within = (torch.arange(turns) + 0.5) / turns - 0.5
    angles = (within * (2 * math.pi / model.model.rotation_cells))[:, None]
    still = LatentSample(
        torch.zeros(turns, 1, 0), angles, torch.zeros(turns, 1, 2), torch.ones(turns, 1)
    )
    points = torch.tensor(pixel_grid_px(side, side), dtype=torch.float32)
    drawn = torch.cat(
        [
            LinearModel(sign * linear.parts[q : q + 1], linear.noise_std, linear.numbers).pictures(
                points, still, model.side
            )
            for q, sign in kinds
        ]
    ).double()
    drawn -= drawn.mean(1, keepdim=True)  # the brightness of an image says nothing
    scale: Tensor = drawn.norm(dim=1, keepdim=True) * linear.noise_std.double().median()
    return drawn / scale.clamp_min(_SMALLEST_STD)
