"""The verdict on a run: silent where it learned, in words where content or pose collapsed."""

from __future__ import annotations

import pytest

from tvae_core.analysis.verdict import verdict
from tvae_core.progress import Epoch


def epoch(content: float, pose: float, angle: float = 0.0, shift: float = 0.0) -> Epoch:
    return Epoch(
        9, 10, 100, -1.0, -1.0, pose, angle, shift, content, None, 1e-3, 1.0, 1.0, 0.0
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "pose", "words"),
    [
        (5.7, 6.5, ""),  # MNIST(U), docs/results/mnist-u-paper.md
        (2.4, 6.0, ""),
        (0.0, 6.5, "pose was learned, but not the content"),
        (0.04, 0.0, "nothing was learned"),
        (3.0, 0.0, "content was learned, but not the pose"),
    ],
)
def test_what_collapsed_is_named(content: float, pose: float, words: str) -> None:
    said = verdict(epoch(content, pose))
    assert words in said
    assert bool(said) == bool(words)


def test_angle_and_shift_count_as_pose() -> None:
    assert verdict(epoch(3.0, 0.0, angle=2.0)) == ""
    assert verdict(epoch(3.0, 0.0, shift=2.0)) == ""


def test_a_system_without_poses_is_not_asked_for_them() -> None:
    assert verdict(epoch(3.0, 0.0), infers_pose=False) == ""
    assert "of pose" not in verdict(epoch(0.0, 0.0), infers_pose=False)
