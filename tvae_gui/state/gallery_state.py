"""What the gallery shows: which images in which order, those chosen, and the pass with K and X.

Plain Python with signals; no Qt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from tvae_core.words import count
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.made_state import KEPT, REJECTED
from tvae_gui.state.ordering import order_of

Array = NDArray[Any]
Kind = Literal["shown", "selection", "unmarked", "set", "cluster"]
Picture = Literal["raw", "upright", "decoded", "residual"]
PICTURES: tuple[Picture, ...] = ("raw", "upright", "decoded", "residual")
FILE_ORDER, PROBE, OUTLYING = "", "distance to the probe", "least like its cluster"
SMALLEST_PX, LARGEST_PX = 32, 256


@dataclass(frozen=True)
class Subject:
    """Which images: all that pass the filters, the selection, a set, a cluster, those unmarked."""

    kind: Kind = "shown"
    name: str = ""
    number: int = 0


class GalleryState:
    """The images listed, their order, the one with the keyboard and those chosen.

    Signals: listed (which images, or their order), moved (the current image or those chosen),
    looks_changed (what is drawn of an image, or its size), pointed(number or -1) at an image that
    the plane is to show.
    """

    listed: ClassVar[Signal] = Signal()
    moved: ClassVar[Signal] = Signal()
    looks_changed: ClassVar[Signal] = Signal()
    pointed: ClassVar[Signal] = Signal(int)

    def __init__(self, state: ExplorerState) -> None:
        self._state = state
        self.tile_px = 96
        self.picture: Picture = "upright"
        self._trail: list[int] = []
        self._begin()

    def _begin(self) -> None:
        self.subject = Subject()
        self.sort, self.descending = FILE_ORDER, False
        self.order: Array = np.empty(0, np.int64)
        self._listed: Array = np.zeros(self._state.images, dtype=bool)
        self.chosen: Array = np.zeros(self._state.images, dtype=bool)
        self.current = 0
        self._anchor = 0
        self._trail.clear()

    def open(self) -> None:
        """Begin with the store of the explorer."""
        self._begin()
        self.refresh()

    # --- which images --------------------------------------------------------------------------
    def subjects(self) -> list[tuple[str, Subject, int]]:
        """Return what can be listed: words, what it is, and how many images."""
        state = self._state
        shown = state.images if state.visible is None else int(np.count_nonzero(state.visible))
        words = "all images" if state.visible is None else "all that pass the filters"
        found = [(words, Subject(), shown)]
        if state.present.count:
            found.append(("the selection", Subject("selection"), state.present.count))
        found += [(s.name, Subject("set", s.name), s.count) for s in state.sets]
        marked = sum(s.count for s in state.sets if s.name in (KEPT, REJECTED))
        if marked:
            found.append(("not yet marked", Subject("unmarked"), state.images - marked))
        clusters = state.clusters
        if clusters is not None:
            sizes = np.bincount(clusters.labels[clusters.labels >= 0], minlength=1)
            for number, name in enumerate(clusters.names):
                size = int(sizes[number]) if number < len(sizes) else 0
                found.append((name, Subject("cluster", name, number), size))
        return found

    def mask(self, subject: Subject) -> Array:
        """Return the images of a subject that pass the filters, (N,) bool."""
        state = self._state
        mask = self._whole(subject)
        return mask if state.visible is None else mask & state.visible

    def _whole(self, subject: Subject) -> Array:
        state = self._state
        if subject.kind == "selection":
            return state.present.mask
        if subject.kind == "set":
            named = state.named_set(subject.name)
            return np.zeros(state.images, dtype=bool) if named is None else named.mask
        if subject.kind == "cluster" and state.clusters is not None:
            return np.asarray(state.clusters.labels == subject.number)
        mask = np.ones(state.images, dtype=bool)
        if subject.kind == "unmarked":
            for named in state.sets:
                if named.name in (KEPT, REJECTED):
                    mask &= ~named.mask
        return mask

    def show(self, subject: Subject) -> None:
        """List other images, from the first one."""
        self.subject = subject
        self.current = self._anchor = 0
        self.refresh()

    def refresh(self) -> None:
        """List the images again; the current one stays so where it is still listed."""
        before = self.number
        if len(self.chosen) != self._state.images:
            self.chosen = np.zeros(self._state.images, dtype=bool)
        self._listed = self.mask(self.subject)
        numbers = np.flatnonzero(self._listed)
        self.order = self._sorted(numbers)
        self.current = self._anchor = max(0, self._place_of(before))
        self.listed.emit()
        self.moved.emit()

    # --- in which order ------------------------------------------------------------------------
    def sort_by(self, key: str, descending: bool) -> None:
        """Sort by a column, by the distance to the probe, or by how little like its cluster."""
        self.sort, self.descending = key, descending
        self.refresh()

    def why_no_sort(self, key: str) -> str:
        """Return why one cannot sort by `key`; empty when one can."""
        if key == OUTLYING and self._state.clusters is None:
            return "Find clusters first (K on the plane)"
        return ""

    def _sorted(self, numbers: Array) -> Array:
        """Return numbers in order; those without a value come last either way."""
        if self.sort == FILE_ORDER or self.why_no_sort(self.sort):
            return numbers[::-1] if self.descending and self.sort == FILE_ORDER else numbers
        values = self._values()
        if len(numbers) < len(values):
            values = values[numbers]
        order = order_of(values, self.descending)
        return order if len(numbers) == self._state.images else np.asarray(numbers[order])

    def _values(self) -> Array:
        state = self._state
        if self.sort == PROBE:
            assert state.probe is not None
            assert state.nearness is not None
            return state.nearness.distance(state.probe.z)
        if self.sort == OUTLYING:
            return self._outlying()
        return state.values(self.sort)

    def _outlying(self) -> Array:
        """Return how far each image is from the mean of its cluster; NaN for those in none."""
        clusters, store, nearness = self._state.clusters, self._state.store, self._state.nearness
        assert clusters is not None
        assert store is not None
        assert nearness is not None
        valid = clusters.labels >= 0
        labels, points = clusters.labels[valid], nearness.whiten(store.z_mean[valid])
        sizes = np.maximum(np.bincount(labels, minlength=1), 1)
        means = np.stack([np.bincount(labels, column) / sizes for column in points.T], 1)
        away = np.full(len(clusters.labels), np.nan, np.float32)
        scaled = points - means[labels]
        away[valid] = np.sqrt(np.einsum("nd,nd->n", scaled, scaled))
        return away

    # --- the current image, and those chosen ---------------------------------------------------
    @property
    def number(self) -> int:
        """The number of the current image; -1 when there is none."""
        return int(self.order[self.current]) if self.current < len(self.order) else -1

    def _place_of(self, number: int) -> int:
        """Return where an image stands in the list, -1 where it is not listed."""
        found = np.flatnonzero(self.order == number)
        return int(found[0]) if len(found) else -1

    def step(self, by: int, extend: bool = False) -> None:
        """Move the keyboard by some images; with `extend` choose all up to there."""
        if len(self.order):
            self.go_to(min(max(self.current + by, 0), len(self.order) - 1), extend)

    def go_to(self, place: int, extend: bool = False, toggle: bool = False) -> None:
        """Go to a place of the list, as a click does: alone, with Shift, or with Ctrl.

        Alone, nothing but the image is chosen. With Shift all from the last place gone to are
        chosen too; with Ctrl this one is chosen besides the others, or no longer.
        """
        if not 0 <= place < len(self.order):
            return
        number = int(self.order[place])
        if extend:
            low, high = sorted((self._anchor, place))
            if not toggle:
                self.chosen[:] = False
            self.chosen[self.order[low : high + 1]] = True
        elif toggle:
            self.chosen[number] = not self.chosen[number]
        else:
            self.chosen[:] = False
        if not extend:
            self._anchor = place
        self.current = place
        self.moved.emit()

    def go_to_image(self, number: int) -> None:
        """Put the keyboard on an image by its number where it is listed; what is chosen stays."""
        place = self._place_of(number)
        if place >= 0:
            self.current = self._anchor = place
            self.moved.emit()

    def choose_all(self) -> None:
        """Choose all images listed."""
        self.chosen[self.order] = True
        self.moved.emit()

    def choose_none(self) -> None:
        """Choose none."""
        self.chosen[:] = False
        self.moved.emit()

    @property
    def picked(self) -> Array:
        """Numbers of the images an action is for: those chosen, else the current one."""
        found = np.flatnonzero(self.chosen)
        if len(found):
            return found
        return np.array([self.number] if self.number >= 0 else [], np.int64)

    def select_on_plane(self) -> None:
        """Make the images chosen the selection of the plane."""
        picked = self.picked
        if len(picked):
            rule = {"kind": "indices", "indices": picked.tolist()}
            self._state.select(rule)

    def point(self, number: int) -> None:
        """Point to an image on the plane; -1 to the current one."""
        self.pointed.emit(number if number >= 0 else self.number)

    # --- keep, reject, take back ---------------------------------------------------------------
    def mark(self, mark: str) -> None:
        """Keep or reject the images chosen, else the current one and go to the next."""
        alone = not self.chosen.any()
        if alone and self.number < 0:
            return
        self._state.mark_images(self.picked if alone else self.chosen, mark)
        if alone:
            self._trail.append(self.number)
            self.step(1)
        else:
            self.moved.emit()

    def take_back(self) -> None:
        """Take the marks of the images chosen back, else that of the current one.

        Where the current image has no mark, the last one marked loses its own: so U right after K
        takes that K back.
        """
        kept, rejected = self._state.marks_of(self.picked)
        if not (kept | rejected).any() and not self.chosen.any() and self._trail:
            place = self._place_of(self._trail.pop())
            if place >= 0:
                self.go_to(place)
        if len(self.picked):
            self._state.mark_images(self.picked, "")
            self.moved.emit()

    @property
    def has_marks(self) -> bool:
        """Whether any image of the store is marked."""
        return any(named.count for named in self._state.sets if named.name in (KEPT, REJECTED))

    @property
    def words(self) -> str:
        """How far the pass is, in words."""
        sets = (self._state.named_set(name) for name in (KEPT, REJECTED))
        done, turned = (
            0 if s is None else int(np.count_nonzero(s.mask & self._listed)) for s in sets
        )
        rest = len(self.order) - done - turned
        return f"{count(done)} kept · {count(turned)} rejected · {count(rest)} undecided"

    # --- looks ---------------------------------------------------------------------------------
    def set_looks(self, picture: Picture | None = None, tile_px: int | None = None) -> None:
        """Draw another picture of each image, or draw them larger."""
        self.picture = picture or self.picture
        if tile_px is not None:
            self.tile_px = min(max(tile_px, SMALLEST_PX), LARGEST_PX)
        self.looks_changed.emit()
