"""Which images make a class, and how they are to be averaged: what is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Correction = Literal["none", "flip", "wiener"]
Size = Literal["original", "model", "thumbnails"]
WIENER = 0.01  # an amplitude contrast of 0.1 squared: what the CTF leaves at frequency zero


@dataclass(frozen=True)
class Chosen:
    """The images of one class: its name and their numbers (n,), ascending."""

    name: str
    indices: NDArray[np.int64]


def labelled(labels: NDArray[np.integer], names: Sequence[str] = ()) -> list[Chosen]:
    """Return a class for each label (N,) that has images; negative labels are of no class."""

    def name(number: int) -> str:
        return names[number] if number < len(names) else f"class {number + 1}"

    return [
        Chosen(name(number), np.flatnonzero(labels == number))
        for number in np.unique(labels[labels >= 0]).tolist()
    ]
