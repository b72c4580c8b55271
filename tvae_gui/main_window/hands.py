"""What the user's hands do that needs a question or a small computation first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtWidgets import QFileDialog, QWidget

from tvae_core.selection import How
from tvae_gui.cards.clusters.cluster_presenter import ClusterPresenter
from tvae_gui.inspector.data_presenter import DataPresenter
from tvae_gui.inspector.set_presenter import SetPresenter
from tvae_gui.plane.path_presenter import PathPresenter
from tvae_gui.plane.plane_presenter import PlanePresenter
from tvae_gui.state.explorer_state import ExplorerState

Array = NDArray[Any]


class Hands:
    """Turns gestures and questions into changes of the state."""

    def __init__(
        self,
        state: ExplorerState,
        window: QWidget,
        plane: PlanePresenter,
        sets: SetPresenter,
        clusters: ClusterPresenter,
        data: DataPresenter,
        paths: PathPresenter,
    ) -> None:
        self._state, self._window, self._plane = state, window, plane
        self._sets, self._clusters = sets, clusters
        self._data, self._paths = data, paths

    # --- gestures ------------------------------------------------------------------------------
    def on_shape(self, kind: str, points: Array, how: How, finished: bool) -> None:
        """Select what a shape holds; while it is drawn the selection is only shown."""
        rule = self._plane.rule_of(kind, points)
        if rule is not None:
            self._state.select(rule, how, live=not finished)

    def on_nudged(self, dx: float, dy: float) -> None:
        """Move the probe a little."""
        if self._state.probe is not None:
            x, y = self._state.probe.xy
            self._state.move_probe(x + dx, y + dy)

    def on_z_moved(self, dimension: int, value: float) -> None:
        """Set one dimension of z."""
        if self._state.probe is not None:
            z = self._state.probe.z.copy()
            z[dimension] = value
            self._state.set_probe_z(z)

    def on_class_picked(self, number: int, adds: bool) -> None:
        """Select the images of a class."""
        rule = {"kind": "values", "column": self._state.colour.key, "values": [number]}
        self._state.select(rule, "union" if adds else "replace")

    def go_to_image(self, number: int) -> None:
        """Put the probe on an image."""
        if self._state.store is not None:
            self._state.set_probe_z(self._state.store.z_mean[number])

    def colour_by_number(self, number: int) -> None:
        """Colour by the n-th entry of the list."""
        columns = self._state.columns
        if number <= len(columns):
            self._state.colour_by(columns[number - 1].key)

    def select_around_probe(self) -> None:
        """Select the images that are counted as near the probe."""
        probe = self._state.probe
        if probe is not None:
            indices, _ = self._state.index.within(*probe.xy, *self._state.support_radius)
            self._state.select_indices(np.sort(indices).tolist())

    # --- questions -----------------------------------------------------------------------------
    def select_nearest(self) -> None:
        """Ask how many, and select those nearest to the probe."""
        text = self._sets.ask("Nearest images", "How many, nearest to the probe", "100")
        probe, shown = self._state.probe, self._state.shown
        if text and text.isdigit() and probe is not None and shown is not None:
            rule = {"kind": "nearest", "plane": shown.choice.name, "centre": list(probe.xy)}
            self._state.select(rule | {"count": int(text)})

    def recolour_cluster(self, number: int) -> None:
        """Ask for a colour and give it to a cluster."""
        clusters = self._state.clusters
        colour = None if clusters is None else self._sets.pick_colour(clusters.colours[number])
        if colour:
            self._clusters.recolour(number, colour)

    def ask_join(self) -> None:
        """Ask for a table and join it."""
        name, _ = QFileDialog.getOpenFileName(
            self._window, "Join a table", "", "Tables (*.csv *.tsv *.star *.cs);;All files (*)"
        )
        if name:
            self._data.join(Path(name))

    def ask_save_image(self) -> None:
        """Ask where to save the decoded image."""
        name, _ = QFileDialog.getSaveFileName(
            self._window, "Save the image", "decoded.png", "PNG (*.png)"
        )
        if name:
            self._data.save_image(Path(name).with_suffix(".png"))

    def ask_save_path(self, kind: str) -> None:
        """Ask where to save the path."""
        suffix = "" if kind == "png" else f".{kind}"
        name, _ = QFileDialog.getSaveFileName(self._window, "Save the path", f"path{suffix}")
        if name:
            self._paths.save(kind, Path(name).with_suffix(suffix))
