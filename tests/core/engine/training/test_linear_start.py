"""The linear model that draws the first images: known objects found, and the run it starts."""

from __future__ import annotations

import math
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy import stats

from tests.core.engine.model.models import blob_images, small_model
from tests.core.engine.runs import tiny_run, write_images
from tvae_core.analysis.metrics import rank_correlation
from tvae_core.config import ModelConfig, RunConfig
from tvae_core.engine.data import Batch
from tvae_core.engine.model.ctf import ctf_values
from tvae_core.engine.model.encoder import border_mean
from tvae_core.engine.model.noise import Noise
from tvae_core.engine.model.sampling import LatentSample, log_density
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training.linear_start import (
    Lessons,
    LinearModel,
    find_linear_model,
    fit_linear_model,
)
from tvae_core.engine.training.start import set_filters
from tvae_core.engine.training.step import _taught
from tvae_core.engine.training.train import train
from tvae_core.engine.training.trainer_state import TrainerState
from tvae_core.engine.using.embed import embed
from tvae_core.errors import Cancelled, ConfigError
from tvae_core.files import sha256_of_file
from tvae_core.geometry import pixel_grid_px
from tvae_core.progress import Epoch, Remark
from tvae_core.store import EmbeddingStore

SIDE, NOISE, LEVEL = 20, 0.5, 0.7
SHAPES = ModelConfig(z_dim=1, shift_prior_std_px=1.2)


def looks(points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a bar with a knob, and a spot whose brightness is the content, at points (..., 2)."""
    x, y = points.unbind(-1)
    bar = (-((x - 1) ** 2) / 18 - (y + 2) ** 2 / 3).exp()
    knob = (-((x - 5) ** 2 + (y - 2) ** 2) / 4).exp()
    spot = 1.3 * (-((x + 3) ** 2 + (y - 3) ** 2) / 5).exp()
    return 2 * (bar + knob), spot


def of_object(points: torch.Tensor, angle: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Return R(-angle)(points - shift) for poses (B,) and (B, 2), (B, P, 2)."""
    x, y = (points - shift[:, None]).unbind(-1)
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    return torch.stack([cos * x + sin * y, cos * y - sin * x], -1)


def grid() -> torch.Tensor:
    return torch.tensor(pixel_grid_px(SIDE, SIDE), dtype=torch.float32)


def seen(number: int, noise: float = NOISE) -> torch.Tensor:
    """Return images of the object at poses and contents drawn at random, (number, 1, 20, 20)."""
    return seen_of(number, noise)[0]


def seen_of(number: int, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images as `seen` does, and the content of each."""
    g = torch.Generator().manual_seed(0)
    angle = 2 * math.pi * torch.rand(number, generator=g)
    shift = 1.2 * torch.randn(number, 2, generator=g)
    body, spot = looks(of_object(grid(), angle, shift))
    content = torch.randn(number, 1, generator=g)
    images = LEVEL + body + content * spot
    images = images + noise * torch.randn(images.shape, generator=g)
    return images.view(number, 1, SIDE, SIDE), content[:, 0]


@pytest.fixture(scope="module")
def found() -> LinearModel:
    return fit_linear_model(Batch(seen(400)), SHAPES, seed=0)


def true_model(noise: float = NOISE) -> LinearModel:
    parts = torch.stack(looks(grid())).view(2, SIDE, SIDE)
    flat = torch.full((SIDE, SIDE // 2 + 1), noise)
    return LinearModel(parts, flat, torch.tensor([1.2, LEVEL]))


def test_content_noise_shift_and_background_of_known_images_are_found(found: LinearModel) -> None:
    power = found.parts[1:].square().sum((1, 2))
    assert power[0] == pytest.approx(float(looks(grid())[1].square().sum()), rel=0.25)
    assert power[0] > 6 * power[1]  # one content; the rest is what interpolation leaves
    assert found.numbers.tolist() == pytest.approx([1.2, LEVEL], rel=0.1)
    # but for the longest waves: what the model leaves of the object there counts as noise
    assert found.noise_std[3:-3].numpy() == pytest.approx(np.full((14, 11), NOISE), rel=0.15)


def test_pictures_stand_at_their_poses() -> None:
    """Against the object's formula; the rest is bicubic interpolation of a spot of 1.6 px."""
    angle, shift = torch.tensor([0.7, -2.0]), torch.tensor([[1.5, -0.75], [-2.0, 0.5]])
    z = torch.tensor([[1.5], [-1.0]])
    latents = LatentSample(z[:, None], angle[:, None], shift[:, None], torch.ones(2, 1))
    body, spot = looks(of_object(grid(), angle, shift))
    drawn = true_model().pictures(grid(), latents, SIDE)
    assert float((drawn - body - z * spot).abs().max()) < 0.1


def test_drawn_images_have_the_noise_asked_for() -> None:
    linear = true_model()
    ring = torch.linspace(0.2, 1.0, SIDE // 2 + 1).expand(SIDE, -1)
    linear = LinearModel(torch.zeros_like(linear.parts), ring, linear.numbers)
    model = TargetVae(ModelConfig(likelihood="gaussian", kernel_px=7), SIDE, 1)
    lesson = Lessons(linear, 0.5).draw(model, Batch(torch.zeros(400, 1, SIDE, SIDE)), key(400))
    assert float(lesson.pictures.std()) == pytest.approx(0, abs=1e-6)
    assert float(lesson.pictures.mean()) == pytest.approx(LEVEL)
    power = torch.fft.rfft2(lesson.images - lesson.pictures).abs().square().mean((0, 1)) / SIDE**2
    columns = power[:, 1:-1].mean(0).sqrt()  # 8,000 numbers each: 1 % of their deviation
    assert columns.numpy() == pytest.approx(0.5 * ring[0, 1:-1].numpy(), rel=0.05)


def test_drawn_images_are_seen_through_the_ctf_of_theirs() -> None:
    rows = torch.tensor([[12e3, 11e3, 20.0, 300.0, 2.7, 0.1, 0.0, 60.0, 3.0]]).repeat(2, 1)
    rows[1, 0] = 18e3
    config = ModelConfig(likelihood="gaussian", ctf="likelihood", kernel_px=7)
    model = TargetVae(config, SIDE, 1)
    batch = Batch(torch.zeros(2, 1, SIDE, SIDE), rows)
    linear = true_model(noise=0.0)
    linear = LinearModel(linear.parts, linear.noise_std, torch.tensor([0.5, 0.0]))
    lesson = Lessons(linear, 1.0).draw(model, batch, key(2))
    plain = linear.pictures(model.points_px, lesson.latents, SIDE).view(2, SIDE, SIDE)
    expected = torch.fft.irfft2(torch.fft.rfft2(plain) * ctf_values(rows, SIDE), s=(SIDE, SIDE))
    middle = slice(6, 14)  # at the border zeros stand around the image instead of its other side
    away = (lesson.images[:, 0] - expected)[:, middle, middle]
    assert float(away.abs().max()) < 0.1 * float(plain.abs().max())


def key(number: int) -> Noise:
    return Noise(0, 0, torch.arange(number))


@pytest.mark.parametrize("pitch", [1, 2])  # at 2 the kernel is even
def test_filters_answer_where_the_object_stands(pitch: int) -> None:
    config = ModelConfig(
        likelihood="gaussian", kernel_px=17, shift_pitch_px=pitch,
        shift_prior_std_px=2, encoder_kernels=11, z_dim=1,
    )  # fmt: skip
    model, linear = TargetVae(config, SIDE, 1), true_model()
    set_filters(model, linear)
    place, rotation = len(model.positions_px) // 3, torch.tensor([0, 2, 3, 6])
    angle = model.encoder.angles[rotation] + 0.2
    shift = model.positions_px[place].expand(4, 1, 2)
    latents = LatentSample(torch.zeros(4, 1, 1), angle[:, None], shift, torch.ones(4, 1))
    images = linear.pictures(grid(), latents, SIDE).view(4, 1, SIDE, SIDE)
    with torch.no_grad():
        lifted = model.encoder._lifted(images - border_mean(images))  # (B, h, w, R, K)
    of_mean = lifted[..., :3].amax(-1).flatten(1, 2)  # three turns of the mean come first
    best = of_mean.flatten(1).argmax(1)
    assert (best % 8).tolist() == rotation.tolist()
    assert (best // 8).tolist() == [place] * 4
    noise = torch.randn(200, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * NOISE
    with torch.no_grad():
        answers = model.encoder._lifted(noise)[..., :9]
    # what the basis holds of a template is most of it
    assert float(answers.std()) == pytest.approx(1, abs=0.2)


def test_the_density_of_a_pose_is_that_of_its_cell() -> None:
    model = small_model()
    with torch.no_grad():
        posterior = model.infer(blob_images(2))
    place, rotation = 5, 3
    angle = model.encoder.angles[rotation] + 0.1
    shift = model.positions_px[place] + torch.tensor([0.2, -0.3])
    z = torch.tensor([0.4, -1.0])
    sample = LatentSample(
        z.expand(2, 1, 2), angle.expand(2, 1), shift.expand(2, 1, 2), torch.ones(2, 1)
    )
    densities = log_density(posterior, model.cells, sample)[:, 0]
    assert posterior.shift_mean is not None
    assert posterior.shift_log_std is not None
    for b in range(2):
        at = (b, place, rotation)
        parts = (
            (0.1, posterior.angle_mean[at], posterior.angle_log_std[at]),
            (z, posterior.z_mean[at], posterior.z_log_std[at]),
            (torch.tensor([0.2, -0.3]), posterior.shift_mean[at], posterior.shift_log_std[at]),
        )
        expected = float(posterior.log_q[at]) + sum(
            float(np.sum(stats.norm.logpdf(value, mean, log_std.exp())))
            for value, mean, log_std in parts
        )
        assert float(densities[b]) == pytest.approx(expected, abs=1e-3)


def test_auto_starts_where_the_images_are_noisy() -> None:
    config = RunConfig().changed(["train.content_start=auto", "model.likelihood=gaussian"])
    few = np.arange(100)
    quiet = find_linear_model(InMemory(seen(100, 0.1)), few, config, lambda: None)
    assert quiet.linear is None
    assert "No linear start" in quiet.words
    noisy = find_linear_model(InMemory(seen(100, 4.0)), few, config, lambda: None)
    assert noisy.linear is not None
    colours = InMemory(seen(100, 4.0).expand(-1, 3, -1, -1))
    assert find_linear_model(colours, few, config, lambda: None).linear is None
    with pytest.raises(ConfigError, match="grey"):
        find_linear_model(
            colours, few, config.changed(["train.content_start=linear"]), lambda: None
        )


def test_the_clearer_the_images_the_fewer_lessons_are_given() -> None:
    settings = ["train.content_start=auto", "model.likelihood=gaussian", "train.taught_share=0.8"]
    config = RunConfig().changed([*settings, "train.batch_size=10", "train.epochs=10"])
    images = InMemory(seen(100, 0.3))  # 915 times the noise of a pixel
    clear = find_linear_model(images, np.arange(100), config, lambda: None)
    assert clear.linear is not None
    assert clear.linear.given == pytest.approx(400 / 915, rel=0.05)
    assert "first 35% of the steps" in clear.words
    asked = config.changed(["train.content_start=linear"])
    whole = find_linear_model(images, np.arange(100), asked, lambda: None).linear
    assert whole is not None
    assert whole.given == 1
    assert true_model().given == 1  # as in a checkpoint of before
    for linear, until in ((clear.linear, 35), (whole, 80)):
        state = TrainerState(TargetVae(SHAPES, SIDE, 1), config, 100)
        state.teach(linear)
        for step, taught in ((0, True), (until - 1, True), (until, False), (99, False)):
            state.step = step
            assert (state.lessons() is not None) == taught


class InMemory:
    """Prepared images that are there already."""

    def __init__(self, images: torch.Tensor) -> None:
        self._images = images.numpy()
        self.side, self.channels = images.shape[-1], images.shape[1]

    def __len__(self) -> int:
        return len(self._images)

    def read(self, indices: np.ndarray) -> np.ndarray:
        return self._images[indices]


def test_a_linear_start_is_refused_where_nothing_learns_from_it() -> None:
    with pytest.raises(ConfigError, match=r"train\.content_start=none"):
        RunConfig().changed(["train.content_start=linear", "model.likelihood=bernoulli"])
    with pytest.raises(ConfigError, match=r"train\.content_start=none"):
        RunConfig().changed(
            ["train.content_start=linear", "model.likelihood=gaussian", "model.system=vae"]
        )


def test_content_survives_strong_noise(tmp_path: Path) -> None:
    """An object has 17 times the noise of a pixel; free, the same run ends with rank 0.004."""
    images, content = seen_of(800, 2.2)
    np.save(tmp_path / "images.npy", images[:, 0].numpy())
    run = tiny_run(
        tmp_path / "run", tmp_path / "images.npy", "model.likelihood=gaussian",
        "data.normalise=ring", "model.kernel_px=17", "model.encoder_kernels=12", "model.z_dim=1",
        "model.rotations=8", "model.activation=silu", "model.shift_prior_std_px=1.2",
        "train.content_start=auto", "train.taught_share=0.8", "train.epochs=4",
        "train.batch_size=20", "train.learning_rate=5e-3",
    )  # fmt: skip
    last = [record for record in train(run) if isinstance(record, Epoch)][-1]
    assert last.kl_content > 0.2
    list(embed(run))
    with EmbeddingStore(run.store) as store:
        assert abs(rank_correlation(store.z_mean[:, 0], content.numpy())) > 0.45


def test_auto_leaves_quiet_images_alone(tmp_path: Path) -> None:
    images = write_images(tmp_path)
    weights = []
    for name in ("none", "auto"):
        run = tiny_run(
            tmp_path / name, images, "model.likelihood=gaussian", f"train.content_start={name}"
        )
        list(train(run))
        weights.append(load_file(run.model))
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian-learned"])
def test_the_elbo_told_of_drawn_images_is_theirs(likelihood: str) -> None:
    """The generator is fitted to pictures without noise, the figure is of the noisy images."""
    torch.manual_seed(0)
    model = TargetVae(ModelConfig(likelihood=likelihood, kernel_px=7, z_dim=1), SIDE, 1)
    batch = Batch(torch.zeros(200, 1, SIDE, SIDE))
    lesson = Lessons(true_model(noise=1.0), 1.0).draw(model, batch, key(200))
    with torch.no_grad():
        terms, wanted = _taught(model, lesson, batch, None)
        by_image = model.log_likelihood(lesson.images, lesson.latents)[:, 0]
        posterior = model.infer(lesson.images)
        found = log_density(posterior, model.cells, lesson.latents)[:, 0]
        fit = wanted - found
    # they differ by the noise times what the generator misses, some 10 nats an image either way
    assert float(terms.log_likelihood.mean()) == pytest.approx(float(by_image.mean()), abs=4)
    if likelihood == "gaussian":
        assert float((fit - by_image).mean()) == pytest.approx(SIDE**2 / 2, rel=0.05)
    else:
        assert torch.allclose(fit, by_image)


def test_a_taught_run_resumes_to_the_same_bits(tmp_path: Path) -> None:
    images = write_images(tmp_path)
    taught = ("model.likelihood=gaussian", "train.content_start=linear", "train.taught_share=0.6")
    whole = tiny_run(tmp_path / "whole", images, *taught)
    remarks = [r.what for r in train(whole) if isinstance(r, Remark)]
    assert any("linear model" in text for text in remarks)
    free = tiny_run(tmp_path / "free", images, taught[0])
    list(train(free))
    assert sha256_of_file(whole.model) != sha256_of_file(free.model)
    # while the linear model is found, within the lessons, and behind them
    for name, after in {"at-once": 5, "early": 30, "late": 60}.items():
        broken = tiny_run(tmp_path / name, images, *taught)
        asked = count()
        with pytest.raises(Cancelled):
            list(train(broken, cancelled=lambda n=asked, end=after: next(n) >= end))
        list(train(broken, resume=True))
        assert sha256_of_file(broken.model) == sha256_of_file(whole.model)
