"""Where a model's zero pose drifts over its latent, decoded images tell by how much."""

from __future__ import annotations

import numpy as np
import pytest

from tests.core.analysis.blobs import object_at_rest, posed, poses
from tvae_core.analysis.averages import average, upright_fine
from tvae_core.analysis.drift import pose_against, without_drift
from tvae_core.geometry import composed_pose, to_object_frame, wrap_angle


def drift(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return 0.9 * z[:, 0], np.stack([1.5 * z[:, 0], -z[:, 1]], 1)


def decode(z: np.ndarray) -> np.ndarray:
    return posed(*drift(z))


@pytest.mark.parametrize("side", [47, 48])
def test_the_pose_of_a_clean_image_is_found(side: int) -> None:
    angle, shift = poses(12)
    found_angle, found_shift = pose_against(posed(angle, shift, side), object_at_rest(side))
    off = np.abs(wrap_angle(found_angle - angle))
    assert off.max() < np.radians(0.5)
    np.testing.assert_allclose(found_shift, shift, atol=0.1)


def test_poses_are_composed_as_turning_twice_does() -> None:
    outer, inner = poses(5, 1), poses(5, 2)
    points = np.random.default_rng(0).normal(size=(7, 2))
    twice = [
        to_object_frame(to_object_frame(points, outer[0][[n]], outer[1][[n]])[0],
                        inner[0][[n]], inner[1][[n]])[0]
        for n in range(5)
    ]  # fmt: skip
    np.testing.assert_allclose(to_object_frame(points, *composed_pose(*outer, *inner)), twice)


@pytest.mark.parametrize("count", [30, 400])
def test_without_the_drift_an_average_is_as_sharp_as_by_the_true_poses(count: int) -> None:
    """The model's poses are off by the drift of each content, one image a content and in patches"""
    rng = np.random.default_rng(3)
    z = rng.uniform(-1, 1, (count, 2)).astype(np.float32)
    truth = poses(count, 4)
    images = posed(*truth)
    # what the model calls its pose turns its own zero, which has drifted, to the image
    turn, move = drift(z)
    back = (-turn, upright_shift(turn, move))
    inferred = composed_pose(*truth, *back)
    best = average(images, *truth).mean
    blurred = average(images, *inferred).mean
    found = without_drift(z, *inferred, decode)
    mended = average(images, *found).mean
    # the reference is the decoded middle, itself at some pose: compare where it stands
    angle, shift = pose_against(mended[None], best)
    mended = upright_fine(mended[None], angle, shift)[0]
    error = np.square(mended - best).mean() / np.square(blurred - best).mean()
    assert error < (0.01 if count == 30 else 0.05)


def upright_shift(turn: np.ndarray, move: np.ndarray) -> np.ndarray:
    """The shift of the inverse of a pose: x = R(a) u + t is u = R(-a) x - R(-a) t."""
    return to_object_frame(np.zeros((1, 2)), turn, move)[:, 0]
