"""What is known of a field of many objects: its picks, their edits, the one chosen. No Qt.

Places are columns and rows of the file's pixels, from the top left corner of the first one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from tvae_core.analysis.picks import Calibration, FieldPicks, Picks
from tvae_gui.state.field_edits import Edits, Place
from tvae_gui.state.field_image import FieldImage
from tvae_gui.state.undo import Step, UndoStack

Array = NDArray[Any]
SEEN, FILE, DRAWN = "as the model sees it", "as it lies in the file", "as the model draws it"
LOOKS = (SEEN, FILE, DRAWN)


class FieldState:
    """What the card of fields shows; what is changed by hand is on the stack of undo.

    Signals: fields_changed, looks_changed (another image, or another picture of it),
    picks_changed (threshold or edits), pick_chosen, edits_changed: something to be kept.
    """

    fields_changed: ClassVar[Signal] = Signal()
    looks_changed: ClassVar[Signal] = Signal()
    picks_changed: ClassVar[Signal] = Signal()
    pick_chosen: ClassVar[Signal] = Signal()
    edits_changed: ClassVar[Signal] = Signal()

    def __init__(self, stack: UndoStack | None = None) -> None:
        self._stack = stack if stack is not None else UndoStack()
        self._edits: Mapping[tuple[str, int], Edits] = {}
        self._forget()

    def _forget(self) -> None:
        self.path = ""
        self.calibration: Calibration | None = None
        self.fields: tuple[FieldPicks, ...] = ()
        self.image = 0
        self.threshold = 0.5
        self.look = SEEN
        self.contrast: tuple[float, float] | None = None
        self.pixel_size_angstrom: float | None = None
        self.chosen: int | None = None
        self._read: dict[tuple[int, Place], Picks] = {}
        self._looks: dict[str, FieldImage] = {}

    def show(self, path: str, calibration: Calibration, fields: tuple[FieldPicks, ...]) -> None:
        """Take what was found in the images of a file; the threshold is the calibration's.

        What was changed by hand in the same file before stays changed.
        """
        self._forget()
        self.path, self.calibration, self.fields = path, calibration, fields
        self.threshold = calibration.confidence.threshold
        self.fields_changed.emit()

    def clear(self) -> None:
        """Forget the field, and what was changed by hand."""
        self._forget()
        self._edits = {}
        self.fields_changed.emit()

    def go_to(self, image: int) -> None:
        """Show another image of the file."""
        if 0 <= image < len(self.fields):
            self.image, self.chosen, self.contrast = image, None, None
            self._looks.clear()
            self.looks_changed.emit()
            self.picks_changed.emit()

    def set_threshold(self, confidence: float) -> None:
        """Show the picks of this confidence and above."""
        self.threshold, self.chosen = confidence, None
        self.picks_changed.emit()

    # --- the picture -----------------------------------------------------------------------------
    def set_look(self, look: str) -> None:
        """Show the field as the model sees it, as it lies in the file, or as it is drawn."""
        self.look, self.contrast = look, None
        self.looks_changed.emit()

    def set_contrast(self, bounds: tuple[float, float] | None) -> None:
        """Show other values black and white; None shows those that suit the image."""
        self.contrast = bounds
        self.looks_changed.emit()

    @property
    def wants_pixels(self) -> bool:
        """Whether the pixels of the file are to be shown and have not been read."""
        return self.look == FILE and FILE not in self._looks and bool(self.fields)

    def set_pixels(self, image: int, values: Array, pixel_size_angstrom: float | None) -> None:
        """Take the pixels (H, W[, 3]) of an image as they lie in the file."""
        self.pixel_size_angstrom = pixel_size_angstrom
        if image == self.image:
            self._looks[FILE] = FieldImage(values)
            self.looks_changed.emit()

    @property
    def field(self) -> FieldPicks | None:
        """The image on show."""
        return self.fields[self.image] if self.fields else None

    @property
    def picture(self) -> FieldImage | None:
        """What is shown of the image; as the model sees it until its pixels have been read."""
        field = self.field
        if field is None:
            return None
        for look, values in ((SEEN, field.values), (DRAWN, field.drawn)):
            if look not in self._looks and look in (self.look, SEEN):
                self._looks[look] = FieldImage(_channels_last(values))
        return self._looks.get(self.look, self._looks[SEEN])

    @property
    def levels(self) -> tuple[float, float]:
        """The values shown black and white."""
        picture = self.picture
        if self.contrast is not None or picture is None:
            return self.contrast or (0.0, 1.0)
        return self._looks[SEEN].levels if self.look == DRAWN else picture.levels

    # --- the picks -------------------------------------------------------------------------------
    def _edits_of(self, image: int) -> Edits:
        return self._edits.get((self.path, image), Edits())

    def _shown(self, field: FieldPicks, threshold: float) -> Picks:
        read = {
            place: picks for (image, place), picks in self._read.items() if image == field.image
        }
        return self._edits_of(field.image).shown(field.picks, field.image, threshold, read)

    @property
    def picks(self) -> Picks | None:
        """The picks on show."""
        field = self.field
        return None if field is None else self._shown(field, self.threshold)

    @property
    def edited(self) -> tuple[FieldPicks, ...]:
        """All images with the picks that are left of them: those found, and those placed."""
        return tuple(replace(field, picks=self._shown(field, 0.0)) for field in self.fields)

    def circles(self) -> Array:
        """Return column, row and radius of each pick on show, (n, 3), in pixels of the file."""
        field, picks = self.field, self.picks
        if field is None or picks is None:
            return np.zeros((0, 3))
        column, row = picks.pixels(*field.raw_shape)
        return np.stack([column + 0.5, row + 0.5, np.full(len(picks), field.radius_px)], 1)

    def choose_at(self, column: float, row: float) -> None:
        """Choose the pick whose circle holds a place; none elsewhere."""
        circles = self.circles()
        self.chosen = None
        self._stack.end_gesture()
        if len(circles):
            away = np.hypot(circles[:, 0] - column, circles[:, 1] - row)
            nearest = int(away.argmin())
            if away[nearest] <= circles[nearest, 2]:
                self.chosen = nearest
        self.pick_chosen.emit()

    def step(self, by: int) -> None:
        """Choose the next pick, or the one before."""
        picks = self.picks
        self._stack.end_gesture()
        if picks is not None and len(picks):
            first = 0 if by > 0 else len(picks) - 1
            self.chosen = first if self.chosen is None else (self.chosen + by) % len(picks)
            self.pick_chosen.emit()

    # --- changed by hand -------------------------------------------------------------------------
    def add_at(self, column: float, row: float) -> None:
        """Place a pick, and choose it."""
        place = self._place(column, row)
        if place is not None and place not in self._edits_of(self.image).added:
            self._change("add a pick", self._edits_of(self.image).with_place(place))
            self._choose(place)

    def move_chosen(self, column: float, row: float, gesture: str = "") -> None:
        """Put the chosen pick somewhere else; the steps of one `gesture` are taken back as one."""
        before, place = self._chosen_place(), self._place(column, row)
        if before is not None and place is not None and place != before:
            self._change("move a pick", self._edits_of(self.image).moved(before, place), gesture)
            self._choose(place)

    def nudge_chosen(self, columns: float, rows: float) -> None:
        """Move the chosen pick by some pixels."""
        if self.chosen is not None:
            column, row, _ = self.circles()[self.chosen]
            self.move_chosen(column + columns, row + rows, "nudge a pick")

    def delete_chosen(self) -> None:
        """Take the chosen pick away; the next one is chosen."""
        place, number = self._chosen_place(), self.chosen
        if place is None or number is None:
            return
        self._change("delete a pick", self._edits_of(self.image).without(place))
        left = 0 if self.picks is None else len(self.picks)
        self.chosen = min(number, left - 1) if left else None
        self.pick_chosen.emit()

    def unread(self) -> list[Place]:
        """Return the places of the image on show where the encoder has not looked yet."""
        added = self._edits_of(self.image).added
        return [place for place in added if (self.image, place) not in self._read]

    def take_read(self, image: int, places: list[Place], picks: Picks) -> None:
        """Take what the encoder saw at places of an image."""
        for number, place in enumerate(places):
            self._read[image, place] = picks.chosen(np.array([number]))
        if image == self.image and self.fields:
            self.picks_changed.emit()
            self.pick_chosen.emit()

    def _place(self, column: float, row: float) -> Place | None:
        """Return a place as picks have it; None outside of the image."""
        if self.field is None:
            return None
        height, width = self.field.raw_shape
        inside = 0 <= column < width and 0 <= row < height
        return (float(column - width / 2), float(height / 2 - row)) if inside else None

    def _chosen_place(self) -> Place | None:
        picks = self.picks
        if picks is None or self.chosen is None:
            return None
        x, y = picks.place_px[self.chosen]
        return float(x), float(y)

    def _choose(self, place: Place) -> None:
        if self.picks is not None:
            away = np.abs(self.picks.place_px - np.array(place)).sum(axis=1)
            self.chosen = int(away.argmin())
            self.pick_chosen.emit()

    def _change(self, words: str, edits: Edits, gesture: str = "") -> None:
        before = self._edits
        after = {**before, (self.path, self.image): edits}
        self._put(after)
        self._stack.push(Step(words, lambda: self._put(before), lambda: self._put(after), gesture))

    def _put(self, edits: Mapping[tuple[str, int], Edits]) -> None:
        self._edits, self.chosen = edits, None
        self.picks_changed.emit()
        self.edits_changed.emit()

    # --- kept with the view ----------------------------------------------------------------------
    def kept(self) -> list[dict[str, Any]]:
        """Return what was changed by hand, ready for JSON."""
        return [
            {"path": path, "image": image, **edits.kept()}
            for (path, image), edits in self._edits.items()
            if edits != Edits()
        ]

    def restore(self, kept: Any) -> None:
        """Take what `kept` returned; what it did not write is left out. It is no step."""
        try:
            self._edits = {
                (str(one["path"]), int(one["image"])): Edits.of_kept(one) for one in kept
            }
        except (KeyError, TypeError, ValueError):
            self._edits = {}
        self.picks_changed.emit()


def _channels_last(values: Array) -> Array:
    """Return (C, h, w) as (h, w), or (h, w, 3)."""
    return values[0] if len(values) == 1 else np.moveaxis(values, 0, -1)
