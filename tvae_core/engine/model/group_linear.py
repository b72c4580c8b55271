"""The 1x1 group convolution: a matrix over kernels, and over neighbouring rotations if asked.

Shapes: N positions, R rotations, K kernels, n neighbours on either side, m = 2 n + 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class _Mixed(torch.autograd.Function):
    """out[r] = b + W (in[r - n], ..., in[r + n]) of grouped (N, R, K), W (K, m K), b (K,).

    The group is laid out once with its ends repeated: the m neighbours of a rotation are then m K
    numbers in a row of a view: m rolled copies would cost more than the products.
    """

    @staticmethod
    def forward(ctx: Any, grouped: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        neighbours = weight.shape[1] // weight.shape[0] // 2
        ring = torch.cat([grouped[:, -neighbours:], grouped, grouped[:, :neighbours]], 1)
        out = torch.empty_like(grouped)
        for r in range(grouped.shape[1]):
            torch.addmm(bias, _window(ring, r, neighbours), weight.T, out=out[:, r])
        ctx.save_for_backward(ring, weight)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ring, weight = ctx.saved_tensors
        neighbours = weight.shape[1] // weight.shape[0] // 2
        rotations = gradient.shape[1]
        to_ring, to_weight = torch.zeros_like(ring), torch.zeros_like(weight)
        for r in range(rotations):
            _window(to_ring, r, neighbours).addmm_(gradient[:, r], weight)
            to_weight.addmm_(gradient[:, r].T, _window(ring, r, neighbours))
        to_grouped = to_ring[:, neighbours : neighbours + rotations]
        to_grouped[:, -neighbours:] += to_ring[:, :neighbours]
        to_grouped[:, :neighbours] += to_ring[:, -neighbours:]
        return to_grouped, to_weight, gradient.sum((0, 1))


def _window(ring: Tensor, first: int, neighbours: int) -> Tensor:
    """Return rotations first..first + 2 n of a ring (N, R + 2 n, K) as rows (N, m K), no copy."""
    return ring[:, first : first + 2 * neighbours + 1].flatten(1)


class GroupLinear(nn.Linear):
    """out[r] = b + sum over s = -n..n of W_s in[r + s]: turning the input turns the output.

    n = 0 is the paper's 1x1 layer, one matrix for every rotation. With n > 0 a layer can tell an
    orientation from the ones beside it.

    Parameters
    ----------
    kernels, rotations : int
        K and R.
    neighbours : int
        n; no more than reach round the group are taken.
    """

    def __init__(self, kernels: int, rotations: int, neighbours: int = 0) -> None:
        self.neighbours = min(neighbours, (rotations - 1) // 2)
        super().__init__(kernels * (2 * self.neighbours + 1), kernels)
        self.rotations = rotations

    def forward(self, rows: Tensor) -> Tensor:
        """Return (N R, K) from rows (N R, K), r fastest."""
        if not self.neighbours:
            return super().forward(rows)
        grouped = rows.view(-1, self.rotations, rows.shape[1])
        weight, bias = self.weight.to(rows.dtype), self.bias.to(rows.dtype)  # under autocast
        mixed: Tensor = _Mixed.apply(grouped, weight, bias)  # type: ignore[no-untyped-call]
        return mixed.flatten(0, 1)
