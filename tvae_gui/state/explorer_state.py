"""What the explorer shows: the store, the plane, colours, filters, the selection and the probe.

Plain Python with signals; no Qt. Views read it, `main_window._connect()` wires its signals.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from tvae_core.colours import CLASS_COLOURS
from tvae_core.columns import CLUSTER_KEY, DENSITY, Column, column_values, columns_of
from tvae_core.errors import ConfigError
from tvae_core.planes import NEIGHBOURS, PlaneChoice, ShownPlane, shown_plane, to_plane, to_z
from tvae_core.selection import History, How, NamedSet, Rule, Selection, apply_rule
from tvae_core.store import EmbeddingStore, Plane
from tvae_gui.state.point_index import PointIndex
from tvae_gui.state.support_map import SupportMap

Array = NDArray[Any]
SUPPORT_SHARE = 0.03
CLUSTERING = "clusters"  # the name of the clustering that is found in the window


@dataclass(frozen=True)
class Probe:
    """The place on the plane and the z, angle and shift that are decoded."""

    xy: tuple[float, float]
    z: Array
    angle_rad: float = 0.0
    shift_px: tuple[float, float] = (0.0, 0.0)
    near: int = 0
    nearest: Array = field(default_factory=lambda: np.empty(0, np.int64))


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


@dataclass(frozen=True)
class Clusters:
    """A clustering: labels (N,) from 0, -1 for none; names and colours of the clusters."""

    labels: Array
    names: tuple[str, ...]
    colours: tuple[str, ...]
    method: str = ""
    note: str = ""


class ExplorerState:
    """The explorer's state.

    Signals: store_changed, plane_changed, columns_changed, colour_changed, filter_changed,
    selection_changed(live: bool), probe_moved, options_changed, sets_changed, clusters_changed.
    """

    store_changed: ClassVar[Signal] = Signal()
    plane_changed: ClassVar[Signal] = Signal()
    columns_changed: ClassVar[Signal] = Signal()
    colour_changed: ClassVar[Signal] = Signal()
    filter_changed: ClassVar[Signal] = Signal()
    selection_changed: ClassVar[Signal] = Signal(bool)
    probe_moved: ClassVar[Signal] = Signal()
    options_changed: ClassVar[Signal] = Signal()
    sets_changed: ClassVar[Signal] = Signal()
    clusters_changed: ClassVar[Signal] = Signal()

    def __init__(self) -> None:
        self.options = Options()
        self._clear()

    def _clear(self) -> None:
        self.store: EmbeddingStore | None = None
        self.joined: dict[str, Array] = {}
        self.planes: dict[str, Plane] = {}
        self.filters: dict[str, tuple[float, float]] = {}
        self.sets: list[NamedSet] = []
        self.clusterings: dict[str, Clusters] = {}
        self.clustering = ""
        self.colour: Column = DENSITY
        self.shown: ShownPlane | None = None
        self.index = PointIndex(np.empty((0, 2)))
        self.extent = (-1.0, 1.0, -1.0, 1.0)
        self.support: SupportMap | None = None
        self.crowding: Array | None = None
        self.history = History(Selection.none(0))
        self.probe: Probe | None = None
        self._live: Selection | None = None
        self._values: dict[str, Array] = {}
        self._visible: Array | None = None

    # --- the store ---------------------------------------------------------------------------
    def open(self, store: EmbeddingStore) -> None:
        """Show a store; what belonged to the former one is forgotten and it is closed."""
        self._leave()
        self.store = store
        self.history = History(Selection.none(store.images))
        self._set_plane(PlaneChoice("z", 0, 1))
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

    @property
    def clusters(self) -> Clusters | None:
        """The clustering that is shown, of all `clusterings`."""
        return self.clusterings.get(self.clustering)

    # --- plane -------------------------------------------------------------------------------
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
        self.shown = shown_plane(self.store, choice, self.planes)
        self.index = PointIndex(self.shown.xy)
        self.extent = _extent(self.index)
        self.support = SupportMap(self.index, self.extent, self.shown.is_line)
        self.crowding = None

    # --- columns, colour, filter -------------------------------------------------------------
    @property
    def columns(self) -> list[Column]:
        """All that can be coloured by."""
        if self.store is None:
            return [DENSITY]
        names = self.clusters.names if self.clusters is not None else ()
        return columns_of(self.store, self.joined, names)

    def values(self, key: str) -> Array:
        """Return the numbers of a column, (N,)."""
        if key == CLUSTER_KEY and self.clusters is not None:
            return self.clusters.labels
        assert self.store is not None
        if key not in self._values:
            self._values[key] = column_values(self.store, self.joined, key)
        return self._values[key]

    def colour_by(self, key: str) -> None:
        """Colour the plane by a column."""
        found = [column for column in self.columns if column.key == key]
        if found and found[0] != self.colour:
            self.colour = found[0]
            self.colour_changed.emit()

    def set_filter(self, key: str, bounds: tuple[float, float] | None) -> None:
        """Show only images whose `key` lies within bounds; None shows all."""
        if self.store is None:
            return
        if bounds is None:
            if self.filters.pop(key, None) is None:
                return
        else:
            self.filters[key] = bounds
        self._visible = self._filter_mask()
        self.filter_changed.emit()

    @property
    def visible(self) -> Array | None:
        """Which images pass all filters, (N,) bool; None when there is no filter."""
        return self._visible

    def _filter_mask(self) -> Array | None:
        if not self.filters:
            return None
        mask = np.ones(self.images, dtype=bool)
        for key, (low, high) in self.filters.items():
            values = self.values(key)
            mask &= (values >= low) & (values <= high)
        return mask

    def join_columns(self, columns: dict[str, Array]) -> None:
        """Add columns (N,) of a joined table."""
        for name, values in columns.items():
            if len(values) != self.images:
                raise ConfigError(
                    f"column {name!r} has {len(values):,} rows, the run {self.images:,} images"
                )
            self._values.pop(f"joined/{name}", None)
        self.joined |= columns
        self.columns_changed.emit()

    # --- rules look planes and columns up here -------------------------------------------------
    def plane(self, name: str) -> Array:
        """Return plane coordinates (N, 2) by the name a rule knows."""
        assert self.store is not None
        if self.shown is not None and self.shown.choice.name == name:
            return self.shown.xy
        return shown_plane(self.store, PlaneChoice.named(name), self.planes).xy

    def column(self, name: str) -> Array:
        """Return the numbers of a column by the name a rule knows."""
        return self.values(name)

    # --- selection ---------------------------------------------------------------------------
    @property
    def selection(self) -> Selection:
        """The selection as shown: the one being drawn, else the present one."""
        return self._live if self._live is not None else self.history.present

    def select(self, rule: Rule, how: How = "replace", live: bool = False) -> None:
        """Select by a rule, over all images that pass the filters.

        With `live` the result is shown but not yet part of the history.
        """
        if self.store is None:
            return
        mask = apply_rule(rule, self)
        if self._visible is not None:
            mask = mask & self._visible
            rule = {"kind": "intersect", "of": [rule, *self._filter_rules()]}
        self._put(self.history.present.combine(Selection(mask, rule), how), live)

    def put_selection(self, selection: Selection) -> None:
        """Make `selection` the present one."""
        self._put(selection, False)

    def select_indices(self, indices: Iterable[int]) -> None:
        """Select some images by number."""
        self.select({"kind": "indices", "indices": [int(i) for i in indices]})

    def select_around_probe(self) -> None:
        """Select the images that are counted as near the probe."""
        if self.probe is not None:
            indices, _ = self.index.within(*self.probe.xy, *self.support_radius)
            self.select_indices(np.sort(indices).tolist())

    def select_nearest(self, how_many: int) -> None:
        """Select the images nearest to the probe on the plane."""
        if self.probe is not None and self.shown is not None:
            rule = {"kind": "nearest", "plane": self.shown.choice.name}
            self.select(rule | {"centre": list(self.probe.xy), "count": how_many})

    def cancel_live(self) -> None:
        """Drop the selection being drawn."""
        if self._live is not None:
            self._live = None
            self.selection_changed.emit(False)

    def clear_selection(self) -> None:
        """Select nothing."""
        if self.selection.count:
            self._put(Selection.none(self.images), False)

    def invert_selection(self) -> None:
        """Select what is not selected."""
        if self.store is not None:
            self._put(self.history.present.invert(), False)

    def undo(self) -> None:
        """Go back to the former selection."""
        self._go(self.history.undo())

    def redo(self) -> None:
        """Go forward to the selection undone last."""
        self._go(self.history.redo())

    def _put(self, selection: Selection, live: bool) -> None:
        self._live = selection if live else None
        if not live:
            self.history = self.history.push(selection)
        self.selection_changed.emit(live)

    def _go(self, history: History) -> None:
        if history is not self.history:
            self.history, self._live = history, None
            self.selection_changed.emit(False)

    def _filter_rules(self) -> list[Rule]:
        return [
            {"kind": "range", "column": key, "low": float(low), "high": float(high)}
            for key, (low, high) in self.filters.items()
        ]

    # --- probe -------------------------------------------------------------------------------
    @property
    def support_radius(self) -> tuple[float, float]:
        """Half axes, in plane units, of the neighbourhood whose images are counted."""
        size = self.extent
        return SUPPORT_SHARE * (size[1] - size[0]), SUPPORT_SHARE * (size[3] - size[2])

    @property
    def support_share(self) -> float:
        """How well data support the probe's place, 0..1."""
        if self.probe is None or self.support is None:
            return 0.0
        x, y = (np.array([v]) for v in self.probe.xy)
        return float(self.support.share(x, y)[0])

    def move_probe(self, x: float, y: float) -> None:
        """Move the probe to a place of the plane."""
        if self.store is None or self.shown is None or self.probe is None:
            return
        near, nearest = self._neighbours(x, y)
        place = np.array([x, y])
        z = to_z(self.shown, self.store, place, self.probe.z, nearest)
        shown = nearest[: self.options.nearest]
        self.probe = replace(self.probe, xy=(x, y), z=z, near=near, nearest=shown)
        self.probe_moved.emit()

    def set_probe_z(self, z: Array) -> None:
        """Set z itself; the probe goes where z lies on the plane, if the plane knows."""
        if self.store is None or self.shown is None or self.probe is None:
            return
        z = np.asarray(z, dtype=np.float32)
        place = to_plane(self.shown, z)
        x, y = (float(v) for v in place) if np.isfinite(place).all() else self.probe.xy
        near, nearest = self._neighbours(x, y)
        shown = nearest[: self.options.nearest]
        self.probe = replace(self.probe, xy=(x, y), z=z, near=near, nearest=shown)
        self.probe_moved.emit()

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

    def _neighbours(self, x: float, y: float) -> tuple[int, Array]:
        assert self.shown is not None
        if self.shown.is_line:
            y = float(np.median(self.index.xy[1])) if len(self.index) else 0.0
        inside, _ = self.index.within(x, y, *self.support_radius)
        how_many = max(self.options.nearest, NEIGHBOURS)
        return len(inside), self.index.nearest(x, y, how_many)

    def _start_probe(self) -> None:
        """Put the probe where the images are densest: the first picture shows something real."""
        assert self.store is not None
        self.probe = Probe((0.0, 0.0), np.zeros(self.store.z_dim, np.float32))
        if self.store.z_dim > 2 and self.images:
            middle = np.median(self.store.z_mean[:100_000], axis=0)
            self.probe = replace(self.probe, z=middle.astype(np.float32))
        x, y = _densest(self.index)
        self.move_probe(x, y)

    # --- options, sets, clusters ---------------------------------------------------------------
    def set_options(self, **changes: Any) -> None:
        """Change how things are shown."""
        self.options = replace(self.options, **changes)
        self.options_changed.emit()

    def free_set_name(self, wanted: str) -> str:
        """Return `wanted`, with a number behind where a set of other images has that name."""
        name, number = wanted, 1
        while (there := self.named_set(name)) is not None:
            if np.array_equal(there.mask, self.history.present.mask):
                break
            number += 1
            name = f"{wanted} {number}"
        return name

    def named_set(self, name: str) -> NamedSet | None:
        """Return the set of that name, None when there is none."""
        return next((named for named in self.sets if named.name == name), None)

    def add_set(self, name: str, note: str = "") -> NamedSet:
        """Keep the selection under a name; a set of that name is replaced."""
        present = self.history.present
        colour = CLASS_COLOURS[len(self.sets) % len(CLASS_COLOURS)]
        made = NamedSet(name, colour, present.mask, present.rule, note)
        self.replace_sets([s for s in self.sets if s.name != name] + [made])
        return made

    def replace_sets(self, sets: list[NamedSet]) -> None:
        """Show these named sets."""
        self.sets = list(sets)
        self.sets_changed.emit()

    def set_clusters(self, clusters: Clusters | None, name: str = "") -> None:
        """Keep a clustering under `name`, show it and colour by it; None forgets the one shown.

        Without a name it takes the place of the one that is shown.
        """
        if clusters is None:
            self.clusterings.pop(self.clustering, None)
            self._show("")
            return
        name = name or self.clustering or CLUSTERING
        self.clusterings[name] = clusters
        self._show(name)

    def keep_clusterings(self, clusterings: dict[str, Clusters]) -> None:
        """Keep clusterings under their names; the one that is shown stays so."""
        self.clusterings |= clusterings
        if self.clustering in clusterings:
            self._show(self.clustering)
        elif clusterings:
            self.clusters_changed.emit()

    def show_clustering(self, name: str) -> None:
        """Show another of the clusterings and colour by it."""
        if name in self.clusterings and name != self.clustering:
            self._show(name)

    def _show(self, name: str) -> None:
        self.clustering = name
        clusters, self.colour = self.clusters, DENSITY  # first: the list shows what is coloured by
        self._values.pop(CLUSTER_KEY, None)
        self.set_filter(CLUSTER_KEY, None)
        self.columns_changed.emit()
        self.clusters_changed.emit()
        if clusters is not None:
            self.colour_by(CLUSTER_KEY)
        else:
            self.colour_changed.emit()


def _extent(index: PointIndex) -> tuple[float, float, float, float]:
    """Return x0, x1, y0, y1 that hold all but the farthest thousandth of the points."""
    if not len(index):
        return -1.0, 1.0, -1.0, 1.0
    step = max(1, len(index) // 100_000)
    low, high = np.quantile(index.xy[:, ::step], [0.0005, 0.9995], axis=1)
    same = high <= low
    low, high = low - 0.5 * same, high + 0.5 * same
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


def _densest(index: PointIndex) -> tuple[float, float]:
    if not len(index):
        return 0.0, 0.0
    counts = np.diff(index.starts)
    cell = int(np.argmax(counts))
    run = slice(int(index.starts[cell]), int(index.starts[cell + 1]))
    x, y = index.xy[:, run].mean(axis=1)
    return float(x), float(y)
