"""Detection: tiles without edges, and objects that the model draws found again where they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.core.engine.model.models import blob_images, small_model
from tvae_core.analysis.picks import Calibration, Confidence
from tvae_core.config import DataConfig
from tvae_core.engine.detection.detect import (
    DetectSettings,
    OwnImages,
    _remarks,
    calibrated,
    mosaic,
    object_radius_px,
)
from tvae_core.engine.detection.explain_away import Explainer, Scale, levelled
from tvae_core.engine.detection.field_encoder import FieldEncoder, Looks
from tvae_core.engine.model.origin import Origin
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.using.inference import infer
from tvae_core.errors import Cancelled
from tvae_core.images.preprocess import inscribed_circle

SCALE = Scale(variance=0.01, radius_px=5.0, lowest_attention=-np.inf)


class Oracle(FieldEncoder):
    """A field encoder that knows which blob the drawn objects are: it correlates with it."""

    def __init__(self, model: TargetVae, pattern: Tensor) -> None:
        super().__init__(model)
        self.pattern = pattern

    def attention(self, values: Tensor, before: Any = None, near: Any = None) -> Any:
        return self._correlation(values).numpy()

    def attention_at(self, values: Tensor, places: Any) -> Any:
        return self._correlation(values).numpy()[tuple(np.asarray(places).T)]

    def look(self, values: Tensor, places: Any, rotations: int = 1) -> Looks:
        count = len(places)
        attention = torch.as_tensor(self.attention_at(values, places))
        nothing = torch.zeros(count, 1, 2)
        return Looks(attention, nothing, torch.zeros(count, 1), nothing)

    def _correlation(self, values: Tensor) -> Tensor:
        half = self.pattern.shape[-1] // 2
        return torch.conv2d(values[None], self.pattern[None, None], padding=half)[0, 0]


@pytest.fixture(scope="module")
def model() -> TargetVae:
    return small_model(17).eval()


def oracle_explainer(model: TargetVae) -> tuple[Explainer, Tensor]:
    """Return an explainer that knows the one object its model now draws, and that object."""
    explainer = Explainer(model, SCALE)
    rows, columns = np.indices((17, 17)) - 8
    blob = np.exp(-((rows - 1) ** 2 / 5.0 + columns**2 / 18.0)).astype(np.float32)
    pattern = torch.from_numpy(blob)
    explainer.draw = lambda z, a, s: pattern[None, None].repeat(len(z), 1, 1, 1)  # type: ignore[method-assign]
    explainer.encoder = Oracle(model, pattern)
    explainer.scale = Scale(0.01, 5.0, 0.3 * float(pattern.square().sum()))
    return explainer, pattern


def field_of(pattern: Tensor, places: list[tuple[int, int]], shape: tuple[int, int]) -> Tensor:
    """Return the sum of the pattern about places (row, column)."""
    total = torch.zeros(1, shape[0] + 34, shape[1] + 34)
    for row, column in places:
        total[0, row + 9 : row + 26, column + 9 : column + 26] += pattern
    return total[:, 17:-17, 17:-17].contiguous()


def places_of_cells(model: TargetVae) -> Any:
    """Return (row, column) of the model's cells in an image of its side, (S, 2)."""
    corner = 0.5 * (1 - model.grid.kernel % 2)  # an even kernel lies on corners of pixels
    x, y = model.positions_px.double().numpy().T
    middle = (model.side - 1) / 2 + corner
    return np.rint(np.stack([middle - y, middle + x], 1)).astype(np.int64)


@pytest.mark.parametrize("pitch", [1, 2, 3])
@pytest.mark.parametrize("tile", [7, 20, 64])
def test_the_attention_does_not_depend_on_the_tiles(tile: int, pitch: int) -> None:
    model = small_model(18, shift_pitch_px=pitch, shift_prior_std_px=2.0).eval()
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 41, 53)).astype("f4"))
    whole = FieldEncoder(model, 53).attention(values)
    tiled = FieldEncoder(model, tile).attention(values)
    assert np.allclose(whole, tiled, atol=1e-4)  # products in another order, float32


@pytest.mark.parametrize("side", [17, 18])
@pytest.mark.parametrize("pitch", [1, 2, 3])
def test_the_attention_is_that_of_the_encoder_on_a_single_image(pitch: int, side: int) -> None:
    model = small_model(side, shift_pitch_px=pitch, shift_prior_std_px=2.0).eval()
    image = blob_images(1, side)
    image = image - torch.zeros(())  # its border vanishes: nothing is levelled
    encoder = FieldEncoder(model)
    with torch.no_grad():
        features = model.encoder.features(image)
        expected = model.encoder.attention(features)[0].logsumexp(-1) - encoder.empty
    found = encoder.attention_at(image[0], places_of_cells(model))
    # the encoder takes off what is left of the border's mean, 1e-3 of the range
    assert np.allclose(found.ravel(), expected.numpy(), atol=0.05)


def test_looking_at_places_agrees_with_the_map(model: TargetVae) -> None:
    values = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 30, 40)).astype("f4"))
    encoder = FieldEncoder(model)
    places = np.array([[0, 0], [29, 39], [12, 20]])
    whole = encoder.attention(values)
    assert np.allclose(encoder.attention_at(values, places), whole[tuple(places.T)], atol=1e-4)
    looks = encoder.look(values, places, 2)
    assert np.allclose(looks.attention, whole[tuple(places.T)], atol=1e-4)
    assert looks.z.shape == (3, 2, 2)


@pytest.mark.parametrize(("side", "pitch", "mixing"), [(17, 1, 0), (17, 1, 1), (18, 2, 1)])
def test_the_field_encoder_says_what_the_posterior_says(side: int, pitch: int, mixing: int) -> None:
    model = small_model(side, rotation_mixing=mixing, shift_pitch_px=pitch).eval()
    image = blob_images(1, side)
    image[..., [0, -1], :] = image[..., [0, -1]] = 0.0  # nothing is left for the encoder to level
    encoder = FieldEncoder(model)
    with torch.no_grad():
        features = model.encoder.features(image)
        logits = model.encoder.attention(features)[0]  # (S, R)
        posterior = model.encoder.posterior(features, model.prior)
    looks = encoder.look(image[0], places_of_cells(model), 3)
    best = logits.topk(3, 1).indices
    cell = torch.arange(len(best))[:, None]
    # a cell on the corner of pixels lies up and left of the pixel that names it
    corner = torch.tensor([-0.5, 0.5]) if model.grid.kernel % 2 == 0 else 0.0
    assert posterior.shift_mean is not None
    expected = (
        logits.logsumexp(-1) - encoder.empty,
        posterior.z_mean[0, cell, best],
        posterior.angle_mean[0, cell, best] + model.encoder.angles[best],
        posterior.shift_mean[0, cell, best] + corner,
    )
    for seen, said in zip(looks, expected, strict=True):
        away = seen - said
        if seen is looks.angle_rad:
            away = torch.remainder(away + torch.pi, 2 * torch.pi) - torch.pi
        assert away.abs().max() < 1e-3  # products in another order, float32


def test_what_is_seen_is_drawn_there_whatever_origin_and_zero_its_content_has() -> None:
    values, places = blob_images(1, side=40)[0], np.array([[12, 20], [25, 14]])
    drawn = []
    for own in (False, True):
        model = small_model().eval()
        if own:
            model.set_origin(Origin("content", torch.tensor([[0.5, 1.1, -0.4], [-0.3, 0.2, 0.9]])))
            model.set_zero(torch.tensor([0.4, -0.3, 0.2]))
        looks = FieldEncoder(model).look(values, places, 2)
        poses = (looks.z.flatten(0, 1), looks.angle_rad.flatten(), looks.shift_px.flatten(0, 1))
        drawn.append((model.draw(*poses), looks.angle_rad))
    (plain, angle), (own_drawn, own_angle) = drawn
    torch.testing.assert_close(own_drawn, plain, rtol=0, atol=1e-4)
    assert (own_angle - angle).abs().min() > 1e-3


def test_only_what_changed_is_looked_at_again(model: TargetVae) -> None:
    values = torch.zeros(1, 96, 96)
    encoder = FieldEncoder(model, 32)
    before = encoder.attention(values)
    values[0, 40:45, 50:55] = 1.0
    after = encoder.attention(values, before, np.array([[42, 52]]))
    assert np.allclose(after, encoder.attention(values), atol=1e-4)
    assert not np.allclose(after, before, atol=1e-3)


def test_objects_are_found_at_their_places_and_the_rest_is_empty(model: TargetVae) -> None:
    explainer, pattern = oracle_explainer(model)
    places = [(10, 12), (40, 12), (25, 60), (3, 72)]
    values = field_of(pattern, places, (50, 80))
    found, drawn = explainer.explain(values)
    assert sorted(map(tuple, found.place.tolist())) == sorted(places)
    assert torch.allclose(drawn, values, atol=1e-5)
    x, y = found.places_px(50, 80)[found.place.tolist().index([10, 12])]
    assert (x, y) == (12 - 39.5, 24.5 - 10)


def test_touching_objects_are_told_apart_by_explaining_away(model: TargetVae) -> None:
    explainer, pattern = oracle_explainer(model)
    places = [(20, 20), (20, 26), (26, 23)]
    values = field_of(pattern, places, (50, 50))
    found, _ = explainer.explain(values)
    assert sorted(map(tuple, found.place.tolist())) == sorted(places)
    alone = Explainer.peaks_of(explainer, values)
    assert len(alone) < len(places)  # what appendix A.4 struggles with


def test_nothing_is_found_where_nothing_is(model: TargetVae) -> None:
    explainer, _ = oracle_explainer(model)
    found, drawn = explainer.explain(torch.zeros(1, 40, 40))
    assert len(found) == 0
    assert not drawn.any()


def test_levelled_images_have_their_background_at_zero_and_nothing_beyond_the_mask() -> None:
    inside = torch.from_numpy(inscribed_circle(17))
    images = blob_images(2) + torch.tensor([3.0, -1.0]).view(2, 1, 1, 1)
    expected = blob_images(2) * inside
    images[..., ~inside] = 1e3  # what a mask keeps from being compared
    # the blobs have all but vanished at the circle
    assert torch.allclose(levelled(images, inside), expected, atol=0.02)
    whole = torch.ones(17, 17, dtype=torch.bool)
    assert torch.allclose(levelled(blob_images(2) + 3, whole), blob_images(2), atol=0.01)


def test_a_masked_model_draws_and_weighs_nothing_outside_its_circle() -> None:
    inside = torch.from_numpy(inscribed_circle(17))
    model = small_model(17, mask=inside).eval()
    assert torch.equal(model.inside, inside)
    nothing = torch.zeros(1, 2)
    drawn = Explainer(model, SCALE).draw(nothing, torch.zeros(1), nothing)
    assert not drawn[..., ~inside].any()
    assert drawn[..., inside].any()
    z = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    assert object_radius_px(model, z) < object_radius_px(small_model(17).eval(), z)


def test_the_windows_of_a_calibration_field_are_empty_outside_the_mask() -> None:
    inside = torch.from_numpy(inscribed_circle(17))
    model = small_model(17, mask=inside).eval()
    images = (blob_images(7) + 0.3) * inside  # as the preprocessor leaves them
    values, truth = mosaic(images, infer(model, images), inside, 0)
    grid = values.shape[1] // 17
    windows = values.view(grid, 17, grid, 17).transpose(1, 2)
    assert not windows[..., ~inside].any()
    assert truth.shape == (7, 2)
    filled = windows[..., inside].abs().flatten(0, 1).sum(-1)
    assert (filled > 0).sum() >= 7


def test_it_is_said_what_sets_fields_apart_from_the_runs_images() -> None:
    read, drawn = OwnImages(blob_images(1), np.dtype("u1")), OwnImages(blob_images(1), None)
    assert _remarks(DataConfig(), read) == ()
    assert "phase-flipped, fields are not" in _remarks(DataConfig(phase_flip=True), read)[0]
    assert "own pixel type" in _remarks(DataConfig(), drawn)[0]
    assert _remarks(DataConfig(normalise="ring"), drawn) == ()
    words = Calibration(Confidence(1, 0, 0.3, 9, 8, 9, 1), 2.5, True, ("a", "b")).words()
    assert words.endswith("8 of 9 objects were found; a; b")


def test_a_search_stops_within_a_wave_when_asked(model: TargetVae) -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 3

    encoder = FieldEncoder(model, 16, cancelled)
    with pytest.raises(Cancelled):
        encoder.attention(torch.zeros(1, 96, 96))  # 36 tiles, four at once
    assert len(asked) == 4
    with pytest.raises(Cancelled):
        encoder.look(torch.zeros(1, 40, 40), np.zeros((1, 2), np.int64))
    stopped = Explainer(model, SCALE, 0, lambda: True)
    with pytest.raises(Cancelled):
        stopped.explain(torch.zeros(1, 40, 40))
    with pytest.raises(Cancelled):
        calibrated(model, OwnImages(blob_images(4), None), DetectSettings(), lambda: True)
