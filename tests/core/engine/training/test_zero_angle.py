"""Angles of a finished model are of what stays still in its objects."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.core.engine.model.models import blob_images, small_model
from tvae_core.engine.data import Batch
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training.centring import _place_zero, centre
from tvae_core.engine.training.zero_angle import drawn_changes, least_motion, zero_angle
from tvae_core.errors import Cancelled

SIDE = 40
BODY = ((0.0, 0.0, 1.5), (-8.0, 1.0, 1.2), (5.0, 9.0, 1.0), (-4.0, 8.0, 0.8))  # x, y, brightness
ARM = (2.0, -12.0, 1.2)
USED = np.array([True, True])


class Hinge(torch.nn.Module):
    """Draws a body and an arm that opens by z1 / 4 (radians); the frame turns the body by a(z).

    z2 makes all of it brighter. `turns` are the weights of 1 and z of a(z).
    """

    def __init__(self, turns: tuple[float, float, float], opens: float = 0.25) -> None:
        super().__init__()
        self.turns, self.opens = turns, opens

    def forward(self, points: Tensor, z: Tensor, angle: Tensor, shift: Tensor) -> Tensor:
        body = angle + self.turns[0] + z @ z.new_tensor(self.turns[1:])
        parts = [(blob, body) for blob in BODY] + [(ARM, body + self.opens * z[:, 0])]
        drawn = sum(self._blob(points - shift[:, None], *part) for part in parts)
        return torch.as_tensor(drawn * (1 + 0.2 * z[:, 1:]))[..., None]

    def _blob(self, points: Tensor, blob: tuple[float, float, float], turn: Tensor) -> Tensor:
        x, y, bright = blob
        cos, sin = turn.cos(), turn.sin()
        there = torch.stack([cos * x - sin * y, sin * x + cos * y], 1)
        return bright * torch.exp(-(points - there[:, None]).square().sum(2) / 12.0)


def drawing(generator: torch.nn.Module, **settings: str) -> TargetVae:
    """Return a model whose pictures a generator draws."""
    model = small_model(side=SIDE, likelihood="gaussian", **settings).eval()
    model.generator = generator  # type: ignore[assignment]
    return model


def contents(n: int = 200) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 2))


def never() -> None:
    pass


@pytest.mark.parametrize("turns", [(0.4, -0.08, 0.0), (-2.0, 0.05, 0.06)])
def test_the_zero_is_that_of_the_body(turns: tuple[float, float, float]) -> None:
    z = contents()
    found = zero_angle(drawing(Hinge(turns)), z, USED, never)
    assert found is not None
    assert found[1:] == pytest.approx(turns[1:], abs=0.01)
    assert found[0] + found[1:] @ z.mean(0) == pytest.approx(0.0, abs=1e-9)  # of the mean content


def test_angles_are_of_the_body_once_it_is_set() -> None:
    model = drawing(Hinge((0.0, -0.1, 0.0)))
    _place_zero(model, contents(), never)
    z = torch.tensor([[-1.5, 0.0], [0.0, 0.0], [1.5, 0.0]])
    there = torch.tensor([0.3, 0.3, 0.3])
    body = model.of_frame(z, there, torch.zeros(3, 2))[0] - 0.1 * z[:, 0]  # as `Hinge` turns it
    assert (body - body[0]).abs().max() < 0.03
    assert torch.allclose(model.turned(model.of_frame(z, there, torch.zeros(3, 2))[0], z), there)


def test_squares_alone_would_turn_the_body_with_its_arm() -> None:
    """What a model learns by itself: least squares of what changes, a part of the opening."""
    steps, change = drawn_changes(drawing(Hinge((0.0, 0.0, 0.0))), contents(), np.arange(2), never)
    turn = np.linalg.lstsq(steps.reshape(-1, 2), change.reshape(-1, 2), rcond=None)[0][0]
    weights, now, before = least_motion(steps, change)
    assert now.mean() <= before.mean()
    assert abs(turn[0]) > 0.05
    assert weights == pytest.approx([0.0, 0.0], abs=0.01)


def test_where_the_body_stands_with_the_frame_nothing_is_set() -> None:
    assert zero_angle(drawing(Hinge((0.7, 0.0, 0.0))), contents(), USED, never) is None


def test_where_only_some_contents_gain_nothing_is_set() -> None:
    """Kinds of objects, of which some turn in the frame: no part stays still in all of them."""

    class Kinds(Hinge):
        def forward(self, points: Tensor, z: Tensor, angle: Tensor, shift: Tensor) -> Tensor:
            turned = torch.where(z[:, 1] < 0.5, 0.15 * z[:, 0], 0.0)
            return super().forward(points, z, angle + turned, shift)

    model, z = drawing(Kinds((0.0, 0.0, 0.0))), contents()
    _, now, before = least_motion(*drawn_changes(model, z, np.arange(2), never))
    assert before.mean() - now.mean() > 0.02 * before.mean()  # most would gain
    assert zero_angle(model, z, USED, never) is None


@pytest.mark.parametrize("drawn", [0.0, math.nan, math.inf])
def test_a_model_that_draws_nothing_gets_none(drawn: float) -> None:
    class Nothing(torch.nn.Module):
        def forward(self, points: Tensor, z: Tensor, angle: Tensor, shift: Tensor) -> Tensor:
            return points.new_full((len(z), len(points), 1), drawn)

    assert zero_angle(drawing(Nothing()), contents(), USED, never) is None


def test_dimensions_that_say_nothing_are_left_out() -> None:
    z = contents() * [1.0, 0.01]
    found = zero_angle(drawing(Hinge((0.0, -0.08, 0.5))), z, np.array([True, False]), never)
    assert found is not None
    assert found[1] == pytest.approx(-0.08, abs=0.01)
    assert found[2] == 0.0


def test_a_prior_that_says_where_zero_is_has_its_way() -> None:
    for prior, is_set in (("normal", False), ("uniform", True)):
        model = drawing(Hinge((0.0, -0.08, 0.0)), rotation_prior=prior)
        _place_zero(model, contents(), never)
        assert (model.zero_weights is not None) == is_set


def test_a_zero_that_a_model_has_is_looked_for_anew() -> None:
    model = small_model().eval()
    model.set_zero(torch.tensor([math.pi / 2, 0.3, 0.1]))
    again, images = small_model().eval(), blob_images(64)
    for one in (model, again):
        centre(one, Batch(images))
    assert (model.zero_weights is None) == (again.zero_weights is None)
    if model.zero_weights is not None and again.zero_weights is not None:
        assert torch.equal(model.zero_weights, again.zero_weights)


def test_whoever_asks_is_heard_while_contents_are_drawn() -> None:
    def check() -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        zero_angle(drawing(Hinge((0.0, 0.1, 0.0))), contents(), USED, check)
