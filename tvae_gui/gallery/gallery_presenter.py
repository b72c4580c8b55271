"""From the gallery's state to its page, and the looks of the images in view."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.colours import to_bytes
from tvae_gui.context import Context
from tvae_gui.gallery.gallery_page import GalleryPage
from tvae_gui.gallery.image_grid import Flags, Tiles
from tvae_gui.gallery.originals_behind import OriginalsBehind
from tvae_gui.jobs.decode_job import GALLERY, DecodedMany
from tvae_gui.jobs.picture_job import Thumbnails
from tvae_gui.state.atlas_view import blend
from tvae_gui.state.difference import range_words
from tvae_gui.state.gallery_state import (
    FILE_ORDER,
    OUTLYING,
    PICTURES,
    PROBE,
    GalleryState,
    Subject,
)
from tvae_gui.words import NO_THUMBNAILS

Array = NDArray[Any]
_ZOOM = 1.25
_MOST_DECODED = 4_000  # images kept
_SORTS = (("order of the file", FILE_ORDER), (PROBE, PROBE), (OUTLYING, OUTLYING))


class GalleryPresenter:
    """Shows the gallery's state on its page."""

    def __init__(self, context: Context, page: GalleryPage, gallery: GalleryState) -> None:
        self._state, self._gallery, self._page = context.state, gallery, page
        self._tiles, self._decoder, self._tones = context.tiles, context.decoder, context.tones
        self.originals = OriginalsBehind(context, page.grid)
        self._decoded: dict[int, Array] = {}
        self._asked: set[int] = set()
        page.grid.set_source(self._looks, self._flags)

    # --- what is listed ------------------------------------------------------------------------
    def on_store(self) -> None:
        """Begin with another store."""
        self._forget_decoded()
        self.originals.on_store()
        self._gallery.open()

    def open(self) -> None:
        """List what there is now, with the keyboard on the images."""
        self.originals.try_again()
        self._gallery.refresh()
        self._page.grid.setFocus()

    def show_listed(self) -> None:
        """Show the images listed."""
        self.show_choices()
        empty = "No images to show" if self._state.store is not None else ""
        self._page.grid.show_numbers(self._gallery.order, empty)
        self.show_words()

    def show_choices(self) -> None:
        """List what can be listed and what can be sorted by."""
        gallery, page = self._gallery, self._page
        if self._state.store is None:
            return
        page.show_subjects(gallery.subjects(), gallery.subject)
        columns = [(c.title, c.key) for c in self._state.columns if c.kind != "density"]
        sorts = [s for s in _SORTS if not gallery.why_no_sort(s[1])]
        page.show_sorts(sorts + columns, gallery.sort, gallery.descending)
        page.show_looks(gallery.picture, gallery.tile_px)

    def show_moved(self) -> None:
        """Show where the keyboard is, and what is chosen."""
        self._page.grid.show_current(self._gallery.current)
        if self._page.isVisible():
            self._gallery.point(-1)

    def show_looks(self) -> None:
        """Show other pictures, or larger ones."""
        self._page.show_looks(self._gallery.picture, self._gallery.tile_px)
        self._page.grid.repaint_all()
        self.show_words()

    def on_sets(self) -> None:
        """Show the marks, and how far the pass is; what is listed stays where it is."""
        self._page.show_subjects(self._gallery.subjects(), self._gallery.subject)
        self._page.grid.repaint_all()
        self.show_words()

    def on_filter(self) -> None:
        """List what passes the filters now."""
        if self._page.isVisible():
            self._gallery.refresh()

    def show_words(self) -> None:
        """Say how far the pass is."""
        why = "" if self._gallery.has_marks else "Keep or reject images first (K, X)"
        words, store = self._gallery.words, self._state.store
        if self._gallery.picture == "residual" and store is not None and store.has_thumbnails:
            words = f"{words} · residual: {range_words(self._residual_reach())}"
        self._page.show_words(words, why)

    # --- hands ---------------------------------------------------------------------------------
    def choose_subject(self, subject: Subject) -> None:
        """List other images; the keyboard goes to them."""
        self._gallery.show(subject)
        self._page.grid.setFocus()

    def choose_sort(self, key: str, descending: bool) -> None:
        """Sort otherwise; the keyboard goes to the images."""
        self._gallery.sort_by(key, descending)
        self._page.grid.setFocus()

    def choose_picture(self, name: str) -> None:
        """Draw another picture of each image."""
        picture = next(kind for kind in PICTURES if kind == name)
        self._gallery.set_looks(picture=picture)
        self._page.grid.setFocus()

    def mark(self, mark: str) -> None:
        """Keep, reject or take back."""
        if mark:
            self._gallery.mark(mark)
        else:
            self._gallery.take_back()

    def zoom(self, steps: int) -> None:
        """Draw the images larger or smaller."""
        self._gallery.set_looks(tile_px=round(self._gallery.tile_px * _ZOOM**steps))

    def go_to_probe(self, place: int) -> None:
        """Put the probe on an image of the list."""
        if 0 <= place < len(self._gallery.order):
            self._state.go_to_image(int(self._gallery.order[place]))

    def go_to_image(self, number: int) -> None:
        """Put the keyboard on an image where the gallery lists it."""
        self._gallery.go_to_image(number)

    def on_hovered(self, place: int) -> None:
        """Point to the image under the cursor on the plane, else to the current one."""
        order = self._gallery.order
        self._gallery.point(int(order[place]) if 0 <= place < len(order) else -1)

    def on_hovered_on_plane(self, answer: Thumbnails) -> None:
        """Light the image under the cursor of the plane."""
        self._page.grid.light(int(answer.indices[0]))

    def leave(self) -> None:
        """Point to no image any more: the gallery was put away."""
        self._gallery.pointed.emit(-1)
        self.originals.drop()

    def light_none(self) -> None:
        """Light no image."""
        self._page.grid.light(-1)

    # --- looks ---------------------------------------------------------------------------------
    def _flags(self, numbers: Array) -> Flags:
        kept, rejected = self._state.marks_of(numbers)
        return Flags(self._gallery.chosen[numbers], kept, rejected)

    def _looks(self, numbers: Array) -> Tiles:
        picture = self._gallery.picture
        store = self._state.store
        if store is None or not store.has_thumbnails:
            return Tiles(*self._tiles.tiles("raw", numbers), self._tones.level_table())
        if picture in ("raw", "upright"):
            table = self._tones.thumbnail_table()
            behind = self.originals.pictures(picture, numbers, table)
            return Tiles(*self._tiles.tiles(picture, numbers), table, behind)
        return self._decoded_looks(numbers, picture == "residual")

    def _decoded_looks(self, numbers: Array, residual: bool) -> Tiles:
        """Return decoded images, from the atlas until they come, or what they leave unexplained."""
        rows, there = self._tiles.tiles("upright", numbers)
        values, known = self._values(numbers, rows.shape[1:])
        table = self._tones.level_table()
        if not residual:
            return Tiles(to_bytes(values, *self._tones.contrast), known, table)
        store = self._state.store
        assert store is not None
        low, high = store.thumbnail_range
        left = rows.astype(np.float32) * ((high - low) / 255) + low - values
        left = left.mean(axis=-1) if left.ndim == 4 else left
        reach = self._residual_reach()
        table = self._tones.signed_table()
        return Tiles(to_bytes(left, -reach, reach), known & there, table)

    def _residual_reach(self) -> float:
        """Return what is left over where its colour is at full strength."""
        store = self._state.store
        assert store is not None
        low, high = store.thumbnail_range
        black, white = (v / 255 * (high - low) for v in self._tones.thumbnails)
        return 0.5 * (white - black)

    def _values(self, numbers: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
        values = np.zeros((len(numbers), *shape), np.float32)
        known = np.zeros(len(numbers), dtype=bool)
        wanted = numbers.tolist()
        missing = [number for number in wanted if number not in self._decoded]
        if missing:
            self._ask(missing, shape[0])
            self._blend_into(numbers, values, known)
        for k, number in enumerate(wanted):
            image = self._decoded.get(number)
            if image is not None and image.shape == shape:
                values[k], known[k] = image, True
        return values, known

    def _blend_into(self, numbers: Array, values: Array, known: Array) -> None:
        store = self._state.store
        assert store is not None
        atlas = store.atlas
        if atlas is None or atlas.plane != "z" or store.z_dim > 2:
            return
        if atlas.images.shape[2:] == values.shape[1:]:
            z = store.z_mean[numbers]
            y = z[:, 1] if store.z_dim == 2 else np.full(len(z), atlas.y[0])
            values[:] = blend(atlas, z[:, 0], y)
            known[:] = True

    def _ask(self, missing: list[int], side: int) -> None:
        if self._asked == set(missing) or self._state.store is None:
            return
        self._asked = set(missing)
        some = np.array(missing, np.int64)
        self._decoder.ask_many(GALLERY, self._state.store.z_mean[some], some, side)

    def on_decoded(self, answer: DecodedMany) -> None:
        """Keep the decoded images and draw them."""
        if len(self._decoded) > _MOST_DECODED:
            self._decoded.clear()
        self._decoded.update(zip(answer.tag.tolist(), answer.images, strict=True))
        self._asked.clear()
        self._page.grid.repaint_all()

    def _forget_decoded(self) -> None:
        self._decoded.clear()
        self._asked.clear()

    @property
    def why_no_thumbnails(self) -> str:
        """Return why nothing can be drawn; empty when it can."""
        store = self._state.store
        return NO_THUMBNAILS if store is not None and not store.has_thumbnails else ""
