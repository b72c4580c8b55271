"""The tones in which the images of a run are shown: one contrast for all rooms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtGui import QImage

from tvae_core.colours import colour_map, to_bytes
from tvae_gui.state.difference import signed_colours, signed_table
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.widgets.image_panel import picture_of

Array = NDArray[Any]
Bounds = tuple[float, float]


class Tones:
    """Makes pictures of the values of images, in the contrast and colour map in use.

    Attributes
    ----------
    base : (float, float)
        The values of a decoded image shown black and white unless the user chose others.
    thumbnails : (float, float)
        The same of a real image's thumbnail, in its units 0..255.
    """

    def __init__(self, state: ExplorerState) -> None:
        self._state = state
        self._chosen: Bounds | None = None
        self.base: Bounds = (0.0, 1.0)
        self.thumbnails: Bounds = (0.0, 255.0)

    @property
    def contrast(self) -> Bounds:
        """The values of a decoded image shown black and white."""
        return self._chosen or self.base

    def choose(self, bounds: Bounds | None) -> None:
        """Show other values black and white; None for the run's own."""
        self._chosen = bounds

    def fit(self, values: Array) -> None:
        """Take the base from the values of some decoded images."""
        low, high = (float(v) for v in np.percentile(values, [0.3, 99.9]))
        self.base = (low, max(high, low + 1e-6))

    def decoded(self, values: Array) -> QImage:
        """Return a decoded image (h, w[, 3])."""
        return picture_of(values, *self.contrast, self._state.options.image_map)

    def colours(self, values: Array) -> NDArray[np.uint8]:
        """Return the colours (n, h, w, 3) uint8 of decoded images (n, h, w[, 3])."""
        levels = to_bytes(values, *self.contrast)
        return levels if levels.ndim == 4 else colour_map(self._state.options.image_map)[levels]

    def thumbnail_table(self) -> Array:
        """Return the colour of each level of a thumbnail, (256,) uint32 as 0xffrrggbb."""
        return self._table(*self.thumbnails)

    def level_table(self) -> Array:
        """Return the colour of each level from black to white, (256,) uint32 as 0xffrrggbb."""
        return self._table(0.0, 255.0)

    def signed_table(self) -> Array:
        """Return the colour of each level of a difference, 0 to 255, (256,) uint32."""
        return _packed(signed_table())

    def signed(self, values: Array, reach: float) -> QImage:
        """Return differences (h, w[, 3]) in signed colours; `reach` is full strength."""
        return picture_of(signed_colours(values, reach), 0, 255)

    def _table(self, low: float, high: float) -> Array:
        levels = to_bytes(np.arange(256.0), low, high)
        return _packed(colour_map(self._state.options.image_map)[levels])

    def thumbnail(self, values: Array) -> QImage:
        """Return the thumbnail (h, w[, 3]) uint8 of a real image."""
        return picture_of(values, *self.thumbnails, self._state.options.image_map)


def _packed(colours: Array) -> Array:
    """Return colours (n, 3) uint8 as (n,) uint32, 0xffrrggbb."""
    rgb = colours.astype(np.uint32)
    packed = rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2] | np.uint32(0xFF000000)
    return np.asarray(packed, np.uint32)
