"""Colour maps and class colours as plain tables, so that what is drawn is decided without Qt."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_TABLES = {
    "cividis": "00224e 002e6a 1a386f 32436d 434e6c 535a6d 61656f 6f7073 7d7c78 8c8878 9b9476 "
    "aba072 bcae6c cdbb63 dec958 f0d846 fee838",
    "viridis": "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 "
    "3fbc73 5ec962 84d44b addc30 d8e219 fde725",
    "magma": "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 d0416f e75263 "
    "f56b5c fc8961 fea772 fec488 fde2a3 fcfdbf",
    "twilight": "e2d9e2 c4ced4 95b5c7 7297c1 6276ba 5e51ad 592a8f 45135c 2f1436 4a1342 741e4f "
    "983550 b25652 c27c63 cca389 d8c7be e2d9e2",
    "grey": "000000 ffffff",
    "grey reversed": "ffffff 000000",
}
IMAGE_MAPS = ("grey", "grey reversed", "viridis", "magma", "cividis")
CYCLIC_MAP = "twilight"
# Petroff's ten, chosen for readers with colour vision deficiency (arXiv:2107.02270).
CLASS_COLOURS = (
    "#3f90da", "#ffa90e", "#832db6", "#92dadd", "#e76300",
    "#b9ac70", "#a96b59", "#94a4a2", "#bd1f01", "#717581",
)  # fmt: skip

# What has no class, wherever it is shown: a grey that is none of the ten.
UNASSIGNED, UNASSIGNED_COLOUR = "unassigned", "#c8c8c8"
_UNASSIGNED_LEVEL = 255


def rgb_of(colour: str) -> tuple[int, int, int]:
    """Return (red, green, blue) of `#rrggbb` or `rrggbb`."""
    digits = colour.lstrip("#")
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


@cache
def colour_map(name: str) -> NDArray[np.uint8]:
    """Return a colour map as a table, (256, 3) uint8."""
    stops = np.array([rgb_of(text) for text in _TABLES[name].split()], dtype=np.float64)
    at = np.linspace(0.0, 1.0, len(stops))
    fine = np.linspace(0.0, 1.0, 256)
    channels = [np.interp(fine, at, stops[:, k]) for k in range(3)]
    table = np.stack(channels, axis=1).round().astype(np.uint8)
    table.setflags(write=False)
    return table


def class_colours(how_many: int) -> tuple[str, ...]:
    """Return the colours of classes 0, 1, ...; the set of ten repeats."""
    return tuple(CLASS_COLOURS[n % len(CLASS_COLOURS)] for n in range(how_many))


def class_table(colours: Sequence[str]) -> NDArray[np.uint8]:
    """Return the colours of classes as a table, (256, 3) uint8, for `class_levels`.

    Classes without a colour of their own take one of the ten.
    """
    chosen = (*colours, *class_colours(_UNASSIGNED_LEVEL)[len(colours) :])[:_UNASSIGNED_LEVEL]
    return np.array([rgb_of(c) for c in (*chosen, UNASSIGNED_COLOUR)], dtype=np.uint8)


def class_levels(labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return the place of each label (N,) in a `class_table`; below 0 is unassigned."""
    return np.where(labels >= 0, labels % _UNASSIGNED_LEVEL, _UNASSIGNED_LEVEL).astype(np.uint8)


def to_bytes(values: Array, low: float, high: float) -> NDArray[np.uint8]:
    """Map values linearly to 0..255 uint8; low goes to 0 and high to 255, beyond is clipped."""
    span = max(high - low, 1e-12)
    scaled = (np.asarray(values, dtype=np.float32) - np.float32(low)) * np.float32(255.0 / span)
    return np.asarray(np.clip(np.nan_to_num(scaled), 0, 255).astype(np.uint8))
