"""Fields: every object lies where its row says, as far from the others as asked."""

from __future__ import annotations

import numpy as np
import pytest

from tvae_core.errors import ConfigError
from tvae_core.synthetic import plan_set
from tvae_core.synthetic.noise import circle_masks

HALF = 24


def cut_out(image: np.ndarray, row: int, column: int) -> np.ndarray:
    """The surroundings of a pixel, without what lies further away than an object reaches."""
    padded = np.pad(image, HALF)
    square = padded[row : row + 2 * HALF + 1, column : column + 2 * HALF + 1]
    return np.asarray(square * circle_masks(2 * HALF + 1, np.zeros((1, 2)), 14.0)[0])


def test_objects_lie_where_the_truth_says() -> None:
    field = plan_set("field", count=6, of="sprites", side=201, objects=4.0)
    pool, images, truth = plan_set("sprites", count=1000), field.whole().images, field.truth
    axis = np.arange(-HALF, HALF + 1)
    for index, x, y in zip(range(len(truth["image"])), truth["x_px"], truth["y_px"], strict=True):
        row, column = np.rint([100.0 - y, 100.0 + x]).astype(int)
        seen = cut_out(images[truth["image"][index]], row, column)
        alone = pool.render(truth["pool_index"][index : index + 1])[0]
        assert seen.sum() == pytest.approx(alone.sum(), rel=0.02)
        centre_x = column - 100.0 + seen.sum(0) @ axis / seen.sum()
        centre_y = 100.0 - row - seen.sum(1) @ axis / seen.sum()
        # corners that touch the disc are cut by a pixel or two, and
        # the heart's centre of mass is not its origin: within a sixth of its radius
        limit = 0.1 if truth["label"][index] < 2 else 2.4
        assert np.hypot(centre_x - x, centre_y - y) < limit


def test_objects_keep_the_distance_asked_for() -> None:
    def closest(overlap: float) -> float:
        plan = plan_set("field", count=5, objects=15.0, overlap=overlap)
        gaps = []
        for image in range(5):
            rows = plan.truth["image"] == image
            places = np.stack([plan.truth["x_px"][rows], plan.truth["y_px"][rows]], axis=1)
            distance = np.linalg.norm(places[:, None] - places[None], axis=2)
            gaps.append(distance[np.triu_indices(len(places), 1)].min())
        return float(min(gaps))

    # places are rounded to whole pixels before the object's own sub-pixel shift is added
    assert closest(0.0) >= 2 * 10.0 - np.sqrt(2.0)
    assert closest(0.5) < 2 * 10.0 - np.sqrt(2.0)


def test_objects_stay_inside_and_the_range_is_kept() -> None:
    drawn = plan_set("field", count=5, objects=20.0, overlap=0.8).whole()
    assert drawn.images.min() == 0.0
    assert drawn.images.max() == 1.0
    assert max(np.abs(drawn.truth[name]).max() for name in ("x_px", "y_px")) <= 75.0 - 10.0 + 0.5


def test_a_field_too_small_for_its_objects_is_refused() -> None:
    with pytest.raises(ConfigError, match="fit"):
        plan_set("field", side=16)


def test_a_place_does_not_tell_the_angle() -> None:
    truth = plan_set("field", count=100).truth
    assert abs(np.corrcoef(truth["x_px"], truth["angle_rad"])[0, 1]) < 0.15  # 800 objects: 4 sigma


def test_noise_is_added_to_the_whole_field() -> None:
    options = {"count": 2, "of": "hinge", "side": 150, "pool": 50, "seed": 3}
    noise = plan_set("field", snr=0.5, **options).whole().images
    noise = noise - plan_set("field", **options).whole().images
    assert noise[:, :20].std() == pytest.approx(noise[:, 60:80].std(), rel=0.05)
    assert noise.std() > 0.0
