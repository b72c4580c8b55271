"""Origin and angle zero of each content: the same pixels of the same image; models keep them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from tests.core.engine.model.models import SIDE, blob_images, small_model
from tests.core.engine.model.test_baselines import compared
from tvae_core.config import ModelConfig
from tvae_core.engine.model.checkpoint import model_bytes, model_from_bytes
from tvae_core.engine.model.encoder import turn, wrap
from tvae_core.engine.model.likelihood import expected_pixels
from tvae_core.engine.model.noise import Noise
from tvae_core.engine.model.origin import Origin, OriginKind, drawn_centroids_px
from tvae_core.engine.model.sampling import categorical_sample
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.using.decode import Decoder
from tvae_core.engine.using.inference import infer
from tvae_core.errors import CheckpointError
from tvae_core.geometry import pixel_grid_px

Z = torch.tensor([[0.3, -0.8], [1.0, 0.2], [-1.2, 0.7]])
ANGLE = torch.tensor([0.0, 0.7, -2.0])
SHIFT = torch.tensor([[0.0, 0.0], [1.0, 2.0], [-3, 0.5]])
WEIGHTS = torch.tensor([[0.5, 1.1, -0.4], [-0.3, 0.2, 0.9]])
ZERO = torch.tensor([0.4, -0.3, 0.2])
KINDS: list[OriginKind] = ["content", "centroid"]


@pytest.fixture(params=KINDS)
def origin(request: pytest.FixtureRequest) -> Origin:
    return Origin(request.param, WEIGHTS)


def with_origin(model: TargetVae, origin: Origin) -> TargetVae:
    """Return the same model with origins of each content."""
    again = model_from_bytes(model_bytes(model))
    again.set_origin(origin)
    return again


def with_zero(model: TargetVae) -> TargetVae:
    """Return the same model with angles of what each content stands turned by."""
    again = model_from_bytes(model_bytes(model))
    again.set_zero(ZERO)
    return again


def origins(model: TargetVae) -> torch.Tensor:
    found = model.origin_px(Z)
    assert found is not None
    return found


@pytest.mark.parametrize("system", ["target-vae", "spatial-vae"])
def test_nothing_but_the_meaning_of_the_shift_changes(origin: Origin, system: str) -> None:
    model = (small_model() if system == "target-vae" else compared(system)).eval()
    images, other = blob_images(6), with_origin(model, origin)
    before, after = infer(model, images), infer(other, images)
    torch.testing.assert_close(after.elbo, before.elbo, rtol=1e-5, atol=0)
    torch.testing.assert_close(after.reconstruction, before.reconstruction, rtol=0, atol=1e-5)
    assert torch.equal(after.z_mean, before.z_mean)
    assert torch.equal(after.angle_rad, before.angle_rad)
    there = other.origin_px(before.z_mean)
    assert there is not None
    assert there.std(0).min() > 1e-3
    moved = after.shift_px - before.shift_px
    torch.testing.assert_close(moved, turn(there, before.angle_rad), rtol=0, atol=1e-5)


@pytest.mark.parametrize("system", ["target-vae", "spatial-vae"])
def test_nothing_but_the_meaning_of_the_angle_changes(origin: Origin, system: str) -> None:
    model = (small_model() if system == "target-vae" else compared(system)).eval()
    model.set_origin(origin)
    images, other = blob_images(6), with_zero(model)
    before, after = infer(model, images), infer(other, images)
    torch.testing.assert_close(after.elbo, before.elbo, rtol=1e-5, atol=0)
    torch.testing.assert_close(after.reconstruction, before.reconstruction, rtol=0, atol=1e-5)
    assert torch.equal(after.z_mean, before.z_mean)
    assert torch.equal(after.shift_px, before.shift_px)
    by = ZERO[0] + before.z_mean @ ZERO[1:]
    assert by.std() > 1e-3
    wrapped = wrap(after.angle_rad - before.angle_rad - by)
    torch.testing.assert_close(wrapped, torch.zeros(6), rtol=0, atol=1e-5)
    assert after.angle_rad.abs().max() <= torch.pi


def test_every_door_of_drawing_turns_by_the_zero(origin: Origin) -> None:
    model = with_origin(small_model().eval(), origin)
    other = with_zero(model)
    frame = ANGLE - ZERO[0] - Z @ ZERO[1:]
    with torch.no_grad():
        expected = model.draw(Z, frame, SHIFT)
        torch.testing.assert_close(other.draw(Z, ANGLE, SHIFT), expected, rtol=0, atol=1e-4)
    posed = Decoder(model).decode(Z.numpy(), frame.numpy(), SHIFT.numpy())
    decoder = Decoder(other)
    again = decoder.decode(Z.numpy(), ANGLE.numpy(), SHIFT.numpy())
    np.testing.assert_allclose(again, posed, atol=1e-5)
    at_rest = Decoder(model).decode(Z.numpy(), (frame - ANGLE).numpy(), side=2 * SIDE)
    np.testing.assert_allclose(decoder.decode(Z.numpy(), side=2 * SIDE), at_rest, atol=1e-5)
    kept = model_from_bytes(model_bytes(other))
    assert torch.equal(kept.draw(Z, ANGLE, SHIFT), other.draw(Z, ANGLE, SHIFT))


def test_a_sample_of_the_posterior_is_drawn_where_it_was(origin: Origin) -> None:
    model = small_model().eval()
    other, images = with_origin(model, origin), blob_images(3)
    with torch.no_grad():
        posterior = model.infer(images)
        sample = categorical_sample(posterior, model.cells, 2, Noise(1, 0, torch.arange(3)))
        before = model.log_likelihood(images, sample)
        torch.testing.assert_close(other.log_likelihood(images, sample), before, rtol=1e-6, atol=0)


def test_every_door_of_drawing_draws_about_the_origin(origin: Origin) -> None:
    model = small_model().eval()
    other = with_origin(model, origin)
    frame = SHIFT - turn(origins(other), ANGLE)
    with torch.no_grad():
        expected = model.generator(model.points_px, Z, ANGLE, frame)
        torch.testing.assert_close(other.draw(Z, ANGLE, SHIFT), expected, rtol=0, atol=1e-4)
        some = torch.tensor([3, 40, 200])
        drawn = other.draw(Z, ANGLE, SHIFT, some)
        torch.testing.assert_close(drawn, expected[:, some], rtol=0, atol=1e-4)
    pixels = expected_pixels(expected, model.model).view(3, SIDE, SIDE).numpy()
    decoder = Decoder(other)
    posed = decoder.decode(Z.numpy(), ANGLE.numpy(), SHIFT.numpy())
    np.testing.assert_allclose(posed, pixels, atol=1e-5)
    for side in (SIDE, 2 * SIDE):
        at_rest = Decoder(model).decode(Z.numpy(), 0.0, -origins(other).numpy(), side)
        np.testing.assert_allclose(decoder.decode(Z.numpy(), side=side), at_rest, atol=1e-5)


def test_what_is_inferred_is_decoded_where_the_image_shows_it(origin: Origin) -> None:
    other = with_origin(small_model().eval(), origin)
    found = infer(other, blob_images(3))
    assert found.reconstruction is not None
    again = Decoder(other).decode(*(t.numpy() for t in (found.z_mean, found.angle_rad,
                                                        found.shift_px)))  # fmt: skip
    np.testing.assert_allclose(again, found.reconstruction[:, 0].numpy(), atol=1e-5)


def test_it_is_kept_with_the_model(origin: Origin) -> None:
    model = with_origin(small_model().eval(), origin)
    again = model_from_bytes(model_bytes(model))
    assert again.origin_kind == origin.kind
    assert torch.equal(again.draw(Z, ANGLE, SHIFT), model.draw(Z, ANGLE, SHIFT))


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("centre_px", torch.zeros(3)),
        ("centre_px", torch.zeros(2, dtype=torch.int64)),
        ("origin_of_each_content", torch.zeros(2, 4)),
        ("origin_of_each_content", torch.zeros(3)),
        ("origin_of_each_centroid", torch.zeros(2, 2)),
        ("angle_of_each_content", torch.zeros(2)),
    ],
)
def test_a_damaged_origin_is_refused(name: str, tensor: torch.Tensor) -> None:
    with pytest.raises(CheckpointError, match=f"can use .{name} has the shape"):
        model_from_bytes(with_tensors({name: tensor}))


def test_a_model_of_a_newer_program_is_told_as_one() -> None:
    with pytest.raises(CheckpointError, match="newer version wrote it"):
        model_from_bytes(with_tensors({"origin_of_each_other": torch.zeros(2, 3)}))


def test_what_a_model_lacks_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"lacks generator\.phases"):
        model_from_bytes(with_tensors({}, without="generator.phases"))


def with_tensors(more: dict[str, torch.Tensor], without: str = "") -> bytes:
    """Return the bytes of a model with other tensors."""
    content = model_bytes(small_model().eval())
    length = int.from_bytes(content[:8], "little")
    about = json.loads(content[8 : 8 + length])["__metadata__"]
    tensors = {name: value for name, value in load(content).items() if name != without}
    return bytes(save(tensors | more, metadata=about))


class Blob(torch.nn.Module):
    """A generator of a round blob at (z1, z2) px, on a background of 0.2."""

    def coordinate_branch(
        self, points: torch.Tensor, angle: torch.Tensor, shift: torch.Tensor
    ) -> torch.Tensor:
        return points[None]

    def content_branch(self, points: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        distance2 = (points - z[:, None]).square().sum(2, keepdim=True)
        return 0.2 + self.sign * torch.exp(-distance2 / 18.0)

    sign = 1.0


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("masked", [False, True])
def test_the_centroid_of_a_blob_is_its_middle_dark_or_bright(sign: float, masked: bool) -> None:
    side, blob = 48, Blob()
    blob.sign = sign
    points = torch.tensor(pixel_grid_px(side, side))
    inside = torch.ones(side, side, dtype=torch.bool)
    if masked:
        inside = (points.norm(dim=1) < 22.0).view(side, side)
    config = ModelConfig(likelihood="gaussian")
    wanted = torch.tensor([[0.0, 0.0], [5.0, -3.0], [-4.0, 6.0]])
    found = drawn_centroids_px(blob, config, inside, wanted)  # type: ignore[arg-type]
    torch.testing.assert_close(found, wanted, rtol=0, atol=0.1)


def test_the_centroid_moves_with_the_frame() -> None:
    model = small_model().eval()
    before = drawn_centroids_px(model.generator, model.model, model.inside, Z)
    model.move_centre(torch.tensor([0.0, 1.0]))
    after = drawn_centroids_px(model.generator, model.model, model.inside, Z)
    assert not torch.equal(after, before)


def test_nothing_drawn_has_its_centroid_in_the_middle() -> None:
    blob = Blob()
    blob.sign = 0.0
    inside, config = torch.zeros(9, 9, dtype=torch.bool), ModelConfig(likelihood="gaussian")
    assert not drawn_centroids_px(blob, config, inside, Z).any()  # type: ignore[arg-type]
