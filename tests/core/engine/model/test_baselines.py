"""The systems TARGET-VAE is compared with: they learn, resume, embed, and are as large as it is."""

from __future__ import annotations

import math
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.core.engine.model.models import SIDE, blob_images, small_model
from tests.core.engine.runs import tiny_run, write_images
from tvae_core.config import ModelConfig
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.model.posterior import kl_terms
from tvae_core.engine.model.systems import (
    build_model,
    free_parameters,
    matched_hidden,
    parameters_at,
    reference_parameters,
)
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training.train import train
from tvae_core.engine.using.decode import Decoder
from tvae_core.engine.using.embed import embed
from tvae_core.engine.using.inference import infer
from tvae_core.errors import Cancelled
from tvae_core.files import sha256_of_file
from tvae_core.presets import load_preset
from tvae_core.progress import Epoch, Started
from tvae_core.store import EmbeddingStore, validate

SYSTEMS = {
    "vae": ("model.system=vae",),
    "beta-vae": ("model.system=beta-vae", "model.beta=4"),
    "spatial-vae": ("model.system=spatial-vae",),
    "ablation-1": ("model.group_conv=false",),
    "ablation-2": ("model.rotation_inference=false",),
    "ablation-3": ("model.rotation_offset=false",),
}
LONGER = ("train.learning_rate=0.02", "train.epochs=8")
COMPARED = ("vae", "beta-vae", "spatial-vae")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_learns_resumes_to_the_same_bits_and_embeds(
    tmp_path: Path, images: Path, name: str
) -> None:
    whole = tiny_run(tmp_path / "whole", images, *LONGER, *SYSTEMS[name])
    records = list(train(whole))
    epochs = [record for record in records if isinstance(record, Epoch)]
    assert epochs[-1].elbo > epochs[0].elbo + 1
    halves, asked = tiny_run(tmp_path / "halves", images, *LONGER, *SYSTEMS[name]), count()
    with pytest.raises(Cancelled):
        list(train(halves, cancelled=lambda: next(asked) >= 40))
    list(train(halves, resume=True))
    assert sha256_of_file(halves.model) == sha256_of_file(whole.model)
    list(embed(whole))
    assert validate(whole.store) == []
    with EmbeddingStore(whole.path) as store:
        assert store.z_mean.std() > 0
        drawn = Decoder.from_store(store).decode(store.z_mean[:2], 0.4, (1.0, 0.0), side=20)
        assert drawn.shape == (2, 20, 20)
        poses = store.angle_rad.std() + store.shift_px.std()
        assert (poses == 0) == (name in ("vae", "beta-vae"))


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize("preset", ["fast-cpu", "paper-mnist"])
def test_the_width_gives_the_number_of_parameters_nearest_to_target_vaes(
    name: str, preset: str
) -> None:
    model = load_preset(preset).model.model_copy(update={"system": name, "kernel_px": 9})
    target = reference_parameters(model, 20, 1)
    width = matched_hidden(model, 20, 1)
    built = build_model(model, 20, 1)
    assert built.model.mlp_hidden == width
    assert free_parameters(built) == parameters_at(model, 20, 1, width)
    off = {w: abs(parameters_at(model, 20, 1, w) - target) for w in (width - 1, width, width + 1)}
    assert min(off, key=off.__getitem__) == width
    assert off[width] < 0.03 * target


def test_the_reference_is_counted_from_the_formula() -> None:
    model = small_model(subpixel_shift=False)
    m, basis = model.model, model.encoder.lifting.basis
    assert basis is not None
    k, h, f, d = m.encoder_kernels, m.generator_hidden, m.fourier_features, m.z_dim
    encoder = k * len(basis) + k + m.encoder_layers * (k * k + k) + (k + 1) * (3 + 2 * d)
    generator = (f + 1) * h + (d + 1) * h + (m.generator_layers - 1) * (h * h + h) + h + 1
    assert reference_parameters(m, SIDE, 1) == encoder + generator


def test_training_says_what_it_is_compared_with(tmp_path: Path, images: Path) -> None:
    started = next(train(tiny_run(tmp_path / "vae", images, "model.system=vae")))
    assert isinstance(started, Started)
    assert started.system == "vae"
    plain = next(train(tiny_run(tmp_path / "ours", images)))
    assert isinstance(plain, Started)
    assert (plain.system, plain.reference_parameters) == ("target-vae", 0)
    assert started.reference_parameters == plain.parameters
    assert abs(started.parameters - plain.parameters) < 0.2 * plain.parameters  # a tiny model


def compared(system: str, **settings: object) -> TargetVae:
    torch.manual_seed(3)
    values = {"z_dim": 2, "mlp_hidden": 24, "generator_layers": 2, "fourier_features": 32}
    values |= {"fourier_scale_px": 3.0, "shift_prior_std_px": 1.5}
    return build_model(ModelConfig(system=system, **(values | settings)), SIDE, 1)


def test_a_plain_vae_pays_for_content_alone() -> None:
    model = compared("vae")
    posterior = model.infer(blob_images(5))
    terms = kl_terms(posterior, model.prior)
    for term in (terms.pose, terms.angle, terms.shift):
        torch.testing.assert_close(term, torch.zeros(5))
    assert (terms.content > 0).all()
    found = infer(model, blob_images(5))
    assert not found.angle_rad.any()
    assert not found.shift_px.any()


def test_a_plain_decoder_draws_its_pixels_and_turns_the_picture() -> None:
    model = compared("vae")
    decoder, z = Decoder(model), torch.tensor([[0.3, -1.2]])
    generator = model.generator
    with torch.no_grad():
        flat = generator.content_layer(z)
    upright = decoder.decode(z.numpy())[0]
    np.testing.assert_allclose(upright, flat.sigmoid().view(SIDE, SIDE).numpy(), atol=1e-5)
    turned = decoder.decode(z.numpy(), angle_rad=math.pi / 2)[0]
    np.testing.assert_allclose(turned, np.rot90(upright), atol=1e-4)
    moved = decoder.decode(z.numpy(), shift_px=(2.0, 1.0))[0]
    np.testing.assert_allclose(moved[:-1, 2:], upright[1:, :-2], atol=1e-4)


def test_spatial_vae_turns_first_and_shifts_in_the_objects_frame() -> None:
    """x' = R(-theta) x - t, against the house's x' = R(-angle)(x - shift)."""
    model = compared("spatial-vae")
    theta, t, x = torch.tensor([0.7]), torch.tensor([[1.3, -2.1]]), torch.tensor([0.4, 3.0])
    cos, sin = math.cos(0.7), math.sin(0.7)
    own = torch.tensor([[cos, sin], [-sin, cos]]) @ x - t[0]
    moved = x - model.in_frame(theta, t)[0]
    house = torch.tensor([[cos, sin], [-sin, cos]]) @ moved
    torch.testing.assert_close(own, house)
    posterior = model.infer(blob_images(2))
    found = infer(model, blob_images(2))
    expected = model.in_frame(posterior.angle_mean[:, 0, 0], posterior.shift_mean[:, 0, 0])
    torch.testing.assert_close(found.shift_px, expected.detach())
    lengths = posterior.shift_mean[:, 0, 0].norm(dim=1).detach()
    torch.testing.assert_close(found.shift_px.norm(dim=1), lengths)


def test_without_the_offset_no_rotation_follows_the_image() -> None:
    """Ablation 3: the same angle in every rotation, and a prior that still has the offsets."""
    model, images = small_model(rotation_offset=False), blob_images(2)
    whole = small_model()
    with torch.no_grad():
        found, ours = model.infer(images), whole.infer(images)
    angle = found.angle_mean + model.encoder.angles
    torch.testing.assert_close(angle.cos(), ours.angle_mean.cos())
    at_zero = found.angle_mean[..., 0] - ours.angle_mean[..., 0]
    torch.testing.assert_close(at_zero, torch.zeros_like(at_zero))
    assert (kl_terms(found, model.prior).angle > kl_terms(ours, whole.prior).angle).all()


@pytest.mark.parametrize("setting", [{"group_conv": False}, {"rotation_inference": False}])
def test_without_a_rotation_axis_theta_has_one_wide_gaussian(setting: dict[str, bool]) -> None:
    model = small_model(**setting)
    posterior = model.infer(blob_images(2))
    assert posterior.log_q.shape[2] == 1
    assert model.prior.angle_std_rad == pytest.approx(math.pi)
    narrow = small_model(rotation_prior="normal", rotation_prior_std_rad=0.5, **setting)
    assert narrow.prior.angle_std_rad == pytest.approx(0.5)


def test_plain_kernels_are_kept_with_the_model(tmp_path: Path, images: Path) -> None:
    run = tiny_run(tmp_path / "run", images, "model.group_conv=false", "train.epochs=1")
    list(train(run))
    again = model_from_bytes(run.model.read_bytes())
    assert again.encoder.lifting.filters().shape == (4, 1, 7, 7)
    assert free_parameters(again) > 0


def test_beta_weighs_the_kl_of_content(tmp_path: Path, images: Path) -> None:
    ends = {}
    for beta in (1, 30):
        settings = ("model.system=beta-vae", f"model.beta={beta}", "model.mlp_hidden=16")
        run = tiny_run(tmp_path / str(beta), images, *LONGER, *settings)
        ends[beta] = [r for r in train(run) if isinstance(r, Epoch)][-1]
    assert ends[30].kl_content < 0.5 * ends[1].kl_content


@pytest.mark.parametrize(
    "name", ["vae-mnist", "beta-vae-mnist", "spatial-vae-mnist", "ablation-1", "ablation-3"]
)
def test_presets_differ_from_the_papers_only_by_their_row(name: str) -> None:
    paper, row = load_preset("paper-mnist"), load_preset(name)
    assert row.train == paper.train
    assert row.data == paper.data
    differing = {k for k, v in row.model if v != getattr(paper.model, k)}
    allowed = {"system", "beta", "z_dim", "rotations"}
    assert differing <= allowed | {"group_conv", "rotation_inference", "rotation_offset"}
    assert differing
