"""The walk: a film strip that follows the probe, and what is saved of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.export.movies import why_no_mp4
from tvae_core.words import fixed
from tvae_gui.context import Context
from tvae_gui.jobs.decode_job import WALK, DecodedMany
from tvae_gui.plane.film_strip import FilmStrip
from tvae_gui.state.atlas_view import blend_at
from tvae_gui.state.path_state import PathState
from tvae_gui.state.walk import PATH, frame_of_probe, walk, ways
from tvae_gui.words import NO_MODEL, NO_RUN

Array = NDArray[Any]
Save = Callable[[str, Callable[[int], Array]], None]
_SIDE = 64


class WalkPresenter:
    """Shows a walk on the film strip.

    Parameters
    ----------
    save : callable
        Asks where to and saves: the kind, and what gives z (n, D) of n frames.
    """

    def __init__(self, context: Context, path: PathState, strip: FilmStrip, save: Save) -> None:
        self._state, self._decoder, self._tones = context.state, context.decoder, context.tones
        self._path, self._strip, self._save = path, strip, save
        self._way = ""
        self._asked: Array | None = None
        self._in_flight = False
        strip.set_reason("mp4", why_no_mp4())

    def why_not(self) -> str:
        """Return why there can be no walk; empty when there can."""
        if self._state.store is None:
            return NO_RUN
        return "" if self._decoder.is_ready else NO_MODEL

    def toggle(self) -> None:
        """Show the strip, or put it away."""
        if self._strip.isVisible():
            self._strip.hide()
            return
        self._way = PATH if self._path.exists else self._way
        self._strip.show()
        self.show_ways()

    def show_ways(self) -> None:
        """List what one can walk along now."""
        if not self._strip.isVisible():
            return
        if self._state.store is None:
            self._strip.hide()
            return
        self._strip.show_ways(ways(self._state, self._path), self._way)
        self._way = self._strip.way
        self.show()

    def choose(self, way: str) -> None:
        """Walk along something else."""
        self._way = way
        self.show()

    def on_path(self) -> None:
        """Walk along a path that has just been made; follow one that changes."""
        if self._path.exists and self._way != PATH:
            self._way = PATH
        self.show_ways()

    def show(self) -> None:
        """Show the walk from where the probe is: blended at once, then decoded."""
        if not self._strip.isVisible() or self._state.probe is None or not self._way:
            return
        z = walk(self._state, self._path, self._way, self._strip.room)
        blended = [blend_at(self._state, row, strict=True) for row in z]
        if all(image is not None for image in blended):
            self._put(z, blended)
        if self._in_flight:
            self._asked = z  # asked for when the answer is here: a drag does not starve the strip
        else:
            self._ask(z)

    def _ask(self, z: Array) -> None:
        self._in_flight, self._asked = self._decoder.is_ready, None
        self._decoder.ask_many(WALK, z, z, _SIDE)

    def on_decoded(self, answer: DecodedMany) -> None:
        """Show the exact images, unless the probe has gone on and blended ones are newer."""
        self._in_flight = False
        if self._asked is None or blend_at(self._state, answer.tag[0], strict=True) is None:
            self._put(answer.tag, list(answer.images))
        if self._asked is not None:
            self._ask(self._asked)

    def forget(self) -> None:
        """Expect no answer: another model is being loaded."""
        self._in_flight, self._asked = False, None
        self._strip.show_frames([], np.empty(0), None, "")

    def _put(self, z: Array, images: list[Any]) -> None:
        state = self._state
        if state.nearness is None or not self._way:
            return
        support = state.nearness.supports(z)
        at = frame_of_probe(state, self._path, self._way, len(z))
        pictures = [self._tones.decoded(image) for image in images]
        self._strip.show_frames(pictures, support, at, _words(z, self._way))

    def pick(self, frame: int, frames: int) -> None:
        """Put the probe on a frame."""
        if self._way == PATH:
            self._path.go_to(round(frame / max(frames - 1, 1) * (self._path.frames - 1)))
        elif self._state.probe is not None:
            self._state.set_probe_z(walk(self._state, self._path, self._way, frames)[frame])

    def ask_save(self, kind: str) -> None:
        """Ask where to save the walk."""
        self._save(kind, lambda frames: walk(self._state, self._path, self._way, frames))


def _words(z: Array, way: str) -> str:
    if not way[1:].isdigit():
        return ""
    d = int(way[1:]) - 1
    return f"{fixed(z[0, d])} to {fixed(z[-1, d])}"
