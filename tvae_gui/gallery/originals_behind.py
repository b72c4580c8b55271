"""Originals behind the thumbnails of the gallery, for the images in view that are drawn larger."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QObject
from PyQt6.QtGui import QImage

from tvae_core.images_of import images_are_there
from tvae_gui.context import Context
from tvae_gui.gallery.image_grid import ImageGrid
from tvae_gui.jobs.original_job import NoOriginals, OriginalPictures
from tvae_gui.state.original_cache import OriginalCache
from tvae_gui.widgets.controls import single_shot

Array = NDArray[Any]
REST_MS = 80  # the view must stay that long before its originals are read
_STEP_PX = 32  # sides asked for: a slider's small moves read nothing anew


class OriginalsBehind(QObject):
    """Asks for originals of what is in view once it rests, and keeps those that came."""

    def __init__(self, context: Context, grid: ImageGrid) -> None:
        super().__init__(grid)
        self._state, self._messages = context.state, context.messages
        self._job, self._tiles, self._grid = context.originals, context.tiles, grid
        self._cache = OriginalCache()
        self._form: tuple[str, int, bytes] = ("", 0, b"")
        self._table: Array = np.zeros(256, np.uint32)
        self._wanted: Array = np.empty(0, np.int64)
        self._refused: set[int] = set()
        self._none_at_all = self._told = False
        self._own_side = 0
        self._rest = single_shot(self, REST_MS)
        self._rest.timeout.connect(self._ask)

    @property
    def resting(self) -> bool:
        """Whether nothing waits to be asked for."""
        return not self._rest.isActive()

    def on_store(self) -> None:
        """Begin with another store."""
        store = self._state.store
        self._cache.clear()
        self._refused.clear()
        self._none_at_all = False
        self._own_side = 0 if store is None else round(store.header.side * store.header.scale)
        # a store whose images are nowhere was told of when it was opened
        self._told = store is not None and not images_are_there(store)
        self.drop()

    def try_again(self) -> None:
        """Look for images that were not found: they may be back, or be named elsewhere by now."""
        self._none_at_all = False
        self._refused.clear()
        self.drop()

    def drop(self) -> None:
        """Read no more of what was in view."""
        self._rest.stop()
        self._job.drop()
        self._wanted = np.empty(0, np.int64)

    def pictures(self, kind: str, numbers: Array, table: Array) -> dict[int, QImage]:
        """Return the originals that are there by their place among `numbers`; ask for the others.

        Parameters
        ----------
        table : (256,) uint32
            The colour of each level.
        """
        drawn, kept = self._grid.device_px, self._tiles.side
        if self._none_at_all or kept == 0 or min(drawn, self._own_side) <= kept:
            return {}
        side = min(-(-drawn // _STEP_PX) * _STEP_PX, self._own_side)
        form = (kind, side, table.tobytes())
        if form != self._form:
            self._form, self._table = form, table
            self._cache.clear()
            self.drop()
        self._want(self._grid.in_view)
        found: dict[int, QImage] = {}
        for place, number in enumerate(numbers.tolist()):
            pixels = self._cache.get(number)
            if pixels is not None:
                found[place] = _image(pixels)
        return found

    def _want(self, view: Array) -> None:
        """Ask for what is in view when it rests; what was in view before is not wanted any more."""
        if np.array_equal(view, self._wanted):
            return
        self._job.drop()
        self._wanted = view.copy()
        self._rest.start()

    def _ask(self) -> None:
        kind, side, _ = self._form
        known = self._refused
        missing = [n for n in self._wanted.tolist() if n not in self._cache and n not in known]
        if missing and self._grid.isVisible():
            self._job.ask(kind, side, np.array(missing, np.int64))

    # --- answers -------------------------------------------------------------------------------
    def on_arrived(self, answer: OriginalPictures) -> None:
        """Keep originals and draw them."""
        if (answer.kind, answer.side) != self._form[:2]:
            return
        for number, levels in zip(answer.numbers.tolist(), answer.levels, strict=True):
            self._cache.put(number, _coloured(levels, self._table))
        self._grid.repaint_all()

    def on_refused(self, answer: NoOriginals) -> None:
        """Leave thumbnails where they are; say why, once."""
        if answer.numbers is None:
            self._none_at_all = True
        else:
            self._refused.update(answer.numbers.tolist())
        if not self._told:
            self._told = True
            self._messages.notice(f"Thumbnails stay in place of originals: {answer.error}")


def _coloured(levels: Array, table: Array) -> bytes:
    """Return the pixels of levels (s, s[, 3]) as 0xffrrggbb."""
    if levels.ndim == 2:
        return np.ascontiguousarray(table[levels]).tobytes()
    red, green, blue = (levels[..., k].astype(np.uint32) for k in range(3))
    return np.asarray((red << 16) | (green << 8) | blue | np.uint32(0xFF000000)).tobytes()


def _image(pixels: bytes) -> QImage:
    """Return square pixels as an image, which keeps them alive."""
    side = round((len(pixels) / 4) ** 0.5)
    return QImage(pixels, side, side, 4 * side, QImage.Format.Format_RGB32)
