"""Which point of an object its shift is the place of: found when a model has learned.

While it learns, a model may draw an object anywhere about the middle of its own frame, and each
content elsewhere: turned back, shifts make up for it, and the prior on shifts says next to nothing
against it. Of a finished model the origins of its objects are looked for (`origins.py`), and both
sides are moved by as much: the generator draws the object about its origin, and the shift
(`TargetVae.placed`) is the origin's place. The same pixels come of the same image, and the ELBO is
the same.

Shapes: n images.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvae_core.engine.data import Batch
from tvae_core.engine.model.baselines import PlainGenerator
from tvae_core.engine.model.origin import Origin, OriginKind, drawn_centroids_px
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training.origins import (
    Features,
    Looks,
    Poses,
    agreed,
    best,
    fitted,
    tried,
)
from tvae_core.engine.training.zero_angle import zero_angle
from tvae_core.engine.using.inference import infer

_TURNED = 0.02  # 1 - |mean of exp(i theta)|: with less, all stand alike and no point is told
_TURNED_FOR_EACH = 0.2  # with less, an origin of a content cannot be told from where it lies
_FEWEST = 40
_USED_STD = 0.3  # of a dimension of z, below which it says nothing of the image
_AT_ONCE = 100
Values = NDArray[np.float64]


def centre(model: TargetVae, sample: Batch, check: Callable[[], None] = lambda: None) -> None:
    """Let shifts be of the origins that a sample of the model's images tells.

    Origins that it has are looked for anew. Models that do not draw at poses, or see all images at
    one angle, stay as they are. `check` is called now and then, and may raise.
    """
    if isinstance(model.generator, PlainGenerator):
        return
    model.origin_weights = model.zero_weights = None
    first, z = _seen(model, sample.images, check)
    if (by := least_moved_px(first.angle_rad, first.shift_px)).any():
        _move(model, by)
        if len(z) >= _FEWEST:
            first = Poses(first.angle_rad, first.places(by))
            _place_origins(model, sample.images, first, z, check)
    if len(z) >= _FEWEST and _turned(first.angle_rad) >= _TURNED_FOR_EACH:
        _place_zero(model, z, check)


def _place_origins(
    model: TargetVae, images: Tensor, first: Poses, z: Values, check: Callable[[], None]
) -> None:
    """Look at the images once more, moved to where others lie; let origins be what both tell."""
    order = np.random.default_rng(0).permutation(len(z))
    by = np.rint(first.shift_px[order] - first.shift_px)
    moved, moved_z = _seen(model, _rolled(images, by), check)
    one = Features.nothing(len(z))
    looks = agreed(Looks.at(first, moved, by), [one])
    point = fitted(looks, one, 0.0)[1][:, 0]
    _move(model, point)
    first, moved = (Poses(at.angle_rad, at.places(point)) for at in (first, moved))
    looks = Looks.at(first, moved, by)
    varies = (z.std(0) > _USED_STD).any()
    if varies and _turned(first.angle_rad) >= _TURNED_FOR_EACH:
        _set_origin(model, looks, z, moved_z)


def _set_origin(model: TargetVae, looks: Looks, z: Values, moved_z: Values) -> None:
    """Give each content an origin of its own where that surely explains more than one point."""
    raw: dict[OriginKind, tuple[Values, Values]] = {
        "content": (z, moved_z),
        "centroid": (_centroids(model, z), _centroids(model, moved_z)),
    }
    scaled = {kind: _Scale(of[0], in_px=kind == "centroid") for kind, of in raw.items()}
    features = {k: Features(*(scaled[k].of(some) for some in raw[k])) for k in raw}
    looks = agreed(looks, features.values())
    families = {kind: tried(looks, features[kind]) for kind in raw}
    one_point = tried(looks, Features.nothing(len(z)))
    if (kind := best(families, one_point)) is not None:
        weights = fitted(looks, features[kind], families[kind].ridge)[1]
        model.set_origin(Origin(kind, _like(model, scaled[kind].unscaled(weights))))


def _place_zero(model: TargetVae, z: Values, check: Callable[[], None]) -> None:
    """Let angles be of what stays still in the objects, unless a prior says where zero is."""
    used = z.std(0) > _USED_STD
    if model.model.rotation_prior == "uniform" and used.any():
        weights = zero_angle(model, z, used, check)
        if weights is not None:
            model.set_zero(_like(model, weights))


class _Scale:
    """Features (n, 1 + K) of values (n, D): the constant 1 and the used ones, scaled."""

    def __init__(self, values: Values, in_px: bool) -> None:
        std = values.std(0)
        self.mean = values.mean(0)
        self.factor = np.ones_like(std) if in_px else (std > _USED_STD) / np.maximum(std, 1e-12)

    def of(self, values: Values) -> Values:
        """Return the features; a value that is not used is zero."""
        return np.concatenate([np.ones((len(values), 1)), (values - self.mean) * self.factor], 1)

    def unscaled(self, weights: Values) -> Values:
        """Return the weights (2, 1 + D) of 1 and the values as they are."""
        matrix = weights[:, 1:] * self.factor
        return np.concatenate([weights[:, :1] - matrix @ self.mean[:, None], matrix], 1)


def _seen(model: TargetVae, images: Tensor, check: Callable[[], None]) -> tuple[Poses, Values]:
    """Return the poses and contents (n, D) of images."""
    found = []
    for part in torch.split(images, _AT_ONCE):
        check()
        found.append(infer(model, part, 0.0))
    angle, shift, z = (
        torch.cat([getattr(one, name) for one in found]).double().numpy()
        for name in ("angle_rad", "shift_px", "z_mean")
    )
    return Poses(angle, shift), z


def _rolled(images: Tensor, by_px: Values) -> Tensor:
    """Return images moved by whole pixels (n, 2), x right, y up; what leaves comes in opposite."""
    moved = [
        image.roll((-int(y), int(x)), (-2, -1)) for image, (x, y) in zip(images, by_px, strict=True)
    ]
    return torch.stack(moved)


def _centroids(model: TargetVae, z: Values) -> Values:
    found = drawn_centroids_px(model.generator, model.model, model.inside, _like(model, z))
    return found.double().cpu().numpy()


def _move(model: TargetVae, by_px: Values) -> None:
    model.move_centre(_like(model, by_px))


def _like(model: TargetVae, values: Values) -> Tensor:
    points = model.points_px
    return torch.from_numpy(values).to(points.device, points.dtype)


def _turned(angle_rad: Values) -> float:
    return float(1 - abs(np.exp(1j * angle_rad).mean()))


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
    if len(angle_rad) < 4 or _turned(angle_rad) < _TURNED:
        return np.zeros(2)
    poses = Poses(angle_rad, shift_px)
    once = Looks.at(poses, poses, np.zeros_like(shift_px))
    return fitted(once, Features.nothing(len(angle_rad)), 0.0)[1][:, 0]
