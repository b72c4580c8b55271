"""Which point of an object its shift is the place of: the one about which shifts are smallest.

While it learns, a model may draw the object anywhere about the middle of its own frame: turned
back, shifts make up for it, and the prior on shifts says next to nothing against it. Of a finished
model that point is looked for, and both sides are moved by as much: the generator draws the object
about it, and the shift (`TargetVae.placed`) is its place. The same pixels come of the same image,
and the ELBO is the same.

Shapes: n images.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from tvae_core.engine.data import Batch
from tvae_core.engine.model.baselines import PlainGenerator
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.using.inference import infer

_TURNED = 0.02  # 1 - |mean of exp(i theta)|: with less, all stand alike and no point is told
Values = NDArray[np.float64]


def centre(model: TargetVae, sample: Batch) -> None:
    """Let shifts be of the point about which those of a sample of the model's images are smallest.

    Models that do not draw at poses, or see all images at one angle, stay as they are.
    """
    if isinstance(model.generator, PlainGenerator):
        return
    found = infer(model, sample.images, 0.0)
    angle, shift = (values.double().numpy() for values in (found.angle_rad, found.shift_px))
    points = model.points_px
    by_px = torch.from_numpy(least_moved_px(angle, shift)).to(points.device, points.dtype)
    if by_px.any():
        model.move_centre(by_px)


def least_moved_px(angle_rad: Values, shift_px: Values) -> Values:
    """Return the point c (2,) of the object's frame whose places t + R(theta) c vary least.

    Parameters
    ----------
    angle_rad : (n,)
    shift_px : (n, 2)

    Notes
    -----
    The least squares of t = m - R(theta) c: with a prior N(0, sigma^2 I) on where the objects lie,
    about a mean m, it is the most probable origin of their frame. Zeros where all stand alike.
    """
    if len(angle_rad) < 4 or 1 - abs(np.exp(1j * angle_rad).mean()) < _TURNED:
        return np.zeros(2)
    cos, sin, one, zero = (f(angle_rad) for f in (np.cos, np.sin, np.ones_like, np.zeros_like))
    along_x = np.stack([one, zero, -cos, sin], 1)
    along_y = np.stack([zero, one, -sin, -cos], 1)
    wanted = np.concatenate([shift_px[:, 0], shift_px[:, 1]])
    found = np.linalg.lstsq(np.concatenate([along_x, along_y]), wanted, rcond=None)[0]
    return np.asarray(found[2:])
