"""Objects and their mirror images are paired; achiral ones and strangers are not."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.core.analysis.blobs import posed
from tvae_core.analysis.mirror import (
    atlas_mirrors,
    mirror_partners,
    mirror_regions,
    mirror_scores,
    nearest_node,
)
from tvae_core.errors import Cancelled
from tvae_core.geometry import pixel_grid_px, to_object_frame, wrap_angle

SIDE = 40


def chiral(handedness: float, angle_rad: float = 0.0, shift_px: tuple[float, float] = (0, 0)):
    """A hook (SIDE, SIDE): a bar with an arm to one side; handedness 1 left, -1 right, 0 none."""
    points = to_object_frame(
        pixel_grid_px(SIDE, SIDE), np.array([angle_rad]), np.array([shift_px], float)
    )[0]
    image = np.zeros(len(points))
    for x, y, weight in ((0, -9, 1.0), (0, -3, 1.0), (0, 3, 1.0), (0, 9, 0.7)):
        image += weight * np.exp(-((points[:, 0] - x) ** 2 + (points[:, 1] - y) ** 2) / 14)
    for x in (3.5, 7.0):
        centre = handedness * x
        image += 0.9 * np.exp(-((points[:, 0] - centre) ** 2 + (points[:, 1] - 8) ** 2) / 10)
    return image.reshape(SIDE, SIDE)


def test_the_turn_between_mirror_images_is_found_wherever_they_lie() -> None:
    images = np.stack([chiral(1.0), chiral(-1.0, 0.7, (2.0, -1.0)), chiral(-1.0, -2.5)])
    found = mirror_scores(images, steps=360)
    assert found.score[0, 1] > 0.98
    assert found.score[0, 2] > 0.98
    assert found.score[0, 0] < 0.95  # chiral: not its own mirror image
    # flipping chiral(1) left to right gives chiral(-1) at rest, so the turns are those made
    for image, turn in ((1, 0.7), (2, -2.5)):
        off = wrap_angle(found.angle_rad[0, image] - turn)
        assert abs(float(off)) < np.radians(1.5)
    np.testing.assert_allclose(found.score, found.score.T, atol=0.01)


def test_partners_are_pairs_only_when_chiral_and_alike() -> None:
    images = np.stack(
        [
            chiral(1.0),
            chiral(-1.0, 1.1),
            chiral(0.0, 0.4),
            posed(np.zeros(1), np.zeros((1, 2)), SIDE)[0],
        ]
    )
    left, right, bar, stranger = mirror_partners(mirror_scores(images))
    assert (left.partner, right.partner) == (1, 0)
    assert left.is_pair
    assert right.is_pair
    assert bar.partner == 2
    assert not bar.is_pair
    assert bar.own > 0.99
    assert not stranger.is_pair
    only = mirror_partners(mirror_scores(images), np.array([True, False, True, True]))
    assert [p.image for p in only] == [0, 2, 3]
    assert not only[0].is_pair  # its partner's place holds no image
    assert mirror_partners(mirror_scores(images), np.zeros(4, bool)) == []


def _atlas(rows: int = 10, columns: int = 16) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left to right the arm goes from one side through none to the other; angles drift."""
    x, y = np.linspace(-2, 2, columns), np.linspace(-1, 1, rows)
    images = [
        [chiral(float(np.clip(1.6 * a, -1, 1)), 0.5 * float(b) + 0.3 * float(a)) for a in x]
        for b in y
    ]
    return np.array(images), x, y


def test_regions_of_opposite_handedness_are_found_across_an_atlas() -> None:
    images, x, y = _atlas()
    everywhere = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    found = atlas_mirrors(images, x, y, everywhere)
    assert found.populated == 160
    assert len(found.regions) == 1
    first, second = found.regions[0].first, found.regions[0].second
    sides = {int(np.sign(x[nodes % len(x)].mean())) for nodes in (first, second)}
    assert sides == {-1, 1}
    assert found.regions[0].score > 0.95
    # in the middle the object is achiral and has no partner
    middle = nearest_node(x, y, (0.1, 0.0))
    assert not found.partners[middle].is_pair
    # a partner lies at minus x
    corner = nearest_node(x, y, (-1.7, 0.5))
    assert x[found.partners[corner].partner % len(x)] > 0.5
    assert "1 pair of regions" in found.words


def test_where_no_images_are_nothing_is_paired() -> None:
    images, x, y = _atlas(6, 12)
    left = np.array([[a, b] for a in x[:4] for b in y])
    found = atlas_mirrors(images, x, y, left)
    assert found.populated == 6 * 5  # and one node around
    assert found.chiral == 0
    assert found.words.startswith("No mirror pairs")
    assert mirror_regions([], (6, 12)) == []


def test_a_line_of_nodes_and_colour_do() -> None:
    x = np.linspace(-2, 2, 12)
    images = np.array([[chiral(float(np.clip(1.6 * a, -1, 1))) for a in x]])
    colour = np.repeat(images[..., None], 3, axis=-1)
    found = atlas_mirrors(colour, x, np.zeros(1), x[:, None])
    assert found.partners[0].partner > 7
    assert found.partners[0].is_pair


def test_an_atlas_of_576_nodes_takes_seconds_and_can_be_stopped() -> None:
    rng = np.random.default_rng(0)
    images = rng.random((576, 48, 48))
    began = time.process_time()
    scores = mirror_scores(images).score
    assert time.process_time() - began < 20  # 2 s on an idle core
    assert scores.shape == (576, 576)
    assert np.abs(np.median(scores)) < 0.3  # noise is no one's mirror image
    with pytest.raises(Cancelled):
        mirror_scores(images, cancelled=lambda: True)
