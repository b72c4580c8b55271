"""The shift of a finished model is that of the middle of what it draws, and nothing else moves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.core.engine.model.models import blob_images, small_model
from tvae_core.config import ModelConfig
from tvae_core.engine.data import Batch
from tvae_core.engine.model.checkpoint import model_bytes, model_from_bytes
from tvae_core.engine.model.systems import build_model
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training.centring import centre, middle_px
from tvae_core.engine.using.inference import infer

Z = torch.tensor([[0.3, -0.8], [1.0, 0.2], [-1.2, 0.7]])


class DrawnDisc(TargetVae):
    """A model whose pictures are known: a disc about `at_px`, dark or bright on a ground."""

    at_px = (3.0, -2.0)
    ground, disc = 0.2, 0.9

    def draw(self, z, angle_rad, shift_px, pixels=None):  # type: ignore[no-untyped-def]
        """Return the disc for every content."""
        off = self.points_px - torch.tensor(self.at_px)
        inside = off.square().sum(1) < 9
        picture = torch.where(inside, self.disc, self.ground)
        return picture[None, :, None].expand(len(z), -1, 1)


@pytest.mark.parametrize("disc", [0.9, -0.5])
def test_the_middle_of_a_disc_is_found_whether_bright_or_dark(disc: float) -> None:
    model = small_model(likelihood="gaussian")
    model.__class__ = DrawnDisc
    model.disc = disc
    assert middle_px(model, Z).tolist() == pytest.approx([3.0, -2.0], abs=0.05)


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
    turned = [
        [math.cos(a) * by[0] - math.sin(a) * by[1], math.sin(a) * by[0] + math.cos(a) * by[1]]
        for a in before.angle_rad.tolist()
    ]
    assert np.allclose(moved, turned, atol=1e-5)


def test_what_is_drawn_moves_by_as_much_at_every_pose() -> None:
    model = small_model().eval()
    angle, shift = torch.tensor([0.0, 0.7, -2.0]), torch.tensor([[0.0, 0.0], [1.0, 2.0], [-3, 0.5]])
    before = model.draw(Z, angle, shift)
    by = torch.tensor([1.5, 0.5])
    model.move_centre(by)
    cos, sin = angle.cos(), angle.sin()
    turned = torch.stack([cos * by[0] - sin * by[1], sin * by[0] + cos * by[1]], 1)
    assert torch.allclose(model.draw(Z, angle, shift + turned), before, atol=1e-4)


def test_a_centred_model_draws_about_the_middle_and_stays_so() -> None:
    model, images = small_model(likelihood="gaussian").eval(), blob_images(8)
    z = infer(model, images, 0.0).z_mean
    first = float(middle_px(model, z).norm())
    for _ in range(6):  # what leaves the frame when it is moved changes the centroid a little
        centre(model, Batch(images))
    assert float(middle_px(model, z).norm()) < max(0.2, 0.2 * first)


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
