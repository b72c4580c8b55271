"""The origin o(z) of an object in the model's frame, for each content: what its shift is of.

A model draws its objects anywhere about the middle of its frame, and each content at a place of its
own; `engine/training/centring.py` finds it. o(z) = constant + matrix f, where f is either the
content itself or the centroid of what is drawn of it.

Shapes: n contents, D dimensions of z, K features, C channels, H W the images' side.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from tvae_core.config import ModelConfig
from tvae_core.engine.model.generator import Generator
from tvae_core.engine.model.likelihood import expected_pixels
from tvae_core.geometry import pixel_grid_px

OriginKind = Literal["content", "centroid"]
_GRID = 16  # pixels along a side, on which centroids are taken
_AT_ONCE = 64
_RIM = 0.8  # of half a side: beyond it lies the background


class Origin(NamedTuple):
    """An origin for each content: `weights` (2, 1 + K) px, the first column the constant.

    `kind` names the features: the content z, K = D, or the centroid of what is drawn of it, K = 2.
    """

    kind: OriginKind
    weights: Tensor


@torch.no_grad()
def drawn_centroids_px(
    generator: Generator, model: ModelConfig, inside: Tensor, z: Tensor
) -> Tensor:
    """Return where the centroids of what is drawn of contents lie in the object's frame, (n, 2) px.

    Pixels weigh as much as they differ from the background, the median of those far from the
    middle. A picture of nothing has its centroid in the middle.

    Parameters
    ----------
    inside : (H, W) bool
        Which pixels the model was trained on: what it draws elsewhere means nothing.
    z : (n, D)
    """
    points, known, rim = coarse_grid(inside, _GRID)
    with torch.autocast(z.device.type, enabled=False):
        nowhere = points.new_zeros(1, 2)
        branch = generator.coordinate_branch(points, nowhere[:, 0], nowhere)
        found = []
        for part in torch.split(z.float(), _AT_ONCE):
            seen = expected_pixels(generator.content_branch(branch, part), model).mean(2)  # (n, P)
            weight = (seen - seen[:, rim].median(1, keepdim=True).values).abs() * known
            found.append(weight @ points / weight.sum(1, keepdim=True).clamp_min(1e-12))
        return torch.cat(found)


def coarse_grid(inside: Tensor, points_a_side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return points (P, 2) px over the image, which of them count, and which are background.

    `inside` (H, W) bool are the pixels that are compared.
    """
    side = len(inside)
    grid = pixel_grid_px(points_a_side, points_a_side) * (side / points_a_side)
    points = torch.tensor(grid, dtype=torch.float32, device=inside.device)
    middle = (side - 1) / 2
    row, column = ((middle + along).round().long() for along in (-points[:, 1], points[:, 0]))
    known = inside[row.clamp(0, side - 1), column.clamp(0, side - 1)]
    known = known if bool(known.any()) else torch.ones_like(known)
    rim = known & (points.norm(dim=1) >= _RIM * side / 2)
    return points, known, rim if bool(rim.any()) else known
