"""Classification and linear content by EM: known poses, classes and scores are found again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from tvae_core.analysis.classification import Search, classify
from tvae_core.analysis.fourier_grid import PoseGrid, Spectra
from tvae_core.analysis.linear_content import linear_content
from tvae_core.analysis.metrics import clustering_accuracy, rotation_error, shift_correlation
from tvae_core.ctf import ctf_image
from tvae_core.errors import Cancelled, ConfigError
from tvae_core.synthetic import plan_set
from tvae_core.synthetic.plan import ImagePlan

SEARCH = Search(turns=16, shift_limit_px=4, iterations=8)


def hinges(
    count: int, snr: float, ctf: bool = False, **options: object
) -> tuple[np.ndarray, ImagePlan]:
    plan = plan_set("hinge", count=count, side=32, snr=snr, ctf=ctf, shift_std_px=1.2, **options)
    images = plan.render(np.arange(count)).astype(np.float32)
    return images - images.mean(), plan


def angles_off_by(plan: ImagePlan, found: np.ndarray) -> float:
    """Return the RMSE, degrees, but for one turn that all images have in common."""
    return rotation_error(plan.truth["angle_rad"], found).rmse_deg


def test_rows_hold_the_products_of_the_images() -> None:
    images = np.random.default_rng(0).normal(size=(3, 9, 9))
    images -= images.mean((1, 2), keepdims=True)
    rows = Spectra.of(images, band=2.0).rows
    np.testing.assert_allclose(rows @ rows.T, np.einsum("ihw,jhw->ij", images, images), rtol=1e-5)


@pytest.mark.parametrize("side", [8, 9])
def test_a_reference_at_a_shift_is_the_image_moved(side: int) -> None:
    image = np.random.default_rng(1).normal(size=(1, side, side)).astype(np.float32)
    data = Spectra.of(image, band=2.0)
    grid = PoseGrid.of(data, 1, 2)
    at = int(np.flatnonzero((grid.shifts == (2, 1)).all(1))[0])
    moved = data.images_of(data.of_references(image) * grid.phases[at])[0]
    np.testing.assert_allclose(moved, np.roll(image[0], (-1, 2), (0, 1)), atol=1e-5)


def test_one_class_finds_the_pose_of_every_image() -> None:
    images, plan = hinges(200, snr=1.0, hinge_range_deg=2.0)
    found = classify(images, SEARCH)
    assert angles_off_by(plan, found.angle_rad) < 11.25  # half a step of the grid
    shifts = np.stack([plan.truth["shift_x_px"], plan.truth["shift_y_px"]], 1)
    assert min(shift_correlation(shifts, found.shift_px)) > 0.9
    assert (np.diff(found.log_likelihood) > -1e-3 * abs(found.log_likelihood[0])).all()


def test_two_states_become_two_classes() -> None:
    images, plan = hinges(200, snr=0.8, spread="bimodal", hinge_range_deg=60.0)
    found = classify(images, Search(classes=2, turns=16, shift_limit_px=4, iterations=12))
    assert clustering_accuracy(plan.truth["label"], found.label) > 0.9
    assert found.share.sum() == pytest.approx(1.0)


def test_the_ctf_is_taken_off_the_average() -> None:
    images, plan = hinges(200, snr=0.5, ctf=True, hinge_range_deg=2.0)
    assert plan.ctf is not None
    transfer = ctf_image(plan.ctf, 32, plan.pixel_size_angstrom or 0.0)
    found = classify(images, SEARCH, transfer)
    clean, _ = hinges(200, snr=np.inf, hinge_range_deg=2.0)
    truth = classify(clean, SEARCH).averages[0]
    plain = classify(images, SEARCH).averages[0]
    assert power_ratio_error(found.averages[0], truth) < power_ratio_error(plain, truth)


def power_ratio_error(average: np.ndarray, truth: np.ndarray) -> float:
    """Return how far the ring powers of two images differ, as a log ratio (any turn)."""
    data = Spectra.of(np.stack([average, truth]), band=0.6)
    power = np.abs(data.of_references(np.stack([average, truth]))) ** 2
    first, second = (np.bincount(data.ring, one)[1:] for one in power)
    ratio = np.log(first / second)
    return float(np.abs(ratio - ratio.mean()).mean())


def test_the_first_score_orders_the_hinges() -> None:
    images, plan = hinges(250, snr=0.8)
    found = linear_content(images, 2, SEARCH)
    assert abs(spearmanr(found.score[:, 0], plan.truth["hinge_rad"])[0]) > 0.9
    strength = (found.components**2).sum((1, 2))
    assert strength[0] > strength[1]


def test_it_tells_its_progress_and_stops_when_asked() -> None:
    images, _ = hinges(60, snr=0.5)
    shares: list[float] = []
    search = Search(turns=8, shift_limit_px=1, iterations=3)
    linear_content(images, 1, search, progress=shares.append)
    assert shares == pytest.approx([n / 6 for n in range(1, 7)])
    with pytest.raises(Cancelled):
        linear_content(images, 1, search, cancelled=lambda: True)


@pytest.mark.parametrize(
    ("images", "search"),
    [(np.zeros((4, 8, 9)), SEARCH), (np.ones((2, 8, 8)), Search(classes=3))],
)
def test_what_cannot_be_classified_is_refused(images: np.ndarray, search: Search) -> None:
    with pytest.raises(ConfigError):
        classify(images, search)
