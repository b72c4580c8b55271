"""The 1x1 group convolution: a matrix over kernels, and over neighbouring rotations if asked.

Shapes: N positions, R rotations, K kernels, n neighbours on either side.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


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
        self.offsets = range(-neighbours, neighbours + 1)[: max(1, rotations)]
        super().__init__(kernels * len(self.offsets), kernels)
        self.rotations = rotations

    def forward(self, rows: Tensor) -> Tensor:
        """Return (N R, K) from rows (N R, K), r fastest."""
        if len(self.offsets) == 1:
            return super().forward(rows)
        grouped = rows.view(-1, self.rotations, rows.shape[1])
        joined = torch.cat([grouped.roll(-s, 1) for s in self.offsets], 2)
        return super().forward(joined.flatten(0, 1))
