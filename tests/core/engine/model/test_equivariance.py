"""The physics of the model: what turns and moves with the image, and what must not change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from tests.core.engine.model.models import SIDE, blob_images, small_model
from tvae_core.engine.lifting.escnn_import import import_escnn
from tvae_core.engine.lifting.group_conv import LiftingConv, all_turns, oriented, steerable_basis
from tvae_core.engine.lifting.planar_basis import planar_basis
from tvae_core.engine.model.group_linear import GroupLinear
from tvae_core.engine.using.inference import infer
from tvae_core.geometry import wrap_angle


def turned(images: torch.Tensor, degrees: float) -> torch.Tensor:
    """Return images turned counter-clockwise (y up) about their centre."""
    if degrees % 90 == 0:
        return torch.rot90(images, round(degrees / 90) % 4, (-2, -1))
    # ndimage.rotate turns rows towards columns, which is clockwise as displayed for +angle
    turned_ = ndimage.rotate(images.numpy(), degrees, axes=(-1, -2), reshape=False, order=5)
    return torch.tensor(turned_, dtype=torch.float32)


def test_helper_turns_counter_clockwise() -> None:
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 4, 7] = 1.0  # on the x axis, to the right
    up = turned(image, 90)
    assert up[0, 0, 1, 4] == 1.0  # now above the centre
    nearly = turned(blob_images(1), 89.999)
    np.testing.assert_allclose(nearly, turned(blob_images(1), 90), atol=0.01)  # border pixels


@pytest.mark.parametrize("rotations", [1, 2, 4, 8, 16, 5])
@pytest.mark.parametrize("channels", [1, 3])
def test_filters_are_those_of_escnn(rotations: int, channels: int) -> None:
    escnn = import_escnn()
    space = escnn.gspaces.trivialOnR2() if rotations == 1 else escnn.gspaces.rot2dOnR2(rotations)
    theirs = escnn.nn.R2Conv(
        escnn.nn.FieldType(space, channels * [space.trivial_repr]),
        escnn.nn.FieldType(space, 3 * [space.regular_repr]),
        kernel_size=9,
        bias=False,
        initialize=False,
    )
    ours = LiftingConv(channels, 3, rotations, 9)
    assert ours.weights is not None
    theirs.weights.data = ours.weights.detach().flatten()
    expected = theirs.expand_parameters()[0].view(3, rotations, channels, 9, 9)
    found = ours.filters().view(rotations, 3, channels, 9, 9).transpose(0, 1)
    # the same sums in another order: float32 rounding
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_large_basis_sampled_in_parts_is_that_of_escnn() -> None:
    escnn = import_escnn()
    space = escnn.gspaces.rot2dOnR2(8)
    fields = [escnn.nn.FieldType(space, [r]) for r in (space.trivial_repr, space.regular_repr)]
    theirs = escnn.nn.R2Conv(*fields, kernel_size=25, bias=False, initialize=False)
    expected = next(
        m.sampled_basis for m in theirs.basisexpansion.modules() if hasattr(m, "sampled_basis")
    )
    found = all_turns(steerable_basis(8, 25).transpose(0, 1)[:, :, None], 8)[:, :, 0]
    # escnn keeps the elements in its own order, ours is the same; 1e-5 is float32 rounding
    torch.testing.assert_close(
        found.flatten(2), expected[:, :, 0].transpose(0, 1), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    ("rotations", "kernel_px"),
    [(1, 5), (2, 9), (3, 13), (4, 7), (5, 9), (6, 11), (8, 21), (8, 30), (12, 17), (16, 15)],
)
def test_closed_form_is_that_of_escnn(rotations: int, kernel_px: int) -> None:
    # element by element, not only in span: weights trained with one are weights of the other
    theirs = steerable_basis(rotations, kernel_px)
    ours = planar_basis(rotations, kernel_px, oriented(rotations))
    torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=0)  # float32 rounding of escnn


@pytest.mark.parametrize(("degrees", "limit"), [(90, 1e-5), (180, 1e-5), (45, 0.005)])
def test_lifting_turns_with_the_image(degrees: int, limit: float) -> None:
    # the error at 45 degrees is that of sampling a turned filter on the pixel grid (facts: 0.002)
    torch.manual_seed(0)
    lifting = LiftingConv(1, 4, 8, 25)
    images = torch.tensor(ndimage.gaussian_filter(blob_images(2, 33).numpy(), (0, 0, 1, 1)))
    steps = degrees // 45
    padding = 12
    with torch.no_grad():
        before = lifting(images, padding).permute(0, 3, 4, 1, 2)  # (B, R, K, h, w)
        after = lifting(turned(images, degrees), padding).permute(0, 3, 4, 1, 2)
    expected = turned(before.roll(steps, 1).contiguous(), degrees)
    middle = slice(6, -6)  # corners leave the frame at 45 degrees
    difference = (after - expected)[..., middle, middle].square().mean().sqrt()
    assert difference / expected[..., middle, middle].square().mean().sqrt() < limit


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
@pytest.mark.parametrize(
    ("channels", "mixing", "side", "pitch"),
    [(1, 0, 17, 1), (3, 0, 17, 1), (1, 1, 17, 1), (1, 3, 17, 1), (1, 0, 18, 1),
     (1, 1, 17, 2), (1, 1, 18, 2), (1, 1, 17, 3), (1, 1, 18, 3)],
)  # fmt: skip
def test_turning_the_image_turns_the_pose_and_leaves_the_content(
    quarter_turns: int, channels: int, mixing: int, side: int, pitch: int
) -> None:
    settings = {"rotation_mixing": mixing, "shift_pitch_px": pitch, "shift_prior_std_px": 2.0}
    model = small_model(side, channels, **settings).eval()
    images = blob_images(4, side, channels)
    before, after = infer(model, images), infer(model, turned(images, 90 * quarter_turns))
    angle = np.pi / 2 * quarter_turns
    torch.testing.assert_close(after.z_mean, before.z_mean, atol=1e-4, rtol=1e-4)
    difference = wrap_angle((after.angle_rad - before.angle_rad).numpy() - angle)
    np.testing.assert_allclose(difference, 0, atol=1e-4)
    cos, sin = np.cos(angle), np.sin(angle)
    expected = before.shift_px.numpy() @ np.array([[cos, -sin], [sin, cos]]).T
    np.testing.assert_allclose(after.shift_px, expected, atol=1e-4)
    torch.testing.assert_close(after.elbo, before.elbo, atol=2e-3, rtol=1e-4)


@pytest.mark.parametrize("rotations", [1, 2, 8])
def test_a_mixing_layer_sees_its_neighbours_and_follows_the_group(rotations: int) -> None:
    layer = GroupLinear(3, rotations, neighbours=1)
    rows = torch.randn(5 * rotations, 3, generator=torch.Generator().manual_seed(0))

    def rolled(values: torch.Tensor) -> torch.Tensor:
        return values.view(5, rotations, 3).roll(1, 1).flatten(0, 1)

    torch.testing.assert_close(layer(rolled(rows)), rolled(layer(rows)))
    rows.requires_grad_()
    layer(rows)[0].sum().backward()
    reached = {int(row) for row in rows.grad.abs().sum(1).nonzero()}
    assert reached == ({7, 0, 1} if rotations == 8 else {0})  # a group of two has no neighbours


@pytest.mark.parametrize(("rotations", "neighbours"), [(8, 1), (7, 3), (3, 1)])
def test_the_gradient_of_a_mixing_layer(rotations: int, neighbours: int) -> None:
    layer = GroupLinear(4, rotations, neighbours).double()
    rows = torch.randn(2 * rotations, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(layer, rows)
    loss = [layer(rows).square().sum()]
    found = torch.autograd.grad(loss, [layer.weight, layer.bias])
    span = range(-neighbours, neighbours + 1)
    grouped = rows.detach().view(2, rotations, 4)
    joined = torch.cat([grouped.roll(-s, 1) for s in span], 2)
    plain = joined @ layer.weight.T + layer.bias
    expected = torch.autograd.grad(plain.square().sum(), [layer.weight, layer.bias])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("mixing", [0, 1])
def test_rows_taken_a_few_at_a_time_give_the_same(
    mixing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_model(rotation_mixing=mixing)
    images = blob_images(3)
    at_once = model.encoder.features(images).detach()
    monkeypatch.setattr("tvae_core.engine.model.encoder._ROWS_BYTES", 1)
    with torch.no_grad():
        torch.testing.assert_close(model.encoder.features(images), at_once)


@pytest.mark.parametrize(("side", "pitch"), [(41, 1), (41, 2), (42, 2), (41, 3)])
def test_moving_the_image_moves_the_shift_and_leaves_the_rest(side: int, pitch: int) -> None:
    model = small_model(
        side, shift_pitch_px=pitch, shift_prior_std_px=1e4, shift_limit_sigmas=0.0
    ).eval()
    images = blob_images(4, side=side) * _window(side)
    up, right = {1: (2, 3), 2: (0, 2), 3: (0, 3)}[pitch]  # whole cells
    moved = images.roll((-up, right), (-2, -1))
    before, after = infer(model, images), infer(model, moved)
    torch.testing.assert_close(after.z_mean, before.z_mean, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(after.angle_rad, before.angle_rad, atol=1e-4, rtol=1e-4)
    expected = before.shift_px + torch.tensor([float(right), float(up)])
    torch.testing.assert_close(after.shift_px, expected, atol=1e-4, rtol=1e-4)


def _window(side: int) -> torch.Tensor:
    axis = torch.arange(side) - (side - 1) / 2
    return (axis[:, None] ** 2 + axis**2 < 36).float()


@pytest.mark.parametrize("side", [16, 17])
def test_the_generator_turns_and_moves_as_the_convention_says(side: int) -> None:
    model = small_model(side=side).eval()
    z = torch.randn(1, 2, generator=torch.Generator().manual_seed(1))
    zero = torch.zeros(1)
    with torch.no_grad():
        upright = model.generator(model.points_px, z, zero, torch.zeros(1, 2))
        quarter = model.generator(model.points_px, z, zero + np.pi / 2, torch.zeros(1, 2))
        moved = model.generator(model.points_px, z, zero, torch.tensor([[2.0, 1.0]]))
    picture = upright.view(side, side)
    torch.testing.assert_close(
        quarter.view(side, side), torch.rot90(picture, 1), atol=1e-4, rtol=1e-3
    )
    inside = slice(3, -3)
    expected = picture.roll((-1, 2), (0, 1))[inside, inside]
    torch.testing.assert_close(
        moved.view(side, side)[inside, inside], expected, atol=1e-4, rtol=1e-3
    )


def test_encoder_and_generator_agree_on_the_sign_of_pose() -> None:
    """Decode at an angle and a shift, infer: the inferred pose differs by just those."""
    model = small_model().eval()
    z = torch.randn(3, 2, generator=torch.Generator().manual_seed(2))
    angles, shifts = torch.zeros(3), torch.zeros(3, 2)
    with torch.no_grad():

        def image(angle: float) -> torch.Tensor:
            raw = model.generator(model.points_px, z, angles + angle, shifts)
            return raw.sigmoid().transpose(1, 2).reshape(3, 1, SIDE, SIDE)

        before, after = infer(model, image(0.0)), infer(model, image(np.pi / 2))
    difference = wrap_angle((after.angle_rad - before.angle_rad).numpy() - np.pi / 2)
    np.testing.assert_allclose(difference, 0, atol=1e-4)
    torch.testing.assert_close(after.z_mean, before.z_mean, atol=1e-4, rtol=1e-4)
