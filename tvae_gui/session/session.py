"""Opening stores, and keeping what the user adds to them in the sidecar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tvae_core.colours import class_colours
from tvae_core.errors import StoreError, TvaeError
from tvae_core.images_of import images_are_there
from tvae_core.planes import PlaneChoice
from tvae_core.sidecar import CHANGING, Labelling, Sidecar, load_sidecar, save_sidecar
from tvae_core.store import EmbeddingStore, Plane
from tvae_gui.messages import Messages
from tvae_gui.session.demo import demo_path
from tvae_gui.state.explorer_state import CLUSTERING, Clusters, ExplorerState


class Session:
    """The open store and its sidecar."""

    def __init__(self, state: ExplorerState, messages: Messages) -> None:
        self._state, self._messages = state, messages
        self._dirty = False
        self._images_at = ""
        self._loaded: dict[str, Clusters] = {}

    def open(self, path: Path) -> bool:
        """Open a store with all that was added to it; say what is wrong and return False else."""
        try:
            store = EmbeddingStore(path)
        except TvaeError as error:
            self._messages.error(error)
            return False
        try:
            store.z_mean, store.angle_rad, store.shift_px  # noqa: B018 - read, to fail now
        except (TvaeError, OSError, KeyError) as error:
            store.close()
            self._messages.error(
                error
                if isinstance(error, TvaeError)
                else StoreError(f"the file is damaged ({error})", path, "embed the run again")
            )
            return False
        self.save()
        self._state.open(store)
        self._restore(store)
        self._dirty = False
        self._note_missing_images(store)
        return True

    def close(self) -> None:
        """Save and forget the store."""
        self.save()
        self._state.close()

    def touch(self) -> None:
        """Note that there is something to save."""
        self._dirty = self._state.store is not None

    def save(self) -> None:
        """Save what was added, if anything was."""
        store = self._state.store
        if store is None or not self._dirty:
            return
        self._dirty = False
        try:
            with CHANGING:
                self._take_what_commands_added(store)
                save_sidecar(self._sidecar(store), store)
        except (TvaeError, OSError) as error:
            what = f"sets, clusters and view of this run could not be saved ({error})"
            self._messages.error(StoreError(what, store.path))

    def _sidecar(self, store: EmbeddingStore) -> Sidecar:
        state = self._state
        made = Sidecar.of(store)
        made.sets = list(state.sets)
        made.planes = {name: plane.coordinates for name, plane in state.planes.items()}
        made.columns = dict(state.joined)
        made.labellings = {
            name: Labelling(c.labels, c.names, c.colours, c.method, c.note)
            for name, c in state.clusterings.items()
        }
        made.images_at = self._images_at
        made.view = _view_of(state)
        return made

    def _take_what_commands_added(self, store: EmbeddingStore) -> None:
        """Take what `tvae cluster`, `tvae project` and others wrote while the window was open."""
        try:
            disk = load_sidecar(store)
        except TvaeError:
            return  # said when the run was opened; the save keeps that file under another name
        state = self._state
        self._images_at = disk.images_at
        for name in disk.planes.keys() - state.planes.keys():
            state.add_plane(name, Plane(np.asarray(disk.planes[name])))
        state.keep_clusterings(
            {
                name: _clusters_of(kept)
                for name, kept in disk.labellings.items()
                if self._is_news(name, kept)
            }
        )
        self._loaded = dict(state.clusterings)

    def _is_news(self, name: str, kept: Labelling) -> bool:
        """Return whether a clustering on disk is another than was loaded, and not changed here."""
        before, now = self._loaded.get(name), self._state.clusterings.get(name)
        if before is not now:
            return False
        return before is None or not np.array_equal(before.labels, kept.labels)

    def _restore(self, store: EmbeddingStore) -> None:
        try:
            sidecar = load_sidecar(store)
        except TvaeError as error:
            self._messages.error(error)
            return
        state = self._state
        state.join_columns(sidecar.columns)
        for name, coordinates in sidecar.planes.items():
            state.add_plane(name, Plane(np.asarray(coordinates)))
        self._images_at = sidecar.images_at
        found = {name: _clusters_of(kept) for name, kept in sidecar.labellings.items()}
        self._loaded = dict(found)
        state.keep_clusterings(found)
        wanted = [str(sidecar.view.get("clustering", "")), CLUSTERING, *found]
        state.show_clustering(next((name for name in wanted if name in found), ""))
        state.replace_sets(sidecar.sets)
        try:
            _show_view(state, sidecar.view)
        except (KeyError, TypeError, ValueError, TvaeError):
            self._messages.notice("The last view of this run could not be restored.")

    def _note_missing_images(self, store: EmbeddingStore) -> None:
        images = store.header.config.data.path or store.source_files[0]
        if images_are_there(store) or store.path.resolve() == demo_path().resolve():
            return  # the example ships without its images
        self._messages.notice(
            f"The original images were not found at {images}. You can still explore the run; to "
            "export images, give their new location."
        )


def _clusters_of(kept: Labelling) -> Clusters:
    """Return a clustering with a name and a colour for each cluster, which commands do not give."""
    count = int(kept.labels.max(initial=-1)) + 1
    names = (*kept.names, *(f"cluster {n + 1}" for n in range(len(kept.names), count)))
    colours = (*kept.colours, *class_colours(count)[len(kept.colours) :])
    return Clusters(kept.labels, names, colours, kept.method, kept.note)


def _view_of(state: ExplorerState) -> dict[str, Any]:
    shown, probe = state.shown, state.probe
    return {
        "plane": shown.choice.name if shown is not None and not shown.is_line else "",
        "colour": state.colour.key,
        "clustering": state.clustering,
        "filters": {k: [float(a), float(b)] for k, (a, b) in state.filters.items()},
        "z": [] if probe is None else [float(v) for v in probe.z],
        "atlas": state.options.atlas,
        "colour_map": state.options.colour_map,
        "image_map": state.options.image_map,
    }


def _show_view(state: ExplorerState, view: dict[str, Any]) -> None:
    if not view:
        return
    if view.get("plane"):
        state.choose_plane(PlaneChoice.named(view["plane"]))
    state.colour_by(view.get("colour", "density"))
    for key, (low, high) in view.get("filters", {}).items():
        state.set_filter(key, (float(low), float(high)))
    kept = {k: view[k] for k in ("atlas", "colour_map", "image_map") if k in view}
    state.set_options(**kept)
    if state.store is not None and len(view.get("z", [])) == state.store.z_dim:
        state.set_probe_z(np.array(view["z"], dtype=np.float32))
