"""A kind of file that is neither a stack of images nor a table: how it is written and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvae_core.store import EmbeddingStore


@dataclass(frozen=True)
class FileForm:
    """A kind of file of its own.

    Parameters
    ----------
    write : callable
        Writes what a store knows of the chosen images, (n,) int ascending, to a path.
    count : callable
        Reads the file again and returns how many images it speaks of.
    """

    write: Callable[[EmbeddingStore, NDArray[np.int64], Path], None]
    count: Callable[[Path], int]
