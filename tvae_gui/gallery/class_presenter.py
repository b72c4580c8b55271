"""From the cards of classes to their page: averages as they come, marks, merges."""

from __future__ import annotations

import math

import numpy as np

from tvae_core.words import figure
from tvae_gui.context import Context
from tvae_gui.gallery.gallery_page import GalleryPage
from tvae_gui.jobs.tile_job import ClassPicture
from tvae_gui.state.class_state import ClassState
from tvae_gui.state.gallery_state import GalleryState

_NYQUIST_PX = 2.001
_WORDS = {
    "clusters": "No clusters yet: find them on the plane (K), or show the sets",
    "sets": "No sets yet: select images and save them with Ctrl+S",
}


class ClassPresenter:
    """Shows clusters or sets as cards."""

    def __init__(
        self, context: Context, page: GalleryPage, classes: ClassState, gallery: GalleryState
    ) -> None:
        self._state, self._tiles, self._tones = context.state, context.tiles, context.tones
        self._page, self._classes, self._gallery = page, classes, gallery
        self._asked: list[tuple[object, int]] = []

    def open(self) -> None:
        """Show the cards there are now, with the keyboard on them."""
        self._page.show_classes(True)
        if self._classes.grouping == "clusters" and self._state.clusters is None:
            self._classes.show("sets" if self._state.sets else "clusters")
        else:
            self._classes.refresh()
        self._page.classes.setFocus()

    def close(self) -> None:
        """Show images again."""
        self._page.show_classes(False)
        self._page.grid.setFocus()

    def refresh(self) -> None:
        """Make the cards again where they are seen: marks, clusters or sets have changed."""
        if self._page.classes.isVisible():
            self._classes.refresh()

    def on_store(self) -> None:
        """Begin with another store."""
        self._asked = []
        self._classes.refresh()
        self._page.show_classes(False)

    def show_listed(self) -> None:
        """Show the cards and ask what their classes look like."""
        cards = self._classes.cards
        self._page.show_grouping(self._classes.grouping)
        self._page.classes.show_cards(cards, _WORDS[self._classes.grouping])
        self.show_moved()
        labels = None if self._state.clusters is None else self._state.clusters.labels
        asked = [(card.subject, card.count) for card in cards]
        if asked == self._asked or not self._page.classes.isVisible():
            return
        self._asked = [*asked]
        store = self._state.store
        if store is None or not store.has_thumbnails:
            return
        masks = [np.flatnonzero(self._classes.mask(card)) for card in cards]
        scale = self._thumbnail_scale()
        tag = (labels, tuple(asked))
        self._tiles.ask_classes(masks, tag, store.angle_rad, store.shift_px * scale, store.images)

    def _thumbnail_scale(self) -> float:
        """Return how many pixels of a thumbnail one of the model's images has."""
        store = self._state.store
        assert store is not None
        return self._tiles.side / store.header.side if self._tiles.side else 1.0

    def on_picture(self, picture: ClassPicture) -> None:
        """Show what a class looks like, unless the classes have changed since."""
        asked, store = [(c.subject, c.count) for c in self._classes.cards], self._state.store
        if list(picture.tag[1]) != asked or store is None:
            return
        low, high = store.thumbnail_range
        mean = picture.mean / 255 * (high - low) + low
        first = tuple(self._tones.thumbnail(image) for image in picture.first)
        words = self._resolution(picture.resolution_px)
        self._page.classes.show_picture(picture.number, self._tones.decoded(mean), first, words)

    def _resolution(self, length_px: float) -> str:
        store = self._state.store
        assert store is not None
        if not math.isfinite(length_px):
            return "not resolved"
        pixel = store.header.pixel_size_angstrom
        length = length_px / self._thumbnail_scale()
        words = figure(length * pixel, "Å") if pixel else figure(length, "px")
        at_limit = length_px <= _NYQUIST_PX  # not a resolution: small images end here
        return f"pixel limit {words}" if at_limit else words

    def show_moved(self) -> None:
        """Show where the keyboard is, and which cards are chosen."""
        self._page.classes.show_current(self._classes.current, self._classes.chosen)

    def open_card(self, number: int) -> None:
        """List the images of a class."""
        if 0 <= number < len(self._classes.cards):
            self.close()
            self._gallery.show(self._classes.cards[number].subject)
