"""Class averages of the selection, of sets and of clusters: asked for, shown, saved."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtGui import QImage

from tvae_core.analysis.averages import soft_circle
from tvae_core.colours import class_colours
from tvae_core.export.classes import WIENER
from tvae_core.images_of import images_are_there
from tvae_core.selection import NamedSet
from tvae_core.words import count, figure
from tvae_core.work.average import Averaged, AverageRequest
from tvae_gui.cards.average.average_drawer import AverageChoice, AverageDrawer, AverageRow
from tvae_gui.cards.average.frc_chart import RingCurve
from tvae_gui.context import Context
from tvae_gui.widgets.image_panel import picture_of

if TYPE_CHECKING:
    from tvae_core.analysis.class_averages import AveragedClass
    from tvae_core.export.class_averages import WrittenAverages

Array = NDArray[Any]
Source = tuple[str, str]
SELECTION: Source = ("selection", "")
CLUSTERS: Source = ("clusters", "")
ALL: Source = ("all", "")
_SETS = "sets"
_SELECTED = "averaged selection"
_CURVES = 6  # drawn at once when no row is picked


class AveragePresenter:
    """Runs averages in the background and shows them on their drawer."""

    def __init__(self, context: Context, drawer: AverageDrawer) -> None:
        self._state, self._drawer = context.state, drawer
        self._decoder, self._messages = context.make_decoder, context.messages
        self._session = context.session
        self._job = context.card_job(drawer)
        self._inks: list[str] = []
        self.request: AverageRequest | None = None
        self.averaged: Averaged | None = None

    def open_set(self, name: str) -> None:
        """Show the card with a set to average."""
        self.open((_SETS, name))

    def open(self, chosen: Source | None = None) -> None:
        """Show the card, with `chosen` (or the selection, or the clusters) to average."""
        store = self._state.store
        if store is None:
            return
        entries = self._entries()
        keys = [data for _, data, _ in entries]
        if not self._drawer.isVisible():
            flipped = store.header.config.data.phase_flip
            self._drawer.show_correction("flip" if flipped else "none")
        self._drawer.show_sources(entries, keys.index(chosen) if chosen in keys else 0)
        self._drawer.show_source_row(not images_are_there(store))
        self._drawer.show_target(store.path.parent / "averages.mrcs")
        self._drawer.open_drawer()

    def forget(self) -> None:
        """Drop what is shown: another store, or none."""
        self.averaged = None
        self._drawer.show_rows([])
        self._drawer.close_drawer()

    def _entries(self) -> list[tuple[str, Any, int]]:
        state = self._state
        found: list[tuple[str, Any, int]] = []
        if state.selection.count:
            found.append(("the selection", SELECTION, state.selection.count))
        if state.clusters is not None:
            images = int((state.clusters.labels >= 0).sum())
            words = f"each of {count(len(state.clusters.names), 'cluster')}"
            found.append((words, CLUSTERS, images))
        if len(state.sets) > 1:
            images = sum(s.count for s in state.sets)
            found.append((f"each of {count(len(state.sets), 'set')}", (_SETS, ""), images))
        found += [(s.name, (_SETS, s.name), s.count) for s in state.sets]
        return [*found, ("all images", ALL, state.images)]

    # --- averaging -----------------------------------------------------------------------------
    def run(self, choice: AverageChoice) -> None:
        """Average in the background."""
        store = self._state.store
        if store is None or self._job.is_running:
            return
        if choice.source == SELECTION:
            self._keep_selection()
        self._session.save()  # the request reads sets and clusters from there
        images, self._inks = self._images_and_inks(choice.source)
        self.request = request = self._request(choice)
        self._job.run(
            "averages",
            lambda progress, cancelled: request.average(progress, cancelled, self._decoder),
            self._on_done,
            words=f"Averaging {count(images, 'image')} …",
        )

    def cancel(self) -> None:
        """Stop averaging; a file that is being written is written to its end."""
        self._job.cancel()

    def _keep_selection(self) -> None:
        """Keep the selection as a set, so that the command can repeat it."""
        name = self._state.free_set_name(_SELECTED)
        if self._state.named_set(name) is None:
            self._state.add_set(name, "saved for its average")
            self._session.touch()

    def _request(self, choice: AverageChoice) -> AverageRequest:
        state, (kind, name) = self._state, choice.source
        assert state.store is not None
        named: tuple[str, ...] = ()
        if choice.source == SELECTION:
            named = (state.free_set_name(_SELECTED),)
        elif kind == _SETS:
            named = tuple(s.name for s in self._sets(name))
        return AverageRequest(
            store=Path(state.store.path),
            output=Path(self._drawer.target.text()).expanduser(),
            named_sets=named,
            labels=state.clustering if choice.source == CLUSTERS else None,
            realign=choice.realign,
            flip=choice.correction == "flip",
            no_flip=choice.correction == "none",
            wiener=WIENER if choice.correction == "wiener" else None,
            model_size=choice.model_size,
            images_at=choice.images_at,
        )

    def _sets(self, name: str) -> list[NamedSet]:
        """Return the set of that name, or all, but for empty ones."""
        return [s for s in self._state.sets if s.count and name in ("", s.name)]

    def _images_and_inks(self, source: Source) -> tuple[int, list[str]]:
        """Return how many images are averaged, and the colours their classes have elsewhere."""
        state, (kind, name) = self._state, source
        if source == CLUSTERS and state.clusters is not None:
            labels = state.clusters.labels[state.clusters.labels >= 0]
            return len(labels), [state.clusters.colours[n] for n in np.unique(labels)]
        if kind == _SETS:
            sets = self._sets(name)
            return sum(s.count for s in sets), [s.colour for s in sets]
        images = state.selection.count if source == SELECTION else state.images
        return images, list(class_colours(1))

    def _on_done(self, averaged: Averaged) -> None:
        self.averaged = averaged
        words = _words(averaged)
        self._drawer.show_running(False, words)
        pixel = averaged.pixel_size_angstrom
        self._drawer.show_rows(
            [
                _row(average, name, pixel)
                for name, average in zip(averaged.names, averaged.averages, strict=True)
            ]
        )
        self.show_curves([])
        if self.request is not None:
            self._drawer.show_command(self.request.shell_line())

    # --- what is shown -------------------------------------------------------------------------
    def show_curves(self, picked: list[int]) -> None:
        """Draw the ring correlations of the classes picked, or of the first few."""
        averaged = self.averaged
        if averaged is None:
            return
        numbers = picked or range(min(_CURVES, len(averaged.averages)))
        curves = []
        for number in numbers:
            ring = averaged.averages[number].honest.curve
            name = averaged.names[number]
            curves.append(RingCurve(name, ring.frequency, ring.correlation, self._inks[number]))
        self._drawer.chart.show_curves(curves, averaged.pixel_size_angstrom)

    # --- saving --------------------------------------------------------------------------------
    def save(self, target: Path, overwrite: bool) -> None:
        """Write averages, deviations and table in the background."""
        averaged, request = self.averaged, self.request
        if averaged is None or request is None:
            return
        written = request.model_copy(update={"output": target, "overwrite": overwrite})
        self._drawer.show_command(written.shell_line())
        self._job.run(
            f"save {target.name}",
            lambda *_: written.save(averaged),
            self._on_saved,
            words=f"Writing {target.name} …",
            outlives_store=True,
            stoppable=False,
        )

    def _on_saved(self, done: WrittenAverages) -> None:
        words = f"{count(done.count, 'average')} → {done.stack} and {done.table.name}, verified"
        self._drawer.show_running(False, words)
        self._messages.notice(words)


def _words(averaged: Averaged) -> str:
    pixel = averaged.pixel_size_angstrom
    side = averaged.averages[0].mean.shape[0]
    size = f"{side} px of {figure(pixel, 'Å')}" if pixel else f"{side} px"
    if averaged.size == "thumbnails":
        return f"The original images were not found: averages of the run's thumbnails, {size}."
    return f"{'As the model sees them' if averaged.size == 'model' else 'Original size'}, {size}."


def _row(average: AveragedClass, name: str, pixel: float | None) -> AverageRow:
    length = average.resolution_px() * (pixel or 1.0)
    resolution = figure(length, "Å" if pixel else "px") if math.isfinite(length) else "not resolved"
    return AverageRow(
        _picture(average.mean), _picture(average.std), name, average.count, resolution
    )


def _picture(values: Array) -> QImage:
    inside = values[soft_circle(len(values)) > 0]
    low, high = np.percentile(inside, [0.5, 99.8])
    return picture_of(values, float(low), float(max(high, low + 1e-6)))
