"""How far the objects of each content stand turned in the model's frame.

Which way an object stands at angle zero is agreed on, not seen: a model that turns a content in its
frame and takes as much off the angle draws the same pixels. Left to itself it turns the body of an
object by a third of what its arm opens, so that the squares of what changes are least. What stays
still in an object should stay still: objects are turned by a(z) = w0 + w . z, with which what is
drawn changes least from content to content. A sum of roots counts a part that moves once, however
far it moves, and the frame stands with the part that does not.

Shapes: n contents, D dimensions of z, K of them used, P pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvae_core.engine.model.likelihood import expected_pixels
from tvae_core.engine.model.origin import coarse_grid
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training.origins import Values

_CONTENTS, _AT_ONCE = 100, 25
_GRID = 24  # points along a side, on which pictures are drawn
_STEP, _TURN_RAD = 0.1, 0.03  # of which differences are taken
_POWERS = (2.0, 1.0, 0.5)  # one after the other: the sum of roots has several minima
_ROUNDS = 40
_FLOOR = 0.05  # of the change that a pixel has on average: less is stillness
_LEAST_GAIN = 0.005
_NEARLY_EVERY = 0.8  # contents: with fewer, no part stays still in all of them


def zero_angle(
    model: TargetVae, z: Values, used: NDArray[np.bool_], check: Callable[[], None]
) -> Values | None:
    """Return the weights (1 + D) of 1 and z with which what is drawn of contents changes least.

    `used` (D,) are the dimensions that say something; `check` is called now and then, and may
    raise. None where the change is not less by it in nearly every content, or nothing is drawn.
    """
    some = z[:: -(-len(z) // _CONTENTS)]
    with np.errstate(invalid="ignore"):  # infinities of a model that went astray
        steps, change = drawn_changes(model, some, np.flatnonzero(used), check)
        if not change.any() or not np.isfinite([steps.sum(), change.sum()]).all():
            return None
    weights, now, before = least_motion(steps, change)
    gain = before - now
    if (gain > 0).mean() < _NEARLY_EVERY or gain.mean() < _LEAST_GAIN * before.mean():
        return None
    whole = np.zeros(1 + z.shape[1])
    whole[1:][used] = weights
    whole[0] = -whole[1:] @ z.mean(0)
    return whole


def least_motion(steps: Values, change: Values) -> tuple[Values, Values, Values]:
    """Return the weights w (K,), and how much each picture changes with them and without, (n,).

    Parameters
    ----------
    steps : (n, P, 2)
        How each picture changes when it is turned (a radian), and when it gets brighter.
    change : (n, P, K)
        How it changes with each dimension of its content.

    Notes
    -----
    What is left of a change is change - turn w - brightness b, one w and one b for all contents;
    its length over the K dimensions is what counts at a pixel, to the power of 1/2.
    """
    explained = _explained(steps, change)
    brightness = steps[..., 1:]
    now = _cost(steps, change, explained)
    return explained[0], now, _cost(brightness, change, _explained(brightness, change))


def _explained(steps: Values, change: Values) -> Values:
    """Return how much of each step, (S, K), is to be taken off the change to leave the least."""
    found = np.zeros((steps.shape[2], change.shape[2]))
    weight = np.ones(change.shape[:2])
    for power in _POWERS:
        for _ in range(_ROUNDS if power < 2.0 else 1):
            if power < 2.0:
                squares = _left(steps, change, found)
                weight = (squares + _FLOOR**2 * squares.mean()) ** (power / 2 - 1)
            own = np.einsum("np,npa,npb->ab", weight, steps, steps)
            to = np.einsum("np,npa,npk->ak", weight, steps, change)
            found = np.linalg.lstsq(own, to, rcond=None)[0]
    return found


def _left(steps: Values, change: Values, found: Values) -> Values:
    """Return the squared length of what is left of the change at each pixel, (n, P)."""
    return np.asarray(((change - steps @ found) ** 2).sum(2))


def _cost(steps: Values, change: Values, found: Values) -> Values:
    """Return how much each picture changes, (n,)."""
    return np.asarray((_left(steps, change, found) ** (_POWERS[-1] / 2)).mean(1))


def drawn_changes(
    model: TargetVae, z: Values, used: NDArray[np.integer], check: Callable[[], None]
) -> tuple[Values, Values]:
    """Return `steps` and `change` of `least_motion` of what a model draws of contents (n, D)."""
    points, known, _ = coarse_grid(model.inside, _GRID)
    points = points[known & (points.norm(dim=1) <= model.side / 2)]

    def pictures(z: Values, angle_rad: float = 0.0) -> Values:
        drawn = []
        for part in torch.split(torch.from_numpy(z).to(points.device, points.dtype), _AT_ONCE):
            check()
            drawn.append(_drawn(model, points, part, angle_rad))
        found = torch.cat(drawn).double().cpu().numpy()
        return np.asarray(found - np.median(found, 1, keepdims=True))

    here = pictures(z)
    turn = (pictures(z, _TURN_RAD) - pictures(z, -_TURN_RAD)) / (2 * _TURN_RAD)
    moved = (pictures(z + _STEP * np.eye(z.shape[1])[k]) for k in used)
    change = np.stack([(there - here) / _STEP for there in moved], 2)
    return np.stack([turn, here], 2), change


@torch.no_grad()
def _drawn(model: TargetVae, points: Tensor, z: Tensor, angle_rad: float) -> Tensor:
    """Return what is drawn of contents at the points about their origins, (n, P)."""
    angle, nowhere = z.new_full((len(z),), angle_rad), z.new_zeros(len(z), 2)
    with torch.autocast(z.device.type, enabled=False):
        angle, place = model.of_frame(z, angle, nowhere)
        raw = model.generator(points, z, angle, place)
    return expected_pixels(raw, model.model).mean(2)
