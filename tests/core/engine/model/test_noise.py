"""Random numbers keyed by seed, step and image: repeatable, independent, and of the right law."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from tests.core.engine.pretended_device import PretendedGpu
from tvae_core.engine.model.noise import Noise


def numbers(seed: int = 0, step: int = 0, images: Any = (0,)) -> Noise:
    return Noise(seed, step, torch.tensor(images))


def test_the_numbers_of_an_image_do_not_depend_on_its_batch() -> None:
    whole, part = numbers(images=[5, 2, 9, 700]), numbers(images=[9, 5])
    for shape in ((4, 3), (), (1000,)):
        assert torch.equal(whole.uniform(*shape)[[2, 0]], part.uniform(*shape))
    assert torch.equal(whole.normal(6)[[2, 0]], part.normal(6))


def split_mix(x: int) -> int:
    """Return SplitMix64 of a number, in Python's whole numbers."""
    x = x * 0x9E3779B97F4A7C15 % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def low_bias(x: int) -> int:
    """Return lowbias32 of a number, in Python's whole numbers."""
    x = (x ^ (x >> 16)) * 0x7FEB352D % 2**32
    x = (x ^ (x >> 15)) * 0x846CA68B % 2**32
    return x ^ (x >> 16)


def expected_numbers(seed: int, step: int, image: int, call: int, count: int) -> list[float]:
    """Return what `Noise` must give."""
    key = split_mix(split_mix(split_mix(image + split_mix(seed)) + split_mix(step)) + call)
    low, high = (key % 2**32 - 2**31) % 2**32, key >> 32
    bits = [low_bias(low_bias((place + low) % 2**32) ^ high) for place in range(count)]
    return [((b >> 9) + 0.5) / 2**23 for b in bits]


@pytest.mark.parametrize(("seed", "step", "image"), [(0, 0, 0), (3, 4, 11), (2**31 - 1, 10**6, 7)])
def test_the_numbers_are_these_on_every_device(seed: int, step: int, image: int) -> None:
    expected = torch.tensor([expected_numbers(seed, step, image, 1, 50)], dtype=torch.float32)
    assert torch.equal(numbers(seed, step, [image]).uniform(50), expected)
    with PretendedGpu():
        there = Noise(seed, step, torch.tensor([image], device="cuda")).uniform(50)
        assert there.device.type == "cuda"
        assert torch.equal(there.cpu(), expected)


@pytest.mark.parametrize(
    "others",
    [{"seed": 1}, {"step": 1}, {"step": -1}, {"images": [1]}, {"seed": 2**31 - 1}],
    ids=str,
)
def test_another_key_gives_other_numbers(others: dict[str, Any]) -> None:
    one, two = numbers().uniform(50_000)[0], numbers(**others).uniform(50_000)[0]
    assert abs(float(torch.corrcoef(torch.stack([one, two]))[0, 1])) < 5 / 50_000**0.5
    again = numbers()
    again.uniform(50_000)
    two = again.uniform(50_000)[0]  # the second call
    assert abs(float(torch.corrcoef(torch.stack([one, two]))[0, 1])) < 5 / 50_000**0.5


def test_the_step_has_numbers_of_its_own() -> None:
    step = Noise.of_step(0, 5, torch.device("cpu"))
    assert not torch.equal(step.uniform(9)[0], numbers(step=5).uniform(9)[0])
    assert (
        torch.equal(Noise.of_step(0, 5, torch.device("cpu")).uniform(9), step.uniform(9)) is False
    )


def test_numbers_follow_their_laws() -> None:
    noise = numbers(images=range(100))
    for drawn, law in [
        (noise.uniform(2_000), stats.uniform),
        (noise.normal(2_000), stats.norm),
        (noise.gumbel(2_000), stats.gumbel_r),
    ]:
        assert drawn.isfinite().all()
        assert stats.kstest(drawn.flatten().numpy(), law.cdf).pvalue > 1e-3
        # across images as well as within one
        assert stats.kstest(drawn[:, 0].numpy(), law.cdf).pvalue > 1e-3
    neighbours = noise.uniform(50_000)[0].numpy()
    assert abs(np.corrcoef(neighbours[1:], neighbours[:-1])[0, 1]) < 5 / 50_000**0.5


def test_numbers_are_never_zero_or_one() -> None:
    drawn = numbers().uniform(1 << 24)  # every value of 23 bits about twice
    assert float(drawn.min()) >= 2.0**-24
    assert float(drawn.max()) <= 1 - 2.0**-24
    assert len(drawn.unique()) > 0.8 * 2**23  # 1 - exp(-2) = 0.86 of them
