"""Every KL against Monte Carlo, likelihoods against formulas, gradients against differences."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from tests.core.engine.model.models import blob_images, small_model
from tvae_core.config import ModelConfig
from tvae_core.engine.lifting.lifting_method import METHODS, Method
from tvae_core.engine.model.encoder import wrap
from tvae_core.engine.model.generator import OUTPUTS
from tvae_core.engine.model.likelihood import expected_pixels, log_likelihood
from tvae_core.engine.model.noise import Noise
from tvae_core.engine.model.posterior import Prior, ShiftGrid, entropy, kl_normal, kl_terms
from tvae_core.engine.model.sampling import (
    at_cells,
    categorical_sample,
    distinct_cells,
    gumbel_softmax_sample,
)
from tvae_core.errors import ConfigError


def numbers(images: int, seed: int = 0) -> Noise:
    return Noise(seed, 0, torch.arange(images))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("prior_std", [0.5, 1.0, math.pi / 8])
def test_kl_of_normals_is_that_of_sampling(prior_std: float) -> None:
    mean, log_std = torch.tensor(0.3), torch.tensor(-0.7)
    draws = mean + log_std.exp() * torch.randn(400_000, generator=generator())
    q = torch.distributions.Normal(mean, log_std.exp())
    p = torch.distributions.Normal(0.0, prior_std)
    ratio = q.log_prob(draws) - p.log_prob(draws)
    standard_error = float(ratio.std()) / math.sqrt(len(ratio))
    assert abs(float(kl_normal(mean, log_std, prior_std) - ratio.mean())) < 5 * standard_error


@pytest.mark.parametrize(
    ("rotation_prior", "pitch"), [("uniform", 1), ("normal", 1), ("uniform", 2), ("uniform", 3)]
)
def test_the_whole_kl_is_that_of_sampling(rotation_prior: str, pitch: int) -> None:
    """Equation 5 against E_q[log q(z, theta, delta, t, r) - log p(z, theta, delta, t, r)]."""
    model = small_model(rotation_prior=rotation_prior, shift_pitch_px=pitch, shift_prior_std_px=2.0)
    with torch.no_grad():
        posterior = model.infer(blob_images(1))
    count, rotations, g = 200_000, 8, generator()
    cell = torch.multinomial(posterior.log_q.flatten().exp(), count, True, generator=g)[None]
    log_ratio = (posterior.log_q - model.prior.log_cell).flatten(1)[0, cell[0]]
    for mean, log_std, prior_std in (
        (posterior.z_mean, posterior.z_log_std, 1.0),
        (posterior.angle_mean[..., None], posterior.angle_log_std[..., None], math.pi / rotations),
        (
            posterior.shift_mean,
            posterior.shift_log_std[..., None].expand(-1, -1, -1, 2),
            0.5 * pitch,
        ),
    ):
        m, s = at_cells(mean, cell)[0], at_cells(log_std, cell)[0].exp()
        draws = m + s * torch.randn(m.shape, generator=g)
        q, p = torch.distributions.Normal(m, s), torch.distributions.Normal(0.0, prior_std)
        log_ratio = log_ratio + (q.log_prob(draws) - p.log_prob(draws)).sum(-1)
    standard_error = float(log_ratio.std()) / math.sqrt(count)
    difference = float(kl_terms(posterior, model.prior).total - log_ratio.mean())
    assert abs(difference) < 5 * standard_error


def test_priors_are_those_of_section_3_2() -> None:
    config = ModelConfig(rotations=4, rotation_prior="normal", rotation_prior_std_rad=math.pi / 4)
    grid = ShiftGrid(side=12, kernel=5, prior_std_px=2.0, limit_sigmas=0.0)
    prior = Prior.of(config, grid)
    p = prior.log_cell.exp().numpy()
    assert p.sum() == pytest.approx(1.0, abs=1e-6)
    expected_r = stats.norm.pdf([0, math.pi / 2, -math.pi, -math.pi / 2], scale=math.pi / 4)
    np.testing.assert_allclose(p.sum(0), expected_r / expected_r.sum(), rtol=1e-5)
    positions = grid.positions_px().numpy()
    assert positions[0].tolist() == [-5.5, 5.5]  # top left: x left, y up
    expected_t = stats.norm.pdf(positions, scale=2.0).prod(1)
    np.testing.assert_allclose(p.sum(1), expected_t / expected_t.sum(), rtol=1e-5)
    assert prior.angle_std_rad == pytest.approx(math.pi / 4)


@pytest.mark.parametrize("share", [0.25, 1 / 3, 1.0])
def test_a_narrowed_prior_is_that_of_a_smaller_deviation(share: float) -> None:
    grid = ShiftGrid(side=12, kernel=5, prior_std_px=2.0, limit_sigmas=0.0)
    wide, narrow = (
        Prior.of(
            ModelConfig(rotations=8, rotation_prior="normal", rotation_prior_std_rad=deviation),
            grid,
        )
        for deviation in (0.8, 0.8 * share)
    )
    found = wide.narrowed(share**-2).log_cell
    # far from zero a probability is below what float32 can tell from none
    torch.testing.assert_close(found.exp(), narrow.log_cell.exp(), atol=1e-7, rtol=1e-3)
    assert float(found.exp().sum()) == pytest.approx(1.0, abs=1e-5)


def test_cells_beyond_the_prior_are_not_computed() -> None:
    grid = ShiftGrid(side=50, kernel=29, prior_std_px=3.0, limit_sigmas=4.0)
    reach = grid.positions_px().abs().max()
    assert 11.0 < reach <= 12.0
    assert grid.cells_per_axis == 24
    left_out = 2 * stats.norm.sf(4.0) * 2
    assert left_out < 2e-4  # prior mass that is given up


@pytest.mark.parametrize("side", [48, 49])
@pytest.mark.parametrize("pitch", [1, 2, 3])
def test_the_prior_on_the_whole_shift_does_not_depend_on_the_pitch(pitch: int, side: int) -> None:
    """Cells and offsets together are a mixture; its density is compared with a normal one's."""
    sigma = 2.5
    config = ModelConfig(shift_pitch_px=pitch)
    grid = ShiftGrid(side, config.kernel_side(side), sigma, 5.0, pitch)
    prior = Prior.of(config, grid)
    places = np.unique(grid.positions_px().numpy()[:, 0])
    weights = prior.log_cell.exp().sum(1).view(grid.cells_per_axis, -1).sum(0).numpy()
    x = np.linspace(-6, 6, 61)
    density = stats.norm.pdf(x[:, None], places, prior.shift_std_px) @ weights
    # what is left of the grid, by Poisson's sum: 2 exp(-2 pi^2 s^2 / p^2), s the deviation of a
    # product of both normal densities
    whole = sigma**2 + 0.25
    product = prior.shift_std_px**2 * (whole - prior.shift_std_px**2) / whole
    ripple = 2 * math.exp(-2 * (math.pi / pitch) ** 2 * product)
    expected = stats.norm.pdf(x, scale=whole**0.5)
    np.testing.assert_allclose(density, expected, rtol=1.1 * ripple + 1e-3)


@pytest.mark.parametrize(("side", "pitch"), [(24, 1), (25, 1), (24, 2), (25, 2), (24, 3), (25, 3)])
def test_cells_lie_about_the_centre_a_pitch_apart_where_the_kernel_is(
    side: int, pitch: int
) -> None:
    config = ModelConfig(shift_pitch_px=pitch, kernel_px=9, shift_prior_std_px=2.0)
    grid = ShiftGrid(side, config.kernel_side(side), 2.0, 2.5, pitch)
    axis = np.unique(grid.positions_px().numpy()[:, 0])
    np.testing.assert_allclose(axis, -axis[::-1])
    np.testing.assert_allclose(np.diff(axis), pitch)
    assert axis[-1] <= 5.0 < axis[-1] + 2 * pitch
    # the middle of the kernel's taps at its first place, counted from the image's centre
    middle = -grid.padding + (grid.kernel - 1) / 2 - (side - 1) / 2
    assert middle == axis[0]
    assert (side + 2 * grid.padding - grid.kernel) % pitch == 0


def test_a_pitch_too_coarse_for_the_prior_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"3 px apart .* shift of 1\.2"):
        small_model(shift_pitch_px=3, shift_prior_std_px=1.2)


def test_entropy_of_a_flat_posterior_is_the_log_of_its_cells() -> None:
    log_q = torch.full((1, 30, 8), -math.log(240))
    assert float(entropy(log_q)) == pytest.approx(math.log(240), rel=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_likelihoods_are_their_formulas(channels: int) -> None:
    rng = np.random.default_rng(0)
    y = rng.random((2, 5, channels))
    for name in ("bernoulli", "gaussian", "gaussian-learned"):
        config = ModelConfig(likelihood=name, noise_std=0.3)
        raw = rng.normal(size=(2, 5, channels * OUTPUTS[name]))
        found = log_likelihood(torch.tensor(raw), torch.tensor(y), config).numpy()
        mean = raw[..., :channels]
        if name == "bernoulli":
            p = 1 / (1 + np.exp(-raw))
            expected = y * np.log(p) + (1 - y) * np.log(1 - p)
            mean = p
        elif name == "gaussian":
            expected = stats.norm.logpdf(y, mean, 0.3)
        else:
            expected = stats.norm.logpdf(y, mean, np.exp(raw[..., channels:]))
        np.testing.assert_allclose(found, expected.sum(-1), rtol=1e-5)
        np.testing.assert_allclose(expected_pixels(torch.tensor(raw), config), mean, rtol=1e-6)


def test_a_soft_sample_of_one_angle_in_every_cell_is_that_angle() -> None:
    """Without the offset (ablation 3) each cell holds a whole angle, and all may say the same."""
    model = small_model(rotation_offset=False, rotations=4)
    posterior = model.infer(blob_images(2))
    angle = wrap(torch.tensor(0.3) - model.encoder.angles)  # counted from each cell's own
    same = replace(
        posterior,
        angle_mean=angle.expand_as(posterior.angle_mean),
        angle_log_std=torch.full_like(posterior.angle_log_std, -20.0),
    )
    sample = gumbel_softmax_sample(same, model.cells, 1.0, 3, numbers(2))
    torch.testing.assert_close(sample.angle_rad, torch.full((2, 3), 0.3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("subpixel", [True, False])
def test_gradient_of_the_elbo_is_that_of_differences(subpixel: bool) -> None:
    model = small_model(side=9, kernel_px=7, subpixel_shift=subpixel).double()
    images = blob_images(2, side=9).double()

    def elbo() -> torch.Tensor:
        posterior = model.infer(images)  # and the same noise each time
        sample = gumbel_softmax_sample(posterior, model.cells, 0.7, 2, numbers(2, 5))
        return model.elbo_terms(images, posterior, sample).elbo.mean()

    torch.set_default_dtype(torch.float64)
    try:
        gradients = torch.autograd.grad(elbo(), list(model.parameters()))
        directions = [torch.randn(p.shape, generator=generator(6)) for p in model.parameters()]
        expected = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True))
        values, step = [], 1e-6
        for sign in (1, -1):
            with torch.no_grad():
                for p, d in zip(model.parameters(), directions, strict=True):
                    p.add_(sign * step * d)
                values.append(float(elbo()))
                for p, d in zip(model.parameters(), directions, strict=True):
                    p.sub_(sign * step * d)
    finally:
        torch.set_default_dtype(torch.float32)
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(expected, rel=1e-5)


def test_distinct_cells_estimate_an_expectation_and_its_gradient() -> None:
    cells, draws, samples = 40, 20_000, 12
    log_q = torch.randn(cells, generator=generator(1)).mul(1.5).log_softmax(0).requires_grad_()
    values = torch.randn(cells, generator=generator(2))
    exact = (log_q.exp() * values).sum()
    (exact_gradient,) = torch.autograd.grad(exact, log_q)
    chosen, weight = distinct_cells(log_q.expand(draws, cells), samples, numbers(draws))
    assert all(len(set(row.tolist())) == samples for row in chosen[:100])
    torch.testing.assert_close(weight.sum(1), torch.ones(draws))
    by_draw = (weight * values[chosen]).sum(1)
    (gradient,) = torch.autograd.grad(by_draw.mean(), log_q)
    # normalised weights leave a bias of order 1 / samples; the gradient has no part along q,
    # which a softmax takes away in any case
    assert abs(float((by_draw.mean() - exact).detach())) < 0.03
    tangent = (exact_gradient - log_q.exp() * exact_gradient.sum()).detach()
    assert float(torch.cosine_similarity(gradient, tangent, dim=0)) > 0.98
    assert float(gradient.norm() / tangent.norm()) == pytest.approx(1.0, abs=0.1)


def test_where_all_cells_can_be_drawn_the_expectation_is_exact() -> None:
    log_q = torch.randn(3, 2, generator=generator(1)).log_softmax(1).requires_grad_()
    chosen, weight = distinct_cells(log_q, 4, numbers(3))
    values = torch.tensor([1.0, -2.0])
    torch.testing.assert_close((weight * values[chosen]).sum(1), log_q.exp() @ values)
    (gradient,) = torch.autograd.grad((weight * values[chosen]).sum(), log_q)
    assert (gradient.abs() > 1e-3).all()


def test_cells_are_drawn_as_often_as_they_are_likely() -> None:
    model = small_model()
    with torch.no_grad():
        posterior = model.infer(blob_images(1))
        q = posterior.log_q.flatten().exp()
        many = replace(posterior, log_q=posterior.log_q * 2)  # other probabilities, the same cells
        sharp = many.log_q.flatten().softmax(0)
        many = replace(many, log_q=sharp.log().view_as(many.log_q))
        for given, exact in ((posterior, q), (many, sharp)):
            sample = categorical_sample(
                replace(given, shift_mean=None, shift_log_std=None), model.cells, 20_000, numbers(1)
            )
            found = (
                torch.cdist(sample.shift_px[0], model.positions_px)
                .argmin(1)
                .bincount(minlength=len(model.positions_px))
            )
            expected = exact.view(len(model.positions_px), -1).sum(1)
            spread = (expected * (1 - expected) / 20_000).sqrt()
            assert ((found / 20_000 - expected).abs() < 5 * spread + 1e-4).all()


def test_a_subset_of_pixels_estimates_the_likelihood_without_bias() -> None:
    model = small_model().eval()
    images = blob_images(2)
    with torch.no_grad():
        posterior = model.infer(images)
        sample = categorical_sample(posterior, model.cells, 2, numbers(2))
        whole = model.log_likelihood(images, sample)
        g, pixels = generator(4), len(model.compared)
        draws = [
            model.log_likelihood(images, sample, torch.randperm(pixels, generator=g)[:70])
            for _ in range(500)
        ]
    estimate, spread = torch.stack(draws).mean(0), torch.stack(draws).std(0) / math.sqrt(500)
    assert ((estimate - whole).abs() < 5 * spread).all()


def test_masked_pixels_are_not_compared() -> None:
    images = blob_images(1)
    side = images.shape[-1]
    mask = torch.zeros(side, side, dtype=torch.bool)
    mask[4:-4, 4:-4] = True
    from tvae_core.engine.model.target_vae import TargetVae

    model = TargetVae(small_model().model, side, 1, mask)
    posterior = model.infer(images)
    sample = categorical_sample(posterior, model.cells, 1, numbers(1))
    outside = images.clone()
    outside[..., 0, :] = 0.7
    torch.testing.assert_close(
        model.log_likelihood(images, sample), model.log_likelihood(outside, sample)
    )
    assert len(model.compared) == (side - 8) ** 2


@pytest.mark.parametrize("mixing", [0, 1])
@pytest.mark.parametrize("method", METHODS)
def test_half_precision_keeps_the_elbo_and_passes_gradients(method: Method, mixing: int) -> None:
    """What CUDA trains with, tried on the CPU: bf16 has 8 bits, phases must not be rounded."""
    model = small_model(rotation_mixing=mixing)
    model.encoder.lifting.method = method
    images = blob_images(4)

    def elbo() -> torch.Tensor:
        posterior = model.infer(images)
        sample = categorical_sample(posterior, model.cells, 4, numbers(4))
        return model.elbo_terms(images, posterior, sample).elbo

    exact = elbo()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = elbo()
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0.02, atol=0.5)
    gradients = torch.autograd.grad(rounded.sum(), list(model.parameters()))
    assert all(bool(g.isfinite().all()) and bool(g.any()) for g in gradients)
