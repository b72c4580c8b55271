"""What a user adds to a run, from the state and back: sets, clusters, planes, columns, the view."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tvae_core.colours import CLASS_COLOURS, class_colours
from tvae_core.planes import PlaneChoice
from tvae_core.selection import NamedSet
from tvae_core.sidecar import Labelling, Sidecar
from tvae_core.store import Plane
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.made import Clusters, Filter
from tvae_gui.state.made_state import CLUSTERING, MARKS

_OPTIONS = ("atlas", "colour_map", "image_map", "grid", "smooth", "overlay")


def notes_of(state: ExplorerState, images_at: str = "") -> Sidecar:
    """Return what was added to the open run, to be kept beside its store.

    Parameters
    ----------
    images_at : str
        Where the original images were found last.
    """
    assert state.store is not None
    made = Sidecar.of(state.store)
    made.sets, made.deleted = list(state.sets), list(state.deleted)
    made.planes = {name: plane.coordinates for name, plane in state.planes.items()}
    made.columns = dict(state.joined)
    made.labellings = {
        name: Labelling(c.labels, c.names, c.colours, c.method, c.note)
        for name, c in state.clusterings.items()
    }
    made.images_at = images_at
    made.view = _view_of(state)
    return made


def show_notes(state: ExplorerState, notes: Sidecar) -> None:
    """Add to the open run what was kept beside it; `show_view` shows it as it was seen last."""
    state.join_columns(notes.columns)
    for name, coordinates in notes.planes.items():
        state.add_plane(name, Plane(np.asarray(coordinates)))
    found = {name: clusters_of(kept) for name, kept in notes.labellings.items()}
    state.keep_clusterings(found)
    wanted = [str(notes.view.get("clustering", "")), CLUSTERING, *found]
    state.show_clustering(next((name for name in wanted if name in found), ""))
    state.replace_sets([_as_marked_now(one) for one in notes.sets], notes.deleted)


def _as_marked_now(named: NamedSet) -> NamedSet:
    """Return a set of marks in their own colour where it has that of the first two clusters."""
    before = dict(zip(MARKS, CLASS_COLOURS, strict=False))
    if named.colour.lower() != before.get(named.name):
        return named
    return replace(named, colour=MARKS[named.name])


def clusters_of(kept: Labelling) -> Clusters:
    """Return a clustering with a name and a colour for each cluster, which commands do not give."""
    count = int(kept.labels.max(initial=-1)) + 1
    names = (*kept.names, *(f"cluster {n + 1}" for n in range(len(kept.names), count)))
    colours = (*kept.colours, *class_colours(count)[len(kept.colours) :])
    return Clusters(kept.labels, names, colours, kept.method, kept.note)


def show_view(state: ExplorerState, view: dict[str, Any]) -> None:
    """Show the open run as it was seen last.

    Raises
    ------
    KeyError, TypeError, ValueError, TvaeError
        The view was not written by `notes_of`, or speaks of what is no longer there.
    """
    if not view:
        return
    if view.get("plane"):
        state.choose_plane(PlaneChoice.named(view["plane"]))
    state.colour_by(view.get("colour", "density"))
    for key, kept in view.get("filters", {}).items():
        if isinstance(kept, dict):
            state.set_filter(key, frozenset(int(number) for number in kept["classes"]))
        else:
            low, high = kept
            state.set_filter(key, (float(low), float(high)))
    state.set_options(**{k: view[k] for k in _OPTIONS if k in view})
    if state.store is not None and len(view.get("z", [])) == state.store.z_dim:
        state.set_probe_z(np.array(view["z"], dtype=np.float32))
        angle, x, y = (float(v) for v in view.get("pose", (0, 0, 0)))
        state.set_probe_pose(angle, (x, y))
    state.remembered = dict(view.get("rooms", {}))


def _view_of(state: ExplorerState) -> dict[str, Any]:
    shown, probe = state.shown, state.probe
    return {
        "plane": shown.choice.name if shown is not None and not shown.is_line else "",
        "colour": state.colour.key,
        "clustering": state.clustering,
        "filters": {key: _kept_filter(kept) for key, kept in state.filters.items()},
        "z": [] if probe is None else [float(v) for v in probe.z],
        "pose": [0, 0, 0] if probe is None else [probe.angle_rad, *probe.shift_px],
        "rooms": dict(state.remembered),
        **{name: getattr(state.options, name) for name in _OPTIONS},
    }


def _kept_filter(kept: Filter) -> Any:
    """Return a filter as JSON holds it: two numbers, or classes."""
    if isinstance(kept, frozenset):
        return {"classes": sorted(kept)}
    return [float(end) for end in kept]
