"""Opening stores, and keeping what the user adds to them in the sidecar."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tvae_core.errors import StoreError, TvaeError
from tvae_core.images_of import images_are_there
from tvae_core.selection import NamedSet
from tvae_core.sidecar import Labelling, changing, load_sidecar, save_sidecar
from tvae_core.store import EmbeddingStore, Plane
from tvae_gui.messages import Messages
from tvae_gui.session.demo import demo_path
from tvae_gui.session.saving import Saving, stamp_of
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.made import Clusters
from tvae_gui.state.merging import merged_deleted, merged_sets
from tvae_gui.state.notes import clusters_of, notes_of, show_notes, show_view


class Session:
    """The open store and its sidecar."""

    def __init__(self, state: ExplorerState, messages: Messages) -> None:
        self._state, self._messages = state, messages
        self._dirty = self._told_unsaved = False
        self._saving: Saving | None = None
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

    @property
    def is_dirty(self) -> bool:
        """Whether there is something to save that is not on its way to disk."""
        return self._dirty

    def begin_saving(self) -> Saving | None:
        """Return what is to be written behind the window; None where there is nothing to write.

        `end_saving` is to follow when it is over. While one is under way no other begins.
        """
        store = self._state.store
        if store is None or not self._dirty or self._saving is not None:
            return None
        notes, state = notes_of(self._state, self._images_at), self._state
        self._saving = Saving(
            notes, store, self._stamp, dict(state.clusterings), list(state.sets)
        )  # fmt: skip
        self._dirty = False
        return self._saving

    def end_saving(self, saving: Saving) -> None:
        """Take the outcome of a writing; what could not be written stays to be saved."""
        if saving is not self._saving:
            return  # it was waited for
        self._saving = None
        if saving.error is not None:
            self._dirty = True
            self._say_unsaved(saving.error, saving.store_path)
        elif saving.overtaken:
            self._dirty = True
            self.save()
        else:
            self._take_written(saving)
            self._told_unsaved = False

    def _take_written(self, saving: Saving) -> None:
        self._loaded, self._stamp = saving.clusterings, saving.stamp
        self._loaded_sets = saving.sets

    def _wait_for_saving(self) -> None:
        """Wait for what is being written; where it was not, it is to be saved again."""
        saving, self._saving = self._saving, None
        if saving is None:
            return
        saving.wait()
        if saving.error is not None or saving.overtaken:
            self._dirty = True
        else:
            self._take_written(saving)

    def save(self) -> bool:
        """Save what was added, if anything was; else say why not, keep it unsaved, return False."""
        self._wait_for_saving()
        store = self._state.store
        if store is None or not self._dirty:
            return True
        try:
            with changing(store.path):
                if stamp_of(store.path) != self._stamp:
                    self._take_what_others_added(store)
                save_sidecar(notes_of(self._state, self._images_at), store)
                self._remember(store)
        except (TvaeError, OSError) as error:
            self._say_unsaved(error, store.path)
            return False
        self._dirty = self._told_unsaved = False
        return True

    def _say_unsaved(self, error: Exception, path: Path) -> None:
        what = f"sets, clusters and view of this run could not be saved ({error})"
        todo = "they stay here and are saved with the next change; close again to discard them"
        self._messages.error(StoreError(what, path, todo))

    def _remember(self, store: EmbeddingStore) -> None:
        """Note what is on disk now, to know later what others changed."""
        self._loaded, self._stamp = dict(self._state.clusterings), stamp_of(store.path)
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
