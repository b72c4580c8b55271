"""Which point of an object its shift is the place of: its middle, once it is learned.

While it learns, a model may draw the object anywhere about the middle of its own frame: turned
back, shifts make up for it, and the prior on shifts says next to nothing against it. A finished
model is told where the objects it draws lie, and both sides are moved by as much: the generator
draws them about the middle, and the shift (`TargetVae.placed`) is that of their middle. The same
pixels come of the same image, and the ELBO is the same.

Shapes: n images, P pixels, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tvae_core.engine.data import Batch
from tvae_core.engine.model.baselines import PlainGenerator
from tvae_core.engine.model.likelihood import expected_pixels
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.using.inference import infer

_FAINT = 0.1  # of the strongest pixel: what is fainter is not of the object


@torch.no_grad()
def centre(model: TargetVae, sample: Batch) -> None:
    """Move what the model draws of a sample of its images to the middle, and shifts with it.

    Models that do not draw at poses stay as they are.
    """
    if isinstance(model.generator, PlainGenerator):
        return
    z = infer(model, sample.images, 0.0).z_mean.to(model.points_px.device)
    model.move_centre(middle_px(model, z))


def middle_px(model: TargetVae, z: Tensor) -> Tensor:
    """Return where the objects drawn of z (n, D) at pose zero have their middle, (2,) px.

    The mean over the objects of the centroid of what stands out from their border, in either
    direction; in pixels, x right, y up, from the middle of the frame.
    """
    nothing = z.new_zeros(len(z))
    raw = model.draw(z, nothing, z.new_zeros(len(z), 2))
    pictures = expected_pixels(raw, model.model).view(len(z), model.side, model.side, -1)
    weight = (pictures - _border(pictures)).abs().sum(3)
    weight = weight * model.inside
    weight = (weight - _FAINT * weight.amax((1, 2), keepdim=True)).clamp_min(0).flatten(1)
    mass = weight.sum(1, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
    centroid: Tensor = (weight @ model.points_px) / mass
    return centroid.mean(0)


def _border(pictures: Tensor) -> Tensor:
    """Return the median of the outermost pixels of pictures (n, H, W, C), (n, 1, 1, C)."""
    edge = [pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1]]
    return torch.cat(edge, 1).median(1).values[:, None, None]
