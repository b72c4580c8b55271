"""Train from another initialisation: `python benchmarks/starts.py START train ...`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch

from tvae_core.cli.main import main
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training import train as training


def _he(model: TargetVae) -> None:
    for layer in model.encoder.layers:
        torch.nn.init.kaiming_normal_(layer.weight)
        torch.nn.init.zeros_(layer.bias)


def _small_head(model: TargetVae) -> None:
    model.encoder.head.weight.mul_(0.1)
    model.encoder.head.bias.mul_(0.1)


STARTS: dict[str, Callable[[TargetVae], None]] = {
    "he": _he,
    "small-head": _small_head,
}


def start_from(name: str) -> None:
    """Make every new model begin with the initialisation of that name."""
    plain = training.initial_model

    @torch.no_grad()
    def changed(*arguments: object) -> TargetVae:
        model = plain(*arguments)  # type: ignore[arg-type]
        STARTS[name](model)
        return model

    training.initial_model = changed


if __name__ == "__main__":
    start_from(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
