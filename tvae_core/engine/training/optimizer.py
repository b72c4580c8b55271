"""Adam, or Muon for the hidden matrices with Adam for the rest, under one roof.

Muon makes the step of a matrix orthogonal: all its singular values grow alike, so directions that a
few images ask for are learned as fast as those of all (Jordan et al. 2024). Layers that meet the
data or the latents (heads, output, z) and biases stay with Adam.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from tvae_core.config import TrainConfig
from tvae_core.engine.model.target_vae import TargetVae

# of each optimiser's state, the names in a checkpoint
_MOMENTS = {"exp_avg": "first", "exp_avg_sq": "second", "momentum_buffer": "momentum"}


class Steps(Protocol):
    """What a training step asks of an optimiser."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Groups of parameters, each with its learning rate."""
        ...

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        ...

    def step(self) -> Any:
        """Move every parameter by its gradient."""
        ...


def set_rate(optimizer: Steps, learning_rate: float) -> None:
    """Give every group its share of the schedule's learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group.get("times", 1.0)


class Muon(torch.optim.Muon):
    """torch's Muon, but with its iteration in float32, and a step may be called off on a GPU.

    `found_inf`, as torch calls it, is then 1 on the device: nothing changes.

    In bfloat16 a last bit of the gradient, which the order of a sum decides, moves a step by a
    thousandth: so two devices had another loss than one (2e-4 after 50 steps; 4e-8 so).
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take a step of every matrix that has a gradient."""
        found: Tensor | None = getattr(self, "found_inf", None)
        off = None if found is None else found > 0
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(matrix.grad)
                old = state["momentum_buffer"]
                mean = old.lerp(matrix.grad, 1 - group["momentum"])
                ahead = matrix.grad.lerp(mean, group["momentum"])  # Nesterov's
                rate = group["lr"] * max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
                change = orthogonal(ahead, group)
                if off is not None:
                    mean, change = torch.where(off, old, mean), change.masked_fill(off, 0.0)
                old.copy_(mean)
                matrix.add_(change, alpha=-rate)


def orthogonal(matrix: Tensor, how: dict[str, Any]) -> Tensor:
    """Return a matrix with its singular values brought near 1 (Newton-Schulz, quintic)."""
    a, b, c = how["ns_coefficients"]
    flat = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    flat = flat / flat.norm().clamp(min=how["eps"])
    for _ in range(how["ns_steps"]):
        gram = flat @ flat.T
        flat = torch.addmm(flat, torch.addmm(gram, gram, gram, beta=b, alpha=c), flat, beta=a)
    return flat if matrix.shape[0] <= matrix.shape[1] else flat.T


class Optimizer:
    """The optimiser of a run; its state goes to a checkpoint and back by parameter name.

    Parameters
    ----------
    model : TargetVae
        On its device already.
    train : TrainConfig
    """

    def __init__(self, model: TargetVae, train: TrainConfig) -> None:
        named = dict(model.named_parameters())
        on_gpu = model.points_px.is_cuda
        hidden = hidden_matrices(model) if train.optimizer == "muon" else {}
        self._sources = {name: named[name] for name in hidden}
        # a bank of filters is a matrix too: one row a kernel, the memory shared
        self._matrices = {name: p.detach().flatten(1) for name, p in self._sources.items()}
        self._others: dict[str, Tensor] = {n: p for n, p in named.items() if n not in hidden}
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.Adam(self._others.values(), lr=train.learning_rate, fused=on_gpu or None)
        ]
        if self._matrices:
            muon = Muon(self._matrices.values(), lr=train.matrix_rate, weight_decay=0.0)
            muon.param_groups[0]["times"] = train.matrix_rate / train.learning_rate
            self._parts.append(muon)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all parts; `times` is a group's rate over the schedule's."""
        return [group for part in self._parts for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for parameter in (*self._others.values(), *self._sources.values()):
            parameter.grad = None

    def step(self, unless: Tensor | None = None) -> None:
        """Take a step of every parameter that has a gradient.

        Parameters
        ----------
        unless : truth on a GPU, optional
            Where it is true nothing changes; the host need not know it.
        """
        off = None if unless is None else unless.float()
        for name, matrix in self._matrices.items():
            gradient = self._sources[name].grad
            matrix.grad = None if gradient is None else gradient.flatten(1)
        for part in self._parts:
            part.found_inf = off  # type: ignore[attr-defined]  # torch's own name for it
            part.step()

    def tensors(self) -> dict[str, Tensor]:
        """Return the moments as `kind.parameter`."""
        return {
            f"{_MOMENTS[key]}.{name}": value
            for name, state in self._states().items()
            for key, value in state.items()
            if key in _MOMENTS
        }

    def counts(self) -> dict[str, float]:
        """Return how many steps of Adam each parameter has had."""
        return {n: float(state["step"]) for n, state in self._states().items() if "step" in state}

    def restore(self, parts: dict[str, dict[str, Tensor]], counts: dict[str, float]) -> None:
        """Take up what `tensors`, grouped by kind, and `counts` gave."""
        for part, name, parameter in self._parameters():
            state = {
                key: parts[kind][name].to(parameter.device)
                for key, kind in _MOMENTS.items()
                if name in parts.get(kind, {})
            }
            if name in counts:
                steps = torch.tensor(counts[name])
                state["step"] = steps.to(parameter.device) if parameter.is_cuda else steps
            if state:
                part.state[parameter] = state

    def _states(self) -> dict[str, dict[str, Any]]:
        return {n: part.state[p] for part, n, p in self._parameters() if part.state.get(p)}

    def _parameters(self) -> Iterator[tuple[torch.optim.Optimizer, str, Tensor]]:
        for part, parameters in zip(self._parts, (self._others, self._matrices), strict=False):
            for name, parameter in parameters.items():
                yield part, name, parameter


def hidden_matrices(model: TargetVae) -> dict[str, Tensor]:
    """Return the weights between hidden layers, as encoder and generator name them."""
    wanted = {id(p) for p in (*model.encoder.hidden_weights(), *model.generator.hidden_weights())}
    return {name: p for name, p in model.named_parameters() if id(p) in wanted}
