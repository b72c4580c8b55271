"""Random numbers keyed by seed, step and image: the same however a batch is cut, on any device.

A number is a hash of its key and its place; nothing is drawn in turn (counter-based, as in Salmon
et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). So the noise of an image does not
depend on which others are in its batch, how many fit the memory, or how many devices share them.

Shapes: B images, n numbers an image.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 2^64 / golden ratio, as a signed number
_MIX_64 = (-4658895280553007687, -7723592293110705685)  # Stafford's thirteenth, of SplitMix64
_MIX_32 = (0x7FEB352D, 0x846CA68B - (1 << 32))  # Wellons' lowbias32
_LOW = (1 << 32) - 1
_BITS = 23  # of a number: odd multiples of 2^-24 are neither 0 nor 1 in float32
_OF_THE_STEP = -1  # in the place of an image: numbers that all images of a step share


class Noise:
    """The random numbers of a batch of images at one step; each call gives new ones.

    Parameters
    ----------
    seed, step : int
    images : (B,) int64
        Which images, by their index in the set, on the device of the numbers.
    """

    def __init__(self, seed: int, step: int, images: Tensor) -> None:
        self._keys = _hashed(_hashed(images + _hash(seed)) + _hash(step))
        self._calls = 0

    @classmethod
    def of_step(cls, seed: int, step: int, device: torch.device) -> Noise:
        """Return the numbers that all images of a step share, as of a batch of one."""
        return cls(seed, step, torch.full((1,), _OF_THE_STEP, device=device))

    def uniform(self, *shape: int) -> Tensor:
        """Return numbers between 0 and 1, neither of them among them, (B, *shape) float32."""
        self._calls += 1
        key = _hashed(self._keys + self._calls)[:, None]
        low, high = ((key & _LOW) - (1 << 31)).int(), (key >> 32).int()
        place = torch.arange(math.prod(shape), dtype=torch.int32, device=key.device)
        bits = _scrambled(_scrambled(place + low).bitwise_xor_(high))
        whole = bits.bitwise_right_shift_(32 - _BITS).bitwise_and_((1 << _BITS) - 1)
        return whole.float().add_(0.5).mul_(2.0**-_BITS).view(len(key), *shape)

    def normal(self, *shape: int) -> Tensor:
        """Return standard normal numbers, (B, *shape) float32."""
        return self.uniform(*shape).mul_(2.0).sub_(1.0).erfinv_().mul_(math.sqrt(2.0))

    def gumbel(self, *shape: int) -> Tensor:
        """Return standard Gumbel numbers, (B, *shape) float32."""
        return self.uniform(*shape).log_().neg_().log_().neg_()


def _hash(number: int) -> int:
    return int(_hashed(torch.tensor([number]))[0])


def _hashed(keys: Tensor) -> Tensor:
    """Return SplitMix64's finaliser of keys (int64)."""
    keys = keys * _GOLDEN
    keys = (keys ^ ((keys >> 30) & ((1 << 34) - 1))) * _MIX_64[0]
    keys = (keys ^ ((keys >> 27) & ((1 << 37) - 1))) * _MIX_64[1]
    return keys ^ ((keys >> 31) & ((1 << 33) - 1))


def _scrambled(bits: Tensor) -> Tensor:
    """Return a hash of each number (int32), in place."""
    moved = torch.empty_like(bits)
    for shift, factor in ((16, _MIX_32[0]), (15, _MIX_32[1]), (16, 1)):
        torch.bitwise_right_shift(bits, shift, out=moved)
        bits.bitwise_xor_(moved.bitwise_and_((1 << (32 - shift)) - 1))
        if factor != 1:
            bits.mul_(factor)
    return bits
