"""Decoding: any pose, any grid, and a newer request cancels an older one."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
import torch

from tests.core.engine.model.models import SIDE, small_model
from tvae_core.engine.using.decode import Decoder
from tvae_core.errors import Cancelled


@pytest.fixture
def decoder() -> Decoder:
    return Decoder(small_model())


def test_cached_grid_and_posed_decode_agree(decoder: Decoder) -> None:
    z = np.array([[0.3, -1.0], [1.2, 0.1]], np.float32)
    upright = decoder.decode(z)
    almost = decoder.decode(z, angle_rad=1e-7)
    np.testing.assert_allclose(upright, almost, atol=1e-5)
    np.testing.assert_array_equal(upright[1:], decoder.decode(z[1]))


def test_posed_images_are_those_of_the_generator(decoder: Decoder) -> None:
    model = decoder.model
    z, angle, shift = torch.tensor([[0.3, -1.0]]), torch.tensor([0.8]), torch.tensor([[1.5, -2.0]])
    with torch.no_grad():
        raw = model.generator(model.points_px, z, angle, shift)
    expected = raw.sigmoid().view(SIDE, SIDE).numpy()
    found = decoder.decode(z.numpy(), 0.8, (1.5, -2.0))[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_finer_grid_shows_the_same_field_of_view(decoder: Decoder) -> None:
    z = np.array([0.5, 0.5], np.float32)
    coarse, fine = decoder.decode(z)[0], decoder.decode(z, side=3 * SIDE)[0]
    # the middle of three fine pixels lies where the coarse pixel lies
    np.testing.assert_allclose(fine[1::3, 1::3], coarse, atol=1e-4)


def test_a_newer_request_cancels(decoder: Decoder) -> None:
    asked = count()
    with pytest.raises(Cancelled):
        decoder.decode(np.zeros((50, 2)), side=64, cancelled=lambda: next(asked) > 3)
    assert next(asked) < 10


def test_the_kept_branch_of_a_grid_is_not_written_into(decoder: Decoder) -> None:
    rng = np.random.default_rng(3)
    z = rng.normal(size=(2, decoder.z_dim))
    first = decoder.decode(z)
    decoder.decode(rng.normal(size=(3, decoder.z_dim)))
    np.testing.assert_array_equal(decoder.decode(z), first)
