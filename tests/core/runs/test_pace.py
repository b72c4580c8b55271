"""How long it will still take: on clocks that are known."""

from __future__ import annotations

import pytest

from tvae_core.config import RunConfig
from tvae_core.presets import load_preset
from tvae_core.runs.pace import TOLD_AFTER, Pace, shorter


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def stepped(seconds: list[float], images: int = 10) -> tuple[Pace, Clock]:
    clock = Clock()
    pace = Pace(clock)
    pace.begin()
    for each in seconds:
        clock.seconds += each
        pace.step(images)
    return pace, clock


def test_slow_first_steps_do_not_spoil_the_estimate() -> None:
    pace, _ = stepped([9.0, 3.0, 2.0] + [0.1] * TOLD_AFTER)
    assert pace.steps == TOLD_AFTER
    assert pace.images_per_second == pytest.approx(100)
    assert pace.left_s(100_000, 1) == pytest.approx(1000, rel=0.3)


def test_a_first_step_is_better_than_none() -> None:
    pace, _ = stepped([5.0])
    assert pace.steps == 0
    assert pace.images_per_second == pytest.approx(2)


def test_what_an_epoch_takes_besides_its_steps_counts_once_it_was_seen() -> None:
    pace, clock = stepped([0.1] * 30)
    clock.seconds += 7.0
    pace.end()
    last = pace.left_s(0, 0)
    assert pace.left_s(1000, 3) == pytest.approx(10 + 21 + last)
    assert pace.left_s(1000, 3, embedded=5000) > 10 + 21 + last + 10  # embedding takes its time


def test_a_machine_that_slows_down_is_believed() -> None:
    pace, _ = stepped([0.1] * 400 + [0.4] * 200)
    assert pace.images_per_second == pytest.approx(25)


def test_nothing_is_promised_before_a_step() -> None:
    assert Pace(Clock()).left_s(1000, 1) == 0.0


def test_what_would_shorten_a_run_is_an_option_that_the_command_takes() -> None:
    said = shorter(load_preset("paper-mnist"), 50)
    assert any("--downsample-px 32" in way for way in said)
    assert any("--epochs 250" in way for way in said)
    config = RunConfig().changed(["train.epochs=5", "train.pixel_share=0.1",
                                  "model.encoder_kernels=8"])  # fmt: skip
    assert shorter(config, 28) == []
