"""What a figure of the plane shows: which plane, coloured by which column."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.colours import CLASS_COLOURS
from tvae_core.columns import (
    CLUSTER_KEY,
    SETS_KEY,
    Column,
    column_values,
    columns_of,
    sets_colours,
    sets_column,
    sets_labels,
)
from tvae_core.errors import ConfigError
from tvae_core.figures import plane_figure
from tvae_core.planes import PlaneChoice, shown_plane
from tvae_core.sidecar import Labelling, Sidecar, load_sidecar
from tvae_core.store import EmbeddingStore, Plane
from tvae_core.work.choosing import labelling_of

Array = NDArray[Any]


@dataclass(frozen=True)
class PlaneLook:
    """What is asked of a figure, each empty for what the store alone suggests.

    `plane` and `colour` are the names of a plane and of a column, `labelling` that of the
    clustering meant.
    """

    plane: str = ""
    colour: str = ""
    labelling: str = ""


@dataclass(frozen=True)
class _Colours:
    """Classes (N,) with names and colours, or values (N,) with a name; density without either."""

    labels: Array | None = None
    names: tuple[str, ...] = ()
    colours: tuple[str, ...] = CLASS_COLOURS
    values: Array | None = None
    value_name: str = ""
    cyclic: bool = False


def draw_plane(
    store: EmbeddingStore,
    target: Path,
    chosen: NDArray[np.int64],
    look: PlaneLook,
    overwrite: bool = False,
) -> None:
    """Draw the chosen images, (n,) of N, on a plane of their store.

    Raises
    ------
    ConfigError
        The store has no such plane or column.
    ImageFileError
        No figure is called so, or there is one.
    """
    sidecar = load_sidecar(store)
    xy, axes = plane_of(store, sidecar, look.plane)
    drawn = _colours(store, sidecar, look)
    plane_figure(
        target,
        xy[chosen],
        labels=None if drawn.labels is None else drawn.labels[chosen],
        names=drawn.names,
        colours=drawn.colours,
        values=None if drawn.values is None else drawn.values[chosen],
        value_name=drawn.value_name,
        cyclic=drawn.cyclic,
        axes=axes,
        overwrite=overwrite,
    )


def plane_of(store: EmbeddingStore, sidecar: Sidecar, name: str) -> tuple[Array, tuple[str, str]]:
    """Return the coordinates (N, 2) of a plane and what its axes are called.

    Without a name it is z where that has two dimensions, else the first principal components.
    """
    if not name:
        if store.z_mean.shape[1] == 2:
            return store.z_mean, ("z1", "z2")
        return store.plane("pca").coordinates, ("PC 1", "PC 2")
    planes = {key: Plane(coordinates) for key, coordinates in sidecar.planes.items()}
    known = [*store.plane_names, *planes]
    choice = _choice(name)
    if choice is None or (choice.kind not in ("z", "axes") and choice.kind not in known):
        todo = f"planes: z1 z2, {', '.join(known)}"
        raise ConfigError(f"no plane {name!r}", store.path, todo)
    try:
        shown = shown_plane(
            store, choice, planes, lambda key: column_values(store, sidecar.columns, key)
        )
    except KeyError as error:
        raise ConfigError(f"no axis {error} for the plane {name!r}", store.path) from None
    return shown.xy, (shown.x_title, shown.y_title)


def _choice(name: str) -> PlaneChoice | None:
    try:
        return PlaneChoice.named(name)
    except ValueError:
        return None


def _colours(store: EmbeddingStore, sidecar: Sidecar, look: PlaneLook) -> _Colours:
    if not look.colour:
        return _Colours(store.labels, tuple(store.label_names))
    if look.colour == SETS_KEY and sidecar.sets:
        labels, names = sets_labels(sidecar.sets, store.images), sets_column(sidecar.sets).names
        return _Colours(labels, names, sets_colours(sidecar.sets))
    clusters: Labelling | None = None
    if sidecar.labellings:
        clusters = labelling_of(sidecar, store, look.labelling)
    column = _column(store, sidecar, clusters, look.colour)
    if column.kind == "density":
        return _Colours()
    if column.key == CLUSTER_KEY and clusters is not None:
        colours = clusters.colours or CLASS_COLOURS
        return _Colours(clusters.labels, column.names, colours)
    values = column_values(store, sidecar.columns, column.key)
    if column.kind == "class":
        return _Colours(values, column.names)
    title = f"{column.title} ({column.unit})" if column.unit else column.title
    return _Colours(values=values, value_name=title, cyclic=column.kind == "cyclic")


def _column(
    store: EmbeddingStore, sidecar: Sidecar, clusters: Labelling | None, key: str
) -> Column:
    names = () if clusters is None else _names(clusters)
    found = {c.key: c for c in columns_of(store, sidecar.columns, names)}
    if key not in found:
        raise ConfigError(f"no column {key!r}", store.path, f"columns: {', '.join(found)}")
    return found[key]


def _names(clusters: Labelling) -> tuple[str, ...]:
    """Return a name for every cluster, made up where it has none."""
    count = int(clusters.labels.max(initial=-1)) + 1
    made = (f"cluster {number + 1}" for number in range(len(clusters.names), count))
    return (*clusters.names, *made)
