"""A walk: z of evenly spaced frames along a path, an axis of the plane, or a dimension of z."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.planes import to_z
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.path_state import PathState

Array = NDArray[Any]
PATH, ACROSS, UP = "path", "x", "y"
_MOST = 64


def ways(state: ExplorerState, path: PathState) -> list[tuple[str, str]]:
    """Return what one can walk along: words, way."""
    if state.store is None or state.shown is None:
        return []
    made = [("the path", PATH)] if path.exists else []
    if state.shown.linear is not None:
        made += [(state.shown.x_title, ACROSS), (state.shown.y_title, UP)]
    dims = range(min(state.store.z_dim, _MOST))
    return made + [(f"z{d + 1}", f"z{d + 1}") for d in dims]


def walk(state: ExplorerState, path: PathState, way: str, frames: int) -> Array:
    """Return z (frames, D) of a walk; what it does not lead along stays where the probe is."""
    assert state.store is not None
    assert state.probe is not None
    if way == PATH:
        return _along_path(state, path, frames)
    z = state.probe.z
    step = _step(state, way)
    from_probe = np.linspace(*_reach(state, step), frames)
    return np.asarray(z[None] + from_probe[:, None] * step, dtype=np.float32)


def frame_of_probe(state: ExplorerState, path: PathState, way: str, frames: int) -> float | None:
    """Return at which frame (0 .. frames - 1) of a walk the probe, or a path's playhead, is."""
    if state.probe is None:
        return None
    if way == PATH:
        return path.frame / max(path.frames - 1, 1) * (frames - 1) if path.exists else None
    low, high = _reach(state, _step(state, way))
    return float(np.clip(-low / max(high - low, 1e-12), 0, 1) * (frames - 1))


def _along_path(state: ExplorerState, path: PathState, frames: int) -> Array:
    assert state.store is not None
    assert state.shown is not None
    assert state.probe is not None
    places = path.places()
    some = places[np.linspace(0, len(places) - 1, frames).round().astype(int)]
    made = []
    for place in some:
        near = state.near_on_plane(float(place[0]), float(place[1]))
        made.append(to_z(state.shown, state.store, place, state.probe.z, near))
    return np.stack(made)


def _step(state: ExplorerState, way: str) -> Array:
    """Return the unit step of a way in z, (D,)."""
    assert state.store is not None
    linear = None if state.shown is None else state.shown.linear
    if way in (ACROSS, UP) and linear is not None and linear.components is not None:
        return np.asarray(linear.components[int(way == UP)], dtype=np.float64)
    return np.asarray(np.eye(state.store.z_dim)[int(way[1:]) - 1])


def _reach(state: ExplorerState, step: Array) -> tuple[float, float]:
    """Return how far the data reach from the probe, backwards and forwards along a step."""
    assert state.store is not None
    assert state.probe is not None
    some = state.store.z_mean[:: max(1, state.images // 50_000)]
    along = np.einsum("nd,d->n", some, step)
    along = along[np.isfinite(along)]
    low, high = np.quantile(along, [0.005, 0.995]) if len(along) else (-1.0, 1.0)
    here = float(np.einsum("d,d->", state.probe.z, step))
    return float(min(low, here) - here), float(max(high, here) - here)
