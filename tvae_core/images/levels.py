"""Numbers that float32 cannot hold apart: an offset and a power of ten are taken off in float64."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SAMPLE = 16  # images that the levels are judged by
_FLOAT32_STEP = 2.0**-24
_LOST = 1e-4  # of the range of the values: a rounding that is more takes the offset off
# Ranges that float32 holds with room to spare, also some 1,700 of them from zero.
_LARGEST, _SMALLEST = 1e35, 1e-34
_ROUND = 100.0  # offsets are multiples of about so many ranges: the same for other images


class Levels(NamedTuple):
    """Values are read as (value - offset) / unit.

    Parameters
    ----------
    offset : float
        A whole number where the pixels are whole numbers.
    unit : float
        A power of ten.
    """

    offset: float = 0.0
    unit: float = 1.0

    @property
    def remark(self) -> str:
        """What was done, in one line; empty when nothing was."""
        taken = []
        if self.offset:
            taken.append(f"{self.offset:.15g} is subtracted from every value")
        if self.unit != 1:
            taken.append(f"values are divided by {self.unit:.0e}")
        return f"{' and '.join(taken)}: float32 would lose the signal" if taken else ""

    def applied(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Return pixels of any type as float32; those still beyond it become infinite."""
        if self == Levels():
            return pixels.astype(np.float32, copy=False)
        return (_less(pixels, self.offset) / self.unit).astype(np.float32)


def needs_levels(dtype: np.dtype[Any]) -> bool:
    """Return whether pixels of a type may hold what float32 cannot."""
    return dtype.itemsize == 8 or (dtype.kind in "iu" and dtype.itemsize == 4)


def levels_of(pixels: NDArray[Any]) -> Levels:
    """Return the levels that a few images of a stack ask for; none where float32 will do."""
    good = pixels[np.isfinite(pixels)]
    if not good.size:
        return Levels()
    base = good[0].item()
    above = _less(good, base)  # exact, also where float64 could not hold the values apart
    low, middle, high = (float(v) for v in np.percentile(above, (0.1, 50, 99.9)))
    spread = high - low
    if not math.isfinite(spread) or spread <= 0:
        return Levels()
    unit = 1.0
    if not _SMALLEST <= spread <= _LARGEST:
        unit = 10.0 ** math.floor(math.log10(spread))
    offset: float = 0
    if abs(base + middle) * _FLOAT32_STEP > _LOST * spread:
        step = 10.0 ** math.ceil(math.log10(_ROUND * spread))
        if isinstance(base, int):
            offset = round(base + round(middle), -round(math.log10(step)))
        else:
            offset = round((base + middle) / step) * step
    return Levels(offset, unit)


def _less(pixels: NDArray[Any], offset: float) -> NDArray[np.float64]:
    """Return pixels less an offset; the difference of whole numbers is exact."""
    if pixels.dtype.kind not in "iu":
        return np.asarray(pixels.astype(np.float64) - offset)
    steps = pixels.astype(np.uint64) - np.uint64(int(offset) % 2**64)  # modulo 2^64
    return steps.view(np.int64).astype(np.float64)
