"""A resolution that noise cannot raise, and that signal reaches."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tvae_core.analysis.alignment import RingCorrelation
from tvae_core.analysis.averages import soft_circle, upright, upright_fine
from tvae_core.analysis.class_averages import ClassAccumulator, random_halves
from tvae_core.analysis.honest_resolution import (
    STILL,
    HonestCorrelation,
    PoseFreedom,
    honest_correlation,
    random_phases,
    ring_numbers,
)
from tvae_core.synthetic import plan_set

Array = NDArray[np.floating]


def averaged(images: Array, angle: Array, shift: Array, share: float = 1.0):
    total = ClassAccumulator(images.shape[-1])
    total.add(upright_fine(images, angle, shift), random_halves(len(images)))
    return total.result(PoseFreedom.of(angle, shift), share)


def aligned_to_itself(images: Array, reach: int, rounds: int) -> tuple[Array, Array]:
    """Return poses by expectation and maximisation: the worst that an aligner can do to noise."""
    side, near = images.shape[-1], np.arange(-reach, reach + 1)
    angles = np.linspace(-np.pi, np.pi, 2 * side, endpoint=False)
    spectra, mask = np.fft.rfft2(images), soft_circle(side)
    reference = images[:20].mean(0)
    for _ in range(rounds):
        turned = upright(
            np.repeat((reference * mask)[None], len(angles), 0), -angles, np.zeros((len(angles), 2))
        )
        best = np.full(len(images), -np.inf)
        found, moved = np.zeros(len(images)), np.zeros((len(images), 2))
        for angle, one in zip(angles, turned, strict=True):
            score = np.fft.irfft2(spectra * np.fft.rfft2(one).conj(), (side, side))
            score = score[:, near][:, :, near].reshape(len(images), -1)
            place = score.argmax(1)
            better = score.max(1) > best
            best[better] = score.max(1)[better]
            found[better] = angle
            row, column = np.divmod(place[better], len(near))
            moved[better] = np.stack([near[column], -near[row]], 1)
        reference = upright(images, found, moved).mean(0)
    return found, moved


@pytest.mark.parametrize(("count", "side", "reach"), [(400, 32, 1), (150, 32, 0), (300, 24, 3)])
def test_noise_aligned_to_itself_is_not_resolved(count: int, side: int, reach: int) -> None:
    noise = np.random.default_rng(count).normal(size=(count, side, side)).astype(np.float32)
    found = averaged(noise, *aligned_to_itself(noise, reach, 8))
    assert found.correlation.correlation[4:].mean() > 0.4  # the halves agree all the same
    assert found.resolution_px() == float("inf")
    assert found.honest.curve.correlation[1:].max() == 0


def test_noise_chosen_to_look_alike_is_not_resolved() -> None:
    """A class of the tenth of all noise that resembles a picture most."""
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(4000, 32, 32)).astype(np.float32)
    picture = rng.normal(size=(32, 32)) * soft_circle(32)
    likeness = (noise * picture).sum((1, 2))
    chosen = noise[np.argsort(likeness)[-400:]]
    freedom = PoseFreedom(True, 2.0)
    total = ClassAccumulator(32)
    total.add(chosen, random_halves(400))
    assert total.result(STILL).resolution_px() == 2.0  # nothing says that they were chosen
    assert total.result(freedom, 0.1).resolution_px() == float("inf")


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_noise_that_nothing_aligned_is_not_resolved(count: int) -> None:
    noise = np.random.default_rng(5).normal(size=(count, 32, 32))
    angle = np.linspace(-3, 3, count)
    found = averaged(noise, angle, np.zeros((count, 2)))
    assert found.resolution_px() == float("inf")


def against_truth(average: Array, truth: Array) -> float:
    """Return where the FRC of an average against the average without noise falls below 0.5."""
    mask = soft_circle(len(truth))
    first, second = (
        np.fft.fft2((image - (image * mask).sum() / mask.sum()) * mask)
        for image in (average, truth)
    )
    ring = ring_numbers(len(truth)).ravel()
    rings = len(truth) // 2 + 1

    def smooth(values: Array) -> Array:
        each = np.bincount(ring, values.ravel(), len(truth))[:rings]
        each[0] = 0
        return np.convolve(each, np.ones(3), "same")

    cross = smooth((first * second.conj()).real)
    power = np.sqrt(smooth(np.abs(first) ** 2) * smooth(np.abs(second) ** 2))
    curve = RingCorrelation(np.arange(rings) / len(truth), cross / power)
    return HonestCorrelation(curve, int(np.argmax(cross))).resolution_px(0.5)


@pytest.mark.parametrize(("seed", "snr", "side"), [(0, 0.05, 48), (3, 0.05, 48), (4, 0.2, 64)])
def test_a_hinge_is_resolved_as_far_as_it_agrees_with_its_truth(
    seed: int, snr: float, side: int
) -> None:
    options = {"count": 1000, "side": side, "seed": seed, "ctf": False}
    noisy, clean = (plan_set("hinge", snr=s, **options) for s in (snr, float("inf")))
    rng = np.random.default_rng(seed)
    angle = noisy.truth["angle_rad"] + 0.1 * rng.normal(size=1000)
    shift = np.stack([noisy.truth["shift_x_px"], noisy.truth["shift_y_px"]], 1)
    shift = shift + 0.5 * rng.normal(size=(1000, 2))
    found = averaged(noisy.render(np.arange(1000)), angle, shift)
    truth = upright_fine(clean.render(np.arange(1000)), angle, shift).mean(0)
    assert found.resolution_px() == pytest.approx(against_truth(found.mean, truth), rel=0.1)


def test_images_without_noise_are_resolved_to_nyquist() -> None:
    clean = plan_set("hinge", count=24, side=32, snr=float("inf"), ctf=False, hinge_range_deg=0.0)
    one = np.repeat(clean.render(np.array([0])), 24, 0)
    total = ClassAccumulator(32)
    total.add(one, random_halves(24))
    assert total.result().resolution_px() == 2.0


def test_more_freedom_of_pose_makes_the_same_average_less_sure() -> None:
    rng = np.random.default_rng(0)
    weak = rng.normal(size=(4000, 32, 32)) + 0.14 * rng.normal(size=(32, 32)) * soft_circle(32)
    groups = np.stack([weak[k::8].mean(0) * soft_circle(32) for k in range(8)])
    still, moved = (
        honest_correlation(groups, 4000, freedom) for freedom in (STILL, PoseFreedom(True, 6.0))
    )
    assert still.resolution_px() == 2.0
    assert moved.resolution_px() == float("inf")


def test_random_phases_begin_at_the_cutoff_and_keep_all_amplitudes() -> None:
    images = np.random.default_rng(0).normal(size=(3, 24, 32)).astype(np.float32)
    random = random_phases(images, 0.2, np.array([5, 6, 7]))
    before, after = np.fft.rfft2(images), np.fft.rfft2(random)
    near = np.hypot(np.fft.fftfreq(24)[:, None], np.fft.rfftfreq(32)[None]) < 0.2
    np.testing.assert_allclose(after[:, near], before[:, near], atol=1e-3)
    inside = (slice(None), slice(None), slice(1, -1))  # others are real, of half the freedom
    np.testing.assert_allclose(np.abs(after)[inside], np.abs(before)[inside], rtol=1e-3, atol=1e-3)
    assert abs(np.corrcoef(np.angle(before[:, ~near]), np.angle(after[:, ~near]))[0, 1]) < 0.2
    again = random_phases(images[[2, 0]], 0.2, np.array([7, 5]))
    np.testing.assert_array_equal(again, random[[2, 0]])  # by number, not by place


def test_noise_that_an_aligner_seeks_at_high_frequency_is_taken_off() -> None:
    """A sure blob, and an aligner that moves each image to where its noise fits a fine pattern."""
    rng = np.random.default_rng(1)
    side, count = 48, 1500
    axis = np.arange(side) - (side - 1) / 2
    blob = np.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / 60)
    pattern = rng.normal(size=(side, side)) * soft_circle(side)
    spectrum = np.fft.rfft2(pattern)
    spectrum[np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) < 0.2] = 0
    near = np.arange(-2, 3)

    def shifts(images: Array) -> Array:
        score = np.fft.irfft2(np.fft.rfft2(images) * spectrum.conj(), (side, side))
        place = score[:, near][:, :, near].reshape(len(images), -1).argmax(1)
        return np.stack([near[place % 5], -near[place // 5]], 1).astype(np.float64)

    def summed(images: Array) -> ClassAccumulator:
        total = ClassAccumulator(side)
        upright_images = upright_fine(images, np.zeros(count), shifts(images))
        total.add(upright_images, random_halves(count))
        return total

    images = (blob + rng.normal(size=(count, side, side))).astype(np.float32)
    total, freedom = summed(images), PoseFreedom(False, 2.0)
    found = total.result(freedom)
    cutoff = found.honest.cutoff
    assert found.correlation.correlation[12:20].mean() > 0.5  # it is all noise there
    assert found.resolution_px() < 4
    control = summed(random_phases(images, cutoff, np.arange(count)))
    mended = total.result(freedom, 1.0, control)
    assert mended.honest.curve.correlation[12:20].max() < 0.143
    assert 1 / cutoff * 0.6 < mended.resolution_px() <= 1 / cutoff * 1.2
