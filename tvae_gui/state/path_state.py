"""A path on the plane: anchors or a freehand line, and a playhead that runs along it."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from tvae_core.analysis.trajectory import polyline, smoothed

Array = NDArray[np.floating]
Mode = Literal["once", "loop", "back and forth"]
FRAMES = 60


class PathState:
    """The path. Signals: changed, head_moved."""

    changed: ClassVar[Signal] = Signal()
    head_moved: ClassVar[Signal] = Signal()

    def __init__(self) -> None:
        self.anchors: Array = np.empty((0, 2))
        self._drawn: Array | None = None
        self.frames = FRAMES
        self.frame = 0
        self.playing = False
        self.mode: Mode = "back and forth"
        self.frames_per_second = 20.0
        self._forward = True

    def add_anchor(self, x: float, y: float) -> None:
        """Lead the path on to a place."""
        self._drawn = None
        self.anchors = np.vstack([self.anchors, [x, y]])
        self.frame = 0
        self.changed.emit()

    def draw(self, points: Array) -> None:
        """Follow a freehand line (P, 2)."""
        self._drawn = np.asarray(points, dtype=float)
        self.anchors = self._drawn[[0, -1]] if len(self._drawn) > 1 else self._drawn
        self.frame = 0
        self.changed.emit()

    def clear(self) -> None:
        """Forget the path."""
        self.anchors, self._drawn, self.frame, self.playing = np.empty((0, 2)), None, 0, False
        self.changed.emit()

    @property
    def exists(self) -> bool:
        """Whether there is a path to play."""
        return len(self.anchors) > 1

    def places(self) -> Array:
        """Return the place of every frame, (frames, 2), evenly spaced along the path."""
        if self._drawn is not None and len(self._drawn) > 3:
            return np.asarray(smoothed(self._drawn, self.frames, 0.03))
        if not len(self.anchors):
            return np.empty((0, 2))
        return np.asarray(polyline(self.anchors, self.frames))

    @property
    def head(self) -> tuple[float, float] | None:
        """Where the playhead is; None without a path."""
        if not self.exists:
            return None
        x, y = self.places()[min(self.frame, self.frames - 1)]
        return float(x), float(y)

    def go_to(self, frame: int) -> None:
        """Put the playhead on a frame."""
        self.frame = int(np.clip(frame, 0, self.frames - 1))
        self.head_moved.emit()

    def set_frames(self, frames: int) -> None:
        """Play the path in that many frames."""
        self.frames = max(2, frames)
        self.frame = min(self.frame, self.frames - 1)
        self.changed.emit()

    def play(self, playing: bool) -> None:
        """Start or stop playing; from the beginning when it stood at the end."""
        self.playing = playing and self.exists
        if self.playing and self.mode == "once" and self.frame >= self.frames - 1:
            self.frame = 0
        self._forward = True
        self.changed.emit()

    def step(self) -> None:
        """Go on by one frame as the mode says."""
        last = self.frames - 1
        if self.mode == "loop":
            self.frame = (self.frame + 1) % self.frames
        elif self.mode == "once":
            self.frame = min(self.frame + 1, last)
            if self.frame == last:
                self.playing = False
                self.changed.emit()
        else:
            self._forward = self.frame < last if self._forward else self.frame <= 0
            self.frame += 1 if self._forward else -1
        self.head_moved.emit()
