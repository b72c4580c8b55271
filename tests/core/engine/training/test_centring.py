"""The shift of a finished model is of the origins that a sample of its images tells."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.core.engine.model.models import blob_images, small_model
from tvae_core.config import ModelConfig
from tvae_core.engine.data import Batch
from tvae_core.engine.model.checkpoint import model_bytes, model_from_bytes
from tvae_core.engine.model.origin import Origin, OriginKind
from tvae_core.engine.model.systems import build_model
from tvae_core.engine.training.centring import Values, _rolled, centre, least_moved_px
from tvae_core.engine.using.inference import infer
from tvae_core.errors import Cancelled

Z = torch.tensor([[0.3, -0.8], [1.0, 0.2], [-1.2, 0.7]])


def posed(n: int, spread: float = math.pi, seed: int = 0) -> tuple[Values, Values]:
    """Return angles up to `spread` and where objects lie, about (0.4, -0.3)."""
    g = np.random.default_rng(seed)
    return g.uniform(-spread, spread, n), g.normal((0.4, -0.3), 2.0, (n, 2))


def turned(vector: tuple[float, float], angle: Values) -> Values:
    """Return a vector (2,) turned by angles (n,)."""
    cos, sin, (x, y) = np.cos(angle), np.sin(angle), vector
    return np.stack([cos * x - sin * y, sin * x + cos * y], 1)


@pytest.mark.parametrize("spread", [math.pi, 0.8])
def test_the_origin_of_the_frame_is_found_again(spread: float) -> None:
    angle, place = posed(4000, spread)
    shift = place - turned((2.5, -1.0), angle)
    assert least_moved_px(angle, shift) == pytest.approx([2.5, -1.0], abs=0.25)


def test_what_lies_about_its_origin_already_is_left_there() -> None:
    assert least_moved_px(*posed(4000)) == pytest.approx([0.0, 0.0], abs=0.1)


def test_places_vary_least_about_the_point_that_is_found() -> None:
    angle, shift = posed(50, seed=3)
    found = least_moved_px(angle, shift)

    def spread(point: Values) -> float:
        return float((shift + turned(tuple(point), angle)).var(0).sum())

    for step in ((0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1)):
        assert spread(found) < spread(found + step)


def test_images_that_all_stand_alike_tell_no_origin() -> None:
    angle, shift = posed(100, spread=0.05)
    assert not least_moved_px(angle, shift).any()
    assert not least_moved_px(angle[:3], shift[:3]).any()


def test_nothing_but_the_meaning_of_the_shift_changes() -> None:
    model, images = small_model().eval(), blob_images(6)
    before = infer(model, images, 1.0)
    by = torch.tensor([2.5, -1.0])
    model.move_centre(by)
    after = infer(model, images, 1.0)
    assert torch.allclose(after.elbo, before.elbo, rtol=1e-5)
    assert torch.allclose(after.reconstruction, before.reconstruction, atol=1e-5)
    assert torch.equal(after.z_mean, before.z_mean)
    assert torch.equal(after.angle_rad, before.angle_rad)
    moved = (after.shift_px - before.shift_px).numpy()
    expected = turned((2.5, -1.0), before.angle_rad.numpy())
    assert np.allclose(moved, expected, atol=1e-5)


def test_what_is_drawn_moves_by_as_much_at_every_pose() -> None:
    model = small_model().eval()
    angle, shift = torch.tensor([0.0, 0.7, -2.0]), torch.tensor([[0.0, 0.0], [1.0, 2.0], [-3, 0.5]])
    before = model.draw(Z, angle, shift)
    by = torch.tensor([1.5, 0.5])
    model.move_centre(by)
    moved = torch.tensor(turned((1.5, 0.5), angle.numpy()), dtype=torch.float32)
    assert torch.allclose(model.draw(Z, angle, shift + moved), before, atol=1e-4)


def test_a_centred_model_finds_nothing_more_to_move() -> None:
    model, images = small_model().eval(), blob_images(64)
    before = infer(model, images)
    centre(model, Batch(images))
    found = infer(model, images)
    assert (found.shift_px - before.shift_px).abs().max() > 0.05
    assert torch.allclose(found.elbo, before.elbo, rtol=1e-5)
    assert torch.allclose(found.reconstruction, before.reconstruction, atol=1e-5)
    angle, shift = found.angle_rad.double().numpy(), found.shift_px.double().numpy()
    assert least_moved_px(angle, shift) == pytest.approx([0.0, 0.0], abs=0.1)


@pytest.mark.parametrize("kind", ["content", "centroid"])
def test_origins_that_a_model_has_are_looked_for_anew(kind: OriginKind) -> None:
    """What is found does not hang on what was set before."""
    model, images = small_model().eval(), blob_images(64)
    other = model_from_bytes(model_bytes(model))
    other.set_origin(Origin(kind, torch.tensor([[0.5, 1.1, -0.4], [-0.3, 0.2, 0.9]])))
    for one in (model, other):
        centre(one, Batch(images))
    found, again = infer(model, images, 0.0), infer(other, images, 0.0)
    assert torch.equal(again.shift_px, found.shift_px)


def test_whoever_asks_is_heard_while_images_are_looked_at() -> None:
    asked: list[None] = []

    def check() -> None:
        asked.append(None)
        if len(asked) > 1:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        centre(small_model().eval(), Batch(blob_images(64)), check)


def test_moved_images_show_their_objects_so_many_pixels_further() -> None:
    images = blob_images(2)
    moved = _rolled(images, np.array([[2.0, 1.0], [-1.0, 0.0]]))
    assert torch.equal(moved[0, 0, :-1, 2:], images[0, 0, 1:, :-2])
    assert torch.equal(moved[1, 0, :, :-1], images[1, 0, :, 1:])


def test_the_centre_is_kept_with_the_model() -> None:
    model, images = small_model().eval(), blob_images(4)
    model.move_centre(torch.tensor([2.0, 1.0]))
    again = model_from_bytes(model_bytes(model))
    assert torch.equal(infer(again, images, 0.0).shift_px, infer(model, images, 0.0).shift_px)
    assert again.centre_px is not None
    assert again.centre_px.tolist() == [2.0, 1.0]


def test_a_model_of_before_has_no_centre() -> None:
    model = small_model().eval()
    assert model_from_bytes(model_bytes(model)).centre_px is None


def test_a_system_that_draws_at_no_pose_is_left_alone() -> None:
    model = build_model(ModelConfig(system="vae", z_dim=2, mlp_hidden=8), 17, 1).eval()
    centre(model, Batch(blob_images(4)))
    assert model.centre_px is None
