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
from tvae_core.export.classes import Chosen, labelled
from tvae_core.images_of import images_are_there
from tvae_core.words import count, figure
from tvae_gui.cards.average.average_drawer import AverageChoice, AverageDrawer, AverageRow
from tvae_gui.cards.average.frc_chart import RingCurve
from tvae_gui.context import Context
from tvae_gui.jobs.average_job import Averaged, AverageRequest, run_average, save_averages
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
_CURVES = 6  # drawn at once when no row is picked


class AveragePresenter:
    """Runs averages in the background and shows them on their drawer."""

    def __init__(self, context: Context, drawer: AverageDrawer) -> None:
        self._state, self._drawer = context.state, drawer
        self._decoder, self._messages = context.make_decoder, context.messages
        self._job = context.card_job(drawer)
        self._inks: list[str] = []
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
        classes, words = self._classes(choice.source)
        self._inks = self._colours(choice.source, len(classes))
        request = AverageRequest(
            store=Path(store.path),
            classes=tuple(classes),
            size="model" if choice.model_size else None,
            correction=choice.correction,  # type: ignore[arg-type]
            realign=choice.realign,
            images_at=choice.images_at,
            choice=words,
        )
        total = sum(len(c.indices) for c in classes)
        self._job.run(
            "averages",
            lambda progress, cancelled: run_average(request, self._decoder, progress, cancelled),
            self._on_done,
            words=f"Averaging {count(total, 'image')} …",
        )

    def cancel(self) -> None:
        """Stop averaging; a file that is being written is written to its end."""
        self._job.cancel()

    def _classes(self, source: Source) -> tuple[list[Chosen], tuple[str, ...] | None]:
        """Return the classes and the words that name them to the command."""
        state, (kind, name) = self._state, source
        if source == SELECTION:
            return [Chosen("selection", state.selection.indices)], None
        if source == CLUSTERS and state.clusters is not None:
            found = labelled(state.clusters.labels, state.clusters.names)
            return found, ("--labels", self._state.clustering)
        if kind == _SETS:
            sets = [s for s in state.sets if s.count and name in ("", s.name)]
            words = tuple(word for s in sets for word in ("--set", s.name))
            return [Chosen(s.name, s.selection.indices) for s in sets], words
        return [Chosen("all", np.arange(state.images))], ()

    def _colours(self, source: Source, classes: int) -> list[str]:
        """Return the colours that the classes have elsewhere in the window."""
        state, (kind, name) = self._state, source
        if source == CLUSTERS and state.clusters is not None:
            present = np.unique(state.clusters.labels[state.clusters.labels >= 0])
            return [state.clusters.colours[n] for n in present]
        if kind == _SETS:
            return [s.colour for s in state.sets if s.count and name in ("", s.name)]
        return list(class_colours(classes))

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
        self._drawer.show_command(averaged.request.command(Path(self._drawer.target.text())))

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
        averaged = self.averaged
        if averaged is None:
            return
        self._job.run(
            f"save {target.name}",
            lambda *_: save_averages(averaged, target, overwrite),
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
