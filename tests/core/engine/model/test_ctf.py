"""The CTF within the likelihood: the formula, the gradient, and what it is good for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.core.engine.model.models import SIDE, blob_images, small_model
from tests.core.engine.runs import TINY
from tvae_core import ctf as reference
from tvae_core.config import DataConfig, RunConfig
from tvae_core.engine.data import Batch, CachedImages, batch_of
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.model.ctf import ctf_values, seen_through_ctf
from tvae_core.engine.model.likelihood import log_likelihood
from tvae_core.engine.model.noise import Noise
from tvae_core.engine.model.sampling import categorical_sample
from tvae_core.engine.training.train import train
from tvae_core.engine.using.embed import embed
from tvae_core.engine.using.inference import infer
from tvae_core.errors import ConfigError
from tvae_core.images.prepared import open_prepared
from tvae_core.presets import load_preset
from tvae_core.progress import Epoch
from tvae_core.runs.folder import RunFolder
from tvae_core.store import EmbeddingStore
from tvae_core.synthetic import plan_set, write_set

SEES = {"ctf": "likelihood", "likelihood": "gaussian"}
# a phase plate of 90 degrees and nothing else: the CTF is 1 everywhere
ONE = [0.0, 0.0, 0.0, 300.0, 0.0, 1.0, 0.0, 0.0, 3.0]


def random_rows(count: int, pixel: float = 2.5) -> tuple[reference.Ctf, torch.Tensor]:
    rng = np.random.default_rng(1)
    defocus = rng.uniform(8_000, 25_000, count)
    ctf = reference.Ctf(
        defocus_u_angstrom=defocus,
        defocus_v_angstrom=defocus - rng.uniform(0, 3_000, count),
        astigmatism_angle_deg=rng.uniform(0, 180, count),
        voltage_kv=rng.choice([200.0, 300.0], count),
        cs_mm=2.7,
        amplitude_contrast=rng.uniform(0.05, 0.2, count),
        phase_shift_deg=rng.uniform(0, 90, count),
        b_factor_angstrom2=rng.uniform(0, 100, count),
    )
    return ctf, torch.from_numpy(np.column_stack([ctf.rows(), np.full(count, pixel)]))


def ones(count: int) -> torch.Tensor:
    return torch.tensor([ONE] * count, dtype=torch.float64)


@pytest.mark.parametrize("side", [32, 33])
def test_the_values_are_those_of_the_numpy_formula(side: int) -> None:
    ctf, rows = random_rows(5)
    expected = reference.ctf_image(ctf, side, 2.5)
    # float32 phases of up to 200 rad
    np.testing.assert_allclose(ctf_values(rows, side).numpy(), expected, atol=2e-4)


@pytest.mark.parametrize("side", [24, 25])
def test_an_image_is_seen_as_the_numpy_function_shows_it(side: int) -> None:
    ctf, rows = random_rows(4)
    images = np.random.default_rng(0).normal(size=(4, 2, side * side, 1)).astype(np.float32)
    seen = seen_through_ctf(torch.from_numpy(images).flatten(0, 1), rows, side)
    expected = reference.apply_ctf(
        images.reshape(8, side, side), ctf.take(np.repeat(range(4), 2)), 2.5
    )
    np.testing.assert_allclose(seen.reshape(8, side, side).numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian-learned"])
def test_a_ctf_of_one_leaves_the_likelihood_as_it_is(likelihood: str) -> None:
    plain = small_model(likelihood=likelihood)
    seeing = small_model(likelihood=likelihood, ctf="likelihood")
    images = blob_images()
    with torch.no_grad():
        posterior = plain.infer(images)
        sample = categorical_sample(posterior, plain.cells, 4, Noise(0, 0, torch.arange(3)))
        expected = plain.log_likelihood(images, sample)
        found = seeing.log_likelihood(images, sample, ctf=ones(3))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-3)
    before, after = infer(plain, images), infer(seeing, images, ctf=ones(3))
    torch.testing.assert_close(after.elbo, before.elbo, rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(after.reconstruction, before.reconstruction, atol=1e-5, rtol=1e-4)


def test_gradients_pass_through_the_ctf_to_every_weight_of_the_generator() -> None:
    model = small_model(**SEES)
    images = blob_images()
    posterior = model.infer(images)
    sample = categorical_sample(
        posterior, model.cells, 2, Noise(0, 0, torch.arange(len(posterior.log_q)))
    )
    _, rows = random_rows(3)
    model.elbo_terms(images, posterior, sample, ctf=rows).elbo.sum().backward()
    for name, weight in model.generator.named_parameters():
        assert weight.grad is not None, name
        assert float(weight.grad.abs().max()) > 0, name


def test_the_gradient_is_that_of_differences() -> None:
    _, rows = random_rows(1)
    drawn = torch.randn(1, SIDE * SIDE, 1, generator=torch.Generator().manual_seed(2))
    weight = torch.randn(drawn.shape, generator=torch.Generator().manual_seed(3))
    drawn.requires_grad_()
    (seen_through_ctf(drawn, rows, SIDE) * weight).sum().backward()
    step = torch.zeros_like(drawn)
    step[0, 40, 0] = 1.0
    with torch.no_grad():  # the map is linear: a step of 1 is exact
        change = ((seen_through_ctf(step, rows, SIDE)) * weight).sum()
    assert drawn.grad is not None
    assert float(drawn.grad[0, 40, 0]) == pytest.approx(float(change), abs=1e-4)


def test_a_model_that_sees_through_a_ctf_wants_one_and_no_other_does() -> None:
    images = blob_images()
    with pytest.raises(ConfigError, match="none is given"):
        infer(small_model(**SEES), images)
    with pytest.raises(ConfigError, match="uses none"):
        infer(small_model(likelihood="gaussian"), images, ctf=ones(3))


def test_batches_are_cut_with_their_ctf() -> None:
    batch = Batch(torch.arange(5.0)[:, None, None, None], torch.arange(5.0)[:, None])
    parts = list(batch.split(2))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert parts[1].ctf is not None
    assert parts[1].ctf[:, 0].tolist() == parts[1].images[:, 0, 0, 0].tolist() == [2.0, 3.0]


@pytest.fixture(scope="module")
def particles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ctf")
    options: dict[str, Any] = {"count": 120, "side": 32, "snr": 2.0, "hinge_range_deg": 0.0}
    write_set(plan_set("hinge", **options), folder)
    return folder / "particles.star"


def test_the_ctf_of_prepared_images_is_at_their_own_pixel_size(particles: Path) -> None:
    config = DataConfig(path=str(particles), downsample_px=16)
    with open_prepared(config, with_ctf=True) as images:
        batch = batch_of(CachedImages(images), np.array([7, 2]))
        expected = images.stack.ctf().rows()[[7, 2]]  # type: ignore[attr-defined]
    assert batch.ctf is not None
    np.testing.assert_allclose(batch.ctf[:, :8].numpy(), expected)
    assert batch.ctf[:, 8].tolist() == [6.0, 6.0]


def seeing_run(folder: Path, particles: Path, *settings: str) -> RunFolder:
    config = RunConfig.model_validate(TINY).changed(
        [f"data.path={particles}", "data.downsample_px=16", "data.normalise=ring",
         "model.likelihood=gaussian", "train.pixel_share=1", "model.ctf=likelihood",
         "model.shift_prior_std_px=1.5", *settings]
    )  # fmt: skip
    run = RunFolder(folder)
    run.create(config)
    return run


def test_the_right_ctf_explains_every_image_better_than_a_wrong_one(tmp_path: Path) -> None:
    """The true object at its true pose, seen through its own CTF and through its neighbour's."""
    options: dict[str, Any] = {"count": 40, "side": 48, "pixel_size_angstrom": 2.0}
    noisy = plan_set("hinge", **options, snr=1.0)
    write_set(noisy, tmp_path)
    clean = plan_set("hinge", **options, snr=float("inf"), ctf=False).whole().images
    config = DataConfig(path=str(tmp_path / "particles.star"), normalise="none")
    with open_prepared(config, with_ctf=True) as images:
        batch = batch_of(images, np.arange(40))
    assert batch.ctf is not None
    drawn = torch.from_numpy(clean).flatten(1)[..., None]
    seen = batch.images.flatten(2).transpose(1, 2)
    model = small_model(side=48, noise_std=0.2, **SEES)

    def explained(ctf: torch.Tensor) -> torch.Tensor:
        return log_likelihood(model.through_ctf(drawn, ctf), seen, model.model).sum(1)

    right, wrong = explained(batch.ctf), explained(batch.ctf.roll(1, 0))
    assert (right > wrong).float().mean() > 0.9  # a neighbour's defocus may be nearly the same
    assert right.mean() > wrong.mean() + 10
    plain = log_likelihood(drawn, seen, model.model).sum(1)
    assert (right > plain).all()


def test_a_run_trains_stops_and_embeds(particles: Path, tmp_path: Path) -> None:
    run = seeing_run(tmp_path / "run", particles, "train.epochs=4", "train.learning_rate=0.005")
    elbos = [r.validation_elbo for r in train(run) if isinstance(r, Epoch)]
    assert elbos[-1] > elbos[0] + 1  # nats an image
    model = model_from_bytes(run.model.read_bytes())
    assert model.model.ctf == "likelihood"
    list(embed(run))
    with EmbeddingStore(run.store) as store:
        assert store.images == 120
        assert np.isfinite(store.column("quality/elbo")).all()


def test_images_without_ctf_values_are_refused_before_training(tmp_path: Path) -> None:
    write_set(plan_set("hinge", count=20, side=32, ctf=False), tmp_path)
    run = seeing_run(tmp_path / "run", tmp_path / "particles.star")
    with pytest.raises(ConfigError, match=r"model.ctf: the table gives no CTF values"):
        list(train(run))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["data.phase_flip=true"], "set data.phase_flip=false"),
        (["train.pixel_share=0.5"], "set train.pixel_share=1.0"),
        (["model.likelihood=bernoulli"], "set model.likelihood=gaussian"),
    ],
)
def test_settings_that_exclude_a_ctf_in_the_likelihood_are_refused(
    settings: list[str], message: str
) -> None:
    base = load_preset("paper-particles").changed(["model.ctf=likelihood"])
    with pytest.raises(ConfigError, match=message):
        base.changed(settings)
