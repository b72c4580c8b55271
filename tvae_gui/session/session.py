"""Opening stores, and keeping what the user adds to them in the sidecar."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tvae_core.errors import StoreError, TvaeError
from tvae_core.images_of import images_are_there
from tvae_core.selection import NamedSet
from tvae_core.sidecar import Labelling, changing, load_sidecar, save_sidecar, sidecar_path
from tvae_core.store import EmbeddingStore, Plane
from tvae_gui.messages import Messages
from tvae_gui.session.demo import demo_path
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.made import Clusters
from tvae_gui.state.merging import merged_deleted, merged_sets
from tvae_gui.state.notes import clusters_of, notes_of, show_notes, show_view


class Session:
    """The open store and its sidecar."""

    def __init__(self, state: ExplorerState, messages: Messages) -> None:
        self._state, self._messages = state, messages
        self._dirty = self._told_unsaved = False
        self._forget_notes()

    def _forget_notes(self) -> None:
        self._images_at = ""
        self._loaded: dict[str, Clusters] = {}
        self._loaded_sets: list[NamedSet] = []
        self._stamp: tuple[int, int] | None = None

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
        if not self.may_leave():
            store.close()
            return False
        self._leave()
        self._state.open(store)
        self._forget_notes()
        self._restore(store)
        self._state.stack.clear()
        self._dirty = self._told_unsaved = False
        self._note_missing_images(store)
        return True

    def may_leave(self) -> bool:
        """Save, and return whether the store may be left.

        Not the first time that saving fails: what was changed stays, and may be saved yet. Whoever
        asks again leaves without it.
        """
        if self.save():
            return True
        was_told, self._told_unsaved = self._told_unsaved, True
        return was_told

    def close(self) -> None:
        """Save and forget the store."""
        self._leave()
        self._state.close()

    def _leave(self) -> None:
        """Save; sets deleted some closings ago are forgotten."""
        if self._state.age_deleted():
            self.touch()
        self.save()

    def touch(self) -> None:
        """Note that there is something to save."""
        self._dirty = self._state.store is not None

    def save(self) -> bool:
        """Save what was added, if anything was; else say why not, keep it unsaved, return False."""
        store = self._state.store
        if store is None or not self._dirty:
            return True
        try:
            with changing(store.path):
                if _stamp_of(store) != self._stamp:
                    self._take_what_others_added(store)
                save_sidecar(notes_of(self._state, self._images_at), store)
                self._remember(store)
        except (TvaeError, OSError) as error:
            what = f"sets, clusters and view of this run could not be saved ({error})"
            todo = "they stay here and are saved with the next change; close again to discard them"
            self._messages.error(StoreError(what, store.path, todo))
            return False
        self._dirty = self._told_unsaved = False
        return True

    def _remember(self, store: EmbeddingStore) -> None:
        """Note what is on disk now, to know later what others changed."""
        self._loaded, self._stamp = dict(self._state.clusterings), _stamp_of(store)
        self._loaded_sets = list(self._state.sets)

    def _take_what_others_added(self, store: EmbeddingStore) -> None:
        """Take what commands and other windows wrote while this window was open."""
        try:
            disk = load_sidecar(store)
        except TvaeError:
            return  # said when the run was opened; the save keeps that file under another name
        state = self._state
        self._images_at = disk.images_at
        sets = merged_sets(self._loaded_sets, state.sets, disk.sets)
        state.take_sets(sets, merged_deleted(state.made.deleted, disk.deleted))
        state.join_columns({k: v for k, v in disk.columns.items() if k not in state.joined})
        for name in disk.planes.keys() - state.planes.keys():
            state.add_plane(name, Plane(np.asarray(disk.planes[name])))
        state.keep_clusterings(
            {
                name: clusters_of(kept)
                for name, kept in disk.labellings.items()
                if self._is_news(name, kept)
            }
        )

    def _is_news(self, name: str, kept: Labelling) -> bool:
        """Return whether a clustering on disk is another than was loaded, and not changed here."""
        before, now = self._loaded.get(name), self._state.clusterings.get(name)
        if before is not now:
            return False
        return before is None or not np.array_equal(before.labels, kept.labels)

    def _restore(self, store: EmbeddingStore) -> None:
        self._remember(store)
        try:
            sidecar = load_sidecar(store)
        except TvaeError as error:
            self._messages.error(error)
            return
        show_notes(self._state, sidecar)
        self._images_at = sidecar.images_at
        self._remember(store)
        try:
            show_view(self._state, sidecar.view)
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


def _stamp_of(store: EmbeddingStore) -> tuple[int, int] | None:
    """Return what changes when anybody writes the notes on a store; None where there are none."""
    path = sidecar_path(store.path)
    if not path.exists():
        return None
    state = path.stat()
    return state.st_mtime_ns, state.st_ino
