"""From the selection to the gallery: counts at once, pictures and averages as they come."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.words import count, figure
from tvae_gui.context import Context
from tvae_gui.gallery.gallery import Gallery
from tvae_gui.jobs.decode_job import EXTRA, DecodedMany
from tvae_gui.jobs.picture_job import SelectionPictures
from tvae_gui.state.atlas_view import blend_at
from tvae_gui.widgets.image_panel import picture_of
from tvae_gui.words import NO_THUMBNAILS

Array = NDArray[Any]
SHOWN = 64


class SelectionPresenter:
    """Shows the selection, or a sample of all images when nothing is selected."""

    def __init__(self, context: Context, gallery: Gallery) -> None:
        self._state, self._gallery = context.state, gallery
        self._pictures, self._decoder = context.pictures, context.decoder
        self._tones = context.tones
        self._mean: Array | None = None
        self._drawing = False

    def on_tool(self, draws: bool) -> None:
        """Make room for pictures before something is drawn around images, not while it is."""
        self._drawing = draws
        self._make_room()

    def _make_room(self) -> None:
        state = self._state
        wanted = state.store is not None and (self._drawing or state.selection.count > 0)
        if wanted != self._gallery.is_full:
            self._gallery.show_room(wanted)

    def on_selection_changed(self, live: bool) -> None:
        """Show the count at once and ask for the pictures."""
        state = self._state
        selection = state.selection
        self._gallery.show_count(selection.count, state.images)
        self._make_room()
        if state.store is None:
            self._gallery.show_pictures([], [], "")
            self._gallery.show_average(None, None)
            self._gallery.residual.set_image(None)
            return
        if not state.store.has_thumbnails:
            self._gallery.show_pictures([], [], "", NO_THUMBNAILS)
            return
        everything = np.ones(state.images, dtype=bool) if state.visible is None else state.visible
        mask = selection.mask if selection.count else everything
        self._pictures.ask_selection(mask, SHOWN, live)

    def on_filter_changed(self) -> None:
        """Show a sample of what passes the filters when nothing is selected."""
        if not self._state.selection.count:
            self.on_selection_changed(True)

    def on_pictures(self, answer: SelectionPictures) -> None:
        """Show thumbnails and averages."""
        images = [self._tones.thumbnail(t) for t in answer.thumbnails.upright]
        self._gallery.show_pictures(answer.thumbnails.indices, images, self._caption(answer))
        if answer.mean is None or answer.std is None:
            self._gallery.show_average(None, None)
            return
        self._mean = self._to_values(answer.mean)
        low, high = np.percentile(answer.std, [1, 99])
        one = answer.summed == 1  # which has no spread
        spread = None if one else picture_of(answer.std, min(low, 0.5 * high), high)
        self._gallery.show_average(self._tones.decoded(self._mean), spread)
        if not self._state.selection.count:
            self._gallery.residual.set_image(None)
        else:
            self._ask_decoded()

    def _caption(self, answer: SelectionPictures) -> str:
        if not self._state.selection.count:
            return f"a sample of all {count(answer.selected, 'image')}, upright"
        if answer.summed < answer.selected:
            return f"upright · average of {count(answer.summed)} of {count(answer.selected)} so far"
        return f"upright · average of {count(answer.selected, 'image')}"

    def _ask_decoded(self) -> None:
        store = self._state.store
        assert store is not None
        assert self._mean is not None
        z = store.z_mean[self._state.selection.mask].mean(axis=0)
        preview = blend_at(self._state, z)
        if preview is not None and preview.shape == self._mean.shape:
            self._show_residual(preview)
        self._decoder.ask_many(EXTRA, z[None], self._mean, self._mean.shape[0])

    def on_extra(self, answer: DecodedMany) -> None:
        """Show the residual against the exact image, unless the selection has changed since."""
        if answer.tag is self._mean:
            self._show_residual(answer.images[0])

    def _show_residual(self, decoded: Array) -> None:
        if self._mean is None or decoded.shape != self._mean.shape:
            return
        low, high = self._tones.base
        reach = 0.5 * (high - low)
        residual = self._tones.signed(self._mean - decoded, reach)
        self._gallery.residual.set_image(residual, f"residual ±{figure(reach)}")

    def _to_values(self, levels: Array) -> Array:
        store = self._state.store
        assert store is not None
        low, high = store.thumbnail_range
        return np.asarray(levels / 255 * (high - low) + low)
