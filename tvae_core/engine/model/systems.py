"""Which systems exist, and how one is built with as many free parameters as it is compared with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tvae_core.config import ModelConfig
from tvae_core.engine.device import random_numbers_apart
from tvae_core.engine.model.baselines import (
    MlpEncoder,
    PlainGenerator,
    SpatialVae,
    Vae,
    spatial_generator,
)
from tvae_core.engine.model.target_vae import TargetVae

_WIDEST = 8192

SYSTEMS: dict[str, type[TargetVae]] = {
    "target-vae": TargetVae,
    "vae": Vae,
    "beta-vae": Vae,
    "spatial-vae": SpatialVae,
}


def build_model(
    model: ModelConfig,
    side: int,
    channels: int,
    mask: Tensor | None = None,
    trainable: bool = True,
) -> TargetVae:
    """Return the untrained model of a config; arguments as for `TargetVae`.

    A system that is compared with TARGET-VAE gets its width here when the config leaves it open;
    the model's own `model` holds it then.
    """
    system = SYSTEMS[model.system]
    if system is not TargetVae and not model.mlp_hidden:
        width = matched_hidden(model, side, channels)
        model = model.model_copy(update={"mlp_hidden": width})
    return system(model, side, channels, mask, trainable)


def free_parameters(model: nn.Module) -> int:
    """Return the number of trained numbers; steerable weights count as such, filters do not."""
    return sum(p.numel() for p in model.parameters())


def reference_parameters(model: ModelConfig, side: int, channels: int) -> int:
    """Return the number of free parameters of the TARGET-VAE with the settings of `model`."""
    with random_numbers_apart():
        return free_parameters(
            TargetVae(model.model_copy(update={"system": "target-vae"}), side, channels)
        )


def compared_with(model: TargetVae) -> int:
    """Return the free parameters of the TARGET-VAE a model is compared with; 0 for itself."""
    if model.model.system == "target-vae":
        return 0
    return reference_parameters(model.model, model.side, model.channels)


def matched_hidden(model: ModelConfig, side: int, channels: int) -> int:
    """Return the width whose number of free parameters is nearest to TARGET-VAE's."""
    target = reference_parameters(model, side, channels)
    low, high = 1, _WIDEST
    while low < high:
        middle = (low + high) // 2
        if parameters_at(model, side, channels, middle) < target:
            low = middle + 1
        else:
            high = middle
    below = max(1, low - 1)
    return min(
        (below, low), key=lambda width: abs(parameters_at(model, side, channels, width) - target)
    )


def parameters_at(model: ModelConfig, side: int, channels: int, hidden: int) -> int:
    """Return the free parameters of a compared system of that width; nothing is allocated."""
    config = model.model_copy(update={"mlp_hidden": hidden})
    spatial = model.system == "spatial-vae"
    with torch.device("meta"):
        encoder = MlpEncoder(config, side, channels, spatial)
        if spatial:
            return free_parameters(encoder) + free_parameters(spatial_generator(config, channels))
        return free_parameters(encoder) + free_parameters(PlainGenerator(config, side, channels))
