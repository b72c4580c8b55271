"""The junk score is near nothing for the bulk, high for what is far from it, and needs no units."""

from __future__ import annotations

import numpy as np
import pytest

from tvae_core.analysis.junk import EMPTY, FIT, SECOND, TERMS, junk_score


def terms(images: int = 2000, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    fit = rng.normal(9.0, 1.0, images)
    patchy, uneven = np.exp(rng.normal(0.0, 0.3, (2, images)))
    return np.stack([fit, patchy, uneven, rng.normal(3.5, 0.4, images)], 1)


def test_the_bulk_has_low_scores() -> None:
    score = junk_score(terms())
    assert score.dtype == np.float32
    assert np.median(score) < 2
    assert (score < 5).mean() > 0.995  # four half-normals: a chi of at most four


@pytest.mark.parametrize("term", range(1, len(TERMS)))
@pytest.mark.parametrize("share", [0.01, 0.3])
def test_what_is_far_in_any_one_term_is_found_however_much_of_it_there_is(
    term: int, share: float
) -> None:
    values = terms()
    bad = np.arange(len(values)) < share * len(values)
    values[bad, term] *= np.exp(0.3 * 12)
    score = junk_score(values)
    assert score[bad].min() > 5
    assert (score[~bad] > 5).mean() < 0.01


def test_an_image_that_fits_as_noise_does_is_as_empty_as_can_be() -> None:
    values = terms()
    bad = np.arange(len(values)) < 300
    values[bad] = np.median(values, 0)
    values[bad, FIT] = 2.33
    assert junk_score(values)[bad] == pytest.approx(EMPTY, rel=0.15)


def test_the_nearer_noise_is_to_the_bulk_the_less_a_low_fit_counts() -> None:
    values = terms()
    values[:, FIT] -= 7.5  # most images fit hardly better than noise
    assert (junk_score(values) < 5).mean() > 0.98
    values[:100, FIT] = 0.0
    near = junk_score(values)[:100].mean()
    values[100:, FIT] += 7.5
    assert near < junk_score(values)[:100].mean() < 2 * EMPTY


def test_the_scale_of_a_residual_does_not_matter() -> None:
    values = terms()
    scaled = values * np.array([1.0, 3.0, 10.0, 1.0])
    np.testing.assert_allclose(junk_score(scaled), junk_score(values), rtol=1e-4, atol=1e-4)


def test_a_second_object_is_told_in_deviations_of_noise() -> None:
    """Images without noise are alike in it: a hair more than the others is no second object."""
    values = terms()
    values[:, SECOND] = 0.0
    values[:3, SECOND] = 3.0  # the best of a thousand poses, by chance
    values[3:6, SECOND] = 6.0
    score = junk_score(values)
    assert score[:3].max() < 5
    assert score[3:6].min() > 5


def test_equal_or_few_images_have_no_junk() -> None:
    assert not junk_score(np.ones((200, 4))).any()
    assert not junk_score(terms(20)).any()
    assert junk_score(np.zeros((0, 4))).shape == (0,)
    values = np.ones((200, 4))
    values[7, SECOND] = 4
    assert np.argmax(junk_score(values)) == 7
