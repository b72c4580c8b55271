"""Tiles of the background, each painted once: most of a view being zoomed were there before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_MOST_BYTES = 48_000_000


class TileCache:
    """Pictures (h, w, 4) by the place of the plane they stand for."""

    def __init__(self) -> None:
        self._painted: dict[bytes, Array] = {}
        self._bytes = 0

    def clear(self) -> None:
        """Forget all: what they are painted from has changed."""
        self._painted.clear()
        self._bytes = 0

    def tiles(self, places: Array, paint: Callable[[Array], Array]) -> Array:
        """Return the pictures (n, h, w, 4) of places (n, 2).

        Parameters
        ----------
        paint : callable
            Makes pictures (k, h, w, 4) of those places (k, 2) that have none yet.
        """
        keys = [place.tobytes() for place in places.astype(np.float32)]
        missing = [number for number, key in enumerate(keys) if key not in self._painted]
        if missing:
            if self._bytes > _MOST_BYTES:
                self.clear()
                missing = list(range(len(keys)))
            made = paint(places[missing])
            self._bytes += made.nbytes
            for number, picture in zip(missing, made, strict=True):
                self._painted[keys[number]] = picture
        return np.stack([self._painted[key] for key in keys])
