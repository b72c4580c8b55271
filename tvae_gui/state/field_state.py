"""What is known of a field of many objects: its picks, the threshold, the pick chosen. No Qt."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from tvae_core.analysis.picks import Calibration, FieldPicks, Picks

Array = NDArray[np.floating]


class FieldState:
    """What the card of fields shows.

    Signals: fields_changed, picks_changed (threshold or image), pick_chosen.
    """

    fields_changed: ClassVar[Signal] = Signal()
    picks_changed: ClassVar[Signal] = Signal()
    pick_chosen: ClassVar[Signal] = Signal()

    def __init__(self) -> None:
        self.path = ""
        self.calibration: Calibration | None = None
        self.fields: tuple[FieldPicks, ...] = ()
        self.image = 0
        self.threshold = 0.5
        self.drawn = False
        self.chosen: int | None = None

    def show(self, path: str, calibration: Calibration, fields: tuple[FieldPicks, ...]) -> None:
        """Take what was found in the images of a file; the threshold is the calibration's."""
        self.path, self.calibration, self.fields = path, calibration, fields
        self.image, self.chosen, self.drawn = 0, None, False
        self.threshold = calibration.confidence.threshold
        self.fields_changed.emit()

    def clear(self) -> None:
        """Forget the field."""
        self.path, self.calibration, self.fields, self.chosen = "", None, (), None
        self.fields_changed.emit()

    def go_to(self, image: int) -> None:
        """Show another image of the file."""
        if 0 <= image < len(self.fields):
            self.image, self.chosen = image, None
            self.picks_changed.emit()

    def set_threshold(self, confidence: float) -> None:
        """Show the picks of this confidence and above."""
        self.threshold, self.chosen = confidence, None
        self.picks_changed.emit()

    def set_drawn(self, drawn: bool) -> None:
        """Show the objects as the model draws them, or the field."""
        self.drawn = drawn
        self.picks_changed.emit()

    @property
    def field(self) -> FieldPicks | None:
        """The image on show."""
        return self.fields[self.image] if self.fields else None

    @property
    def picks(self) -> Picks | None:
        """The picks on show."""
        field = self.field
        return None if field is None else self._kept(field.picks)

    def _kept(self, picks: Picks) -> Picks:
        return picks.chosen(picks.confidence >= self.threshold)

    def picture(self) -> tuple[Array, float, float] | None:
        """Return the image (h, w[, 3]) to show, and the values shown black and white."""
        field = self.field
        if field is None:
            return None
        low, high = (float(v) for v in np.percentile(field.values, [0.5, 99.5]))
        values = field.drawn if self.drawn else field.values
        shown = values[0] if len(values) == 1 else np.moveaxis(values, 0, -1)
        return shown, low, max(high, low + 1e-6)

    def circles(self) -> Array:
        """Return column, row and radius of each pick on show, (n, 3), as shares of the width."""
        field, picks = self.field, self.picks
        if field is None or picks is None:
            return np.zeros((0, 3))
        height, width = field.raw_shape
        column, row = picks.pixels(height, width)
        radius = np.full(len(picks), field.radius_px)
        return np.stack([column + 0.5, row + 0.5, radius], 1) / width

    def choose_at(self, column: float, row: float) -> None:
        """Choose the pick whose circle holds a place (shares of the width); none elsewhere."""
        circles = self.circles()
        self.chosen = None
        if len(circles):
            away = np.hypot(circles[:, 0] - column, circles[:, 1] - row)
            nearest = int(away.argmin())
            if away[nearest] <= circles[nearest, 2]:
                self.chosen = nearest
        self.pick_chosen.emit()
