"""What the explorer shows: the store, the plane, colours, filters, the selection and the probe.

Plain Python with signals; no Qt. Views read it, `main_window._connect()` wires its signals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from tvae_core.columns import (
    CLUSTER_KEY,
    DENSITY,
    SETS_KEY,
    Column,
    column_values,
    columns_of,
    sets_column,
    sets_labels,
)
from tvae_core.errors import ConfigError
from tvae_core.planes import NEIGHBOURS, PlaneChoice, ShownPlane, shown_plane, to_z
from tvae_core.selection import NamedSet
from tvae_core.store import EmbeddingStore, Plane
from tvae_core.words import count
from tvae_gui.state.made_state import MadeState
from tvae_gui.state.nearness import Nearness
from tvae_gui.state.point_index import PointIndex, densest, extent_of
from tvae_gui.state.probe import Probe
from tvae_gui.state.support_map import SupportMap

Array = NDArray[Any]


@dataclass(frozen=True)
class Options:
    """How things are shown; kept when another store is opened."""

    atlas: bool = True
    colour_map: str = "cividis"
    image_map: str = "grey"
    grid: int = 1
    smooth: bool = True
    overlay: bool = False
    nearest: int = 8


class ExplorerState(MadeState):
    """The explorer's state; what a person made of it, and its undo, are those of `MadeState`.

    Signals: store_changed, plane_changed, probe_moved, options_changed, neighbours_wanted where
    those of the probe are an estimate, neighbours_changed when they no longer are.

    Attributes
    ----------
    counts_later : bool
        Whether somebody answers `neighbours_wanted`; without it a move of the probe waits for all.
    """

    store_changed: ClassVar[Signal] = Signal()
    plane_changed: ClassVar[Signal] = Signal()
    probe_moved: ClassVar[Signal] = Signal()
    options_changed: ClassVar[Signal] = Signal()
    neighbours_wanted: ClassVar[Signal] = Signal()
    neighbours_changed: ClassVar[Signal] = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.counts_later = False
        self.options = Options()
        self._clear()

    def _clear(self) -> None:
        self.store: EmbeddingStore | None = None
        self.joined: dict[str, Array] = {}
        self.planes: dict[str, Plane] = {}
        self.shown: ShownPlane | None = None
        self.index = PointIndex(np.empty((0, 2)))
        self.extent = (-1.0, 1.0, -1.0, 1.0)
        self.support: SupportMap | None = None
        self.nearness: Nearness | None = None
        self.crowding: Array | None = None
        self.coloured: tuple[Array, str, Array] | None = None  # values, their kind, their levels
        self.drawn: tuple[Array, PointIndex, Array] | None = None  # levels, and in whose order
        self.probe: Probe | None = None
        self._values: dict[str, Array] = {}
        self.remembered: dict[str, Any] = {}  # what rooms keep with the view, ready for JSON
        self._in_sets: tuple[tuple[NamedSet, ...], Array] | None = None
        self._columns: tuple[tuple[str, ...], list[Column]] | None = None
        self._forget_made(0)

    # --- the store ---------------------------------------------------------------------------
    def open(self, store: EmbeddingStore) -> None:
        """Show a store; what belonged to the former one is forgotten and it is closed."""
        self._leave()
        self.store = store
        self._forget_made(store.images)
        self.nearness = Nearness(store)
        self._set_plane(self.first_plane)
        self.store_changed.emit()
        self.columns_changed.emit()
        self.plane_changed.emit()
        self.sets_changed.emit()
        self.clusters_changed.emit()
        self._start_probe()

    def close(self) -> None:
        """Forget the store."""
        self._leave()
        self.store_changed.emit()

    def _leave(self) -> None:
        if self.store is not None:
            self.store.close()
        self._clear()

    @property
    def images(self) -> int:
        """Number N of images; 0 when nothing is open."""
        return 0 if self.store is None else self.store.images

    # --- plane -------------------------------------------------------------------------------
    @property
    def first_plane(self) -> PlaneChoice:
        """The plane a run is first shown on: its principal axes where z has more than two."""
        assert self.store is not None
        by_pca = self.store.z_dim > 2 and "pca" in self.store.plane_names
        return PlaneChoice("pca") if by_pca else PlaneChoice("z", 0, 1)

    def choose_plane(self, choice: PlaneChoice) -> None:
        """Show another plane; the probe keeps its z where the plane has a way to it."""
        if self.store is None or (self.shown is not None and choice == self.shown.choice):
            return
        self._set_plane(choice)
        self.plane_changed.emit()
        if self.probe is not None:
            self.set_probe_z(self.probe.z)

    def add_plane(self, name: str, plane: Plane) -> None:
        """Keep a plane computed in this session."""
        self.planes[name] = plane
        self.columns_changed.emit()

    @property
    def plane_names(self) -> list[str]:
        """Names of the planes besides latent axes."""
        stored = self.store.plane_names if self.store is not None else []
        return sorted({*stored, *self.planes})

    def _set_plane(self, choice: PlaneChoice) -> None:
        assert self.store is not None
        self.shown = shown_plane(self.store, choice, self.planes, self.values)
        self.index = PointIndex(self.shown.xy)
        self.extent = extent_of(self.index)
        self.support = SupportMap(self.index, self.extent, self.shown.is_line)
        self.crowding = None

    # --- columns, colour, filter -------------------------------------------------------------
    @property
    def columns(self) -> list[Column]:
        """All that can be coloured by."""
        if self.store is None:
            return [DENSITY]
        names = self.clusters.names if self.clusters is not None else ()
        known = (*self.joined, "", *names)
        if self._columns is None or self._columns[0] != known:
            self._columns = known, columns_of(self.store, self.joined, names)
        sets = self.made.sets
        return [*self._columns[1], *([sets_column(sets)] if sets else ())]

    def values(self, key: str) -> Array:
        """Return the numbers of a column, (N,)."""
        if key == CLUSTER_KEY and self.clusters is not None:
            return self.clusters.labels
        if key == SETS_KEY:
            if self._in_sets is None or self._in_sets[0] is not self.made.sets:
                self._in_sets = self.made.sets, sets_labels(self.made.sets, self.images)
            return self._in_sets[1]
        assert self.store is not None
        if key not in self._values:
            self._values[key] = column_values(self.store, self.joined, key)
        return self._values[key]

    @property
    def colour(self) -> Column:
        """What the plane is coloured by."""
        return self.made.colour

    def colour_by(self, key: str) -> None:
        """Colour the plane by a column; it is no step of undo, as it changes nothing made."""
        found = [column for column in self.columns if column.key == key]
        if found:
            self._show(replace(self.made, colour=found[0]))

    def join_columns(self, columns: dict[str, Array]) -> None:
        """Add columns (N,) of a joined table."""
        for name, values in columns.items():
            if len(values) != self.images:
                raise ConfigError(
                    f"column {name!r} has {count(len(values), 'row')}, the run "
                    f"{count(self.images, 'image')}"
                )
            self._values.pop(f"joined/{name}", None)
        self.joined |= columns
        self._columns = None
        self.columns_changed.emit()

    # --- rules look planes and columns up here -------------------------------------------------
    def plane(self, name: str) -> Array:
        """Return plane coordinates (N, 2) by the name a rule knows."""
        assert self.store is not None
        if self.shown is not None and self.shown.choice.name == name:
            return self.shown.xy
        return shown_plane(self.store, PlaneChoice.named(name), self.planes, self.values).xy

    def column(self, name: str) -> Array:
        """Return the numbers of a column by the name a rule knows."""
        return self.values(name)

    # --- selection around the probe ------------------------------------------------------------
    def distance(self, z: Any) -> Array:
        """Return how far each image is from z (D,), (N,), in whitened z."""
        assert self.nearness is not None
        return self.nearness.distance(np.asarray(z, dtype=np.float32))

    def select_around_probe(self) -> None:
        """Select the images that are counted as near the probe."""
        if self.probe is not None and self.nearness is not None:
            z = [float(v) for v in self.probe.z]
            self.select({"kind": "near", "z": z, "radius": self.nearness.radius})

    def select_nearest(self, how_many: int) -> None:
        """Select the images nearest to the probe in z."""
        if self.probe is not None:
            z = [float(v) for v in self.probe.z]
            self.select({"kind": "nearest", "z": z, "count": how_many})

    # --- probe -------------------------------------------------------------------------------
    @property
    def support_share(self) -> float:
        """How well data support the probe's place, 0..1: its z, and what is shown there."""
        if self.probe is None or self.nearness is None:
            return 0.0
        return self.nearness.support(self.probe.near) * self._shown_share(*self.probe.xy)

    def support_of(self, places: Array, z: Array) -> Array:
        """Return how well data support places (n, 2) of the plane that stand for z (n, D)."""
        assert self.nearness is not None
        share = self.nearness.supports(z)
        if self._leads_to_z or self.support is None:
            return share
        return np.asarray(share * self.support.share(places[:, 0], places[:, 1]))

    def _shown_share(self, x: float, y: float) -> float:
        """Return how well the plane's own points support a place, where it has no z of its own."""
        if self._leads_to_z or self.support is None:
            return 1.0
        return float(self.support.share(np.array([x]), np.array([y]))[0])

    @property
    def _leads_to_z(self) -> bool:
        return self.shown is not None and self.shown.leads_to_z

    def move_probe(self, x: float, y: float) -> None:
        """Move the probe to a place of the plane."""
        if self.store is None or self.shown is None or self.probe is None:
            return
        near = np.empty(0, np.int64)
        if not self._leads_to_z:
            near = self.near_on_plane(x, y)
        z = to_z(self.shown, self.store, np.array([x, y]), self.probe.z, near)
        self._put_probe(z, (x, y))

    def near_on_plane(self, x: float, y: float) -> Array:
        """Return the images nearest to a place of the plane, as a plane with no way to z needs."""
        mixed = self.shown is not None and self.shown.choice.kind == "axes"
        return self.index.nearest(x, y, NEIGHBOURS, by_axis=mixed)

    def set_probe_z(self, z: Array) -> None:
        """Set z itself; the probe goes where z lies on the plane.

        On a plane with no way from z it goes where the images nearest in z lie.
        """
        if self.store is not None and self.shown is not None and self.probe is not None:
            self._put_probe(np.asarray(z, dtype=np.float32), None)

    def _put_probe(self, z: Array, xy: tuple[float, float] | None) -> None:
        assert self.shown is not None
        assert self.probe is not None
        assert self.nearness is not None
        self.probe = self.probe.at(
            z, xy, self.shown, self.nearness, self.options.nearest, self.counts_later
        )
        self.probe_moved.emit()
        if self.probe.estimated:
            self.neighbours_wanted.emit()

    def take_neighbours(self, z: Array, near: int, nearest: Array) -> None:
        """Take how many images are near z (D,), and which are nearest, where the probe is there."""
        if self.probe is not None and self.probe.z is z and self.probe.estimated:
            shown = nearest[: self.options.nearest]
            self.probe = replace(self.probe, near=near, nearest=shown, estimated=False)
            self.neighbours_changed.emit()

    def set_probe_pose(
        self, angle_rad: float | None = None, shift_px: tuple[float, float] | None = None
    ) -> None:
        """Turn and shift the decoded image."""
        if self.probe is None:
            return
        angle = self.probe.angle_rad if angle_rad is None else angle_rad
        shift = self.probe.shift_px if shift_px is None else shift_px
        self.probe = replace(self.probe, angle_rad=angle, shift_px=shift)
        self.probe_moved.emit()

    def go_to_image(self, number: int) -> None:
        """Put the probe on an image."""
        if self.store is not None:
            self.set_probe_z(self.store.z_mean[number])

    def _start_probe(self) -> None:
        """Put the probe where the images are densest: the first picture shows something real."""
        assert self.store is not None
        self.probe = Probe((0.0, 0.0), np.zeros(self.store.z_dim, np.float32))
        if self.store.z_dim > 2 and self.images:
            linear = None if self.shown is None else self.shown.linear
            middle = np.median(self.store.z_mean[:100_000], axis=0)
            middle = middle if linear is None or linear.mean is None else linear.mean
            self.probe = replace(self.probe, z=middle.astype(np.float32))
        x, y = densest(self.index)
        self.move_probe(x, y)

    # --- options ---------------------------------------------------------------
    def set_options(self, **changes: Any) -> None:
        """Change how things are shown."""
        self.options = replace(self.options, **changes)
        self.options_changed.emit()
