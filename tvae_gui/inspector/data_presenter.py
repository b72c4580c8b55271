"""What adds to a run: a UMAP, the columns of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtWidgets import QFileDialog

from tvae_core.errors import TvaeError
from tvae_core.particles.joined import JoinedTable, KeylessTable, join_table
from tvae_core.planes import PlaneChoice
from tvae_core.store import EmbeddingStore, Plane
from tvae_core.words import count
from tvae_core.work.project import ProjectRequest
from tvae_gui.context import Context
from tvae_gui.inspector.position_question import PositionQuestion
from tvae_gui.jobs.card_job import JobCard

Array = NDArray[Any]


class DataPresenter:
    """Computes and joins what the store itself does not hold."""

    def __init__(self, context: Context, bar: JobCard) -> None:
        self._window, self._state, self._messages = context.window, context.state, context.messages
        self._bar, self._umap = bar, context.card_job(bar)

    # --- UMAP ----------------------------------------------------------------------------------
    def compute_umap(self) -> None:
        """Compute a UMAP in the background, then show it."""
        store = self._state.store
        if store is None:
            return
        request = ProjectRequest(store=Path(store.path), umap=True)
        title = f"UMAP of {count(store.images)} images"
        self._umap.run(
            title, request.compute_umap, self._on_umap, words=title, failed=self._on_umap_failed
        )

    def cancel(self) -> None:
        """Stop the UMAP."""
        if self._umap.is_running:
            self._bar.show_running(True, "stopping …")
            self._umap.cancel()

    def _on_umap(self, xy: Array) -> None:
        self._state.add_plane("umap", Plane(np.asarray(xy, np.float32)))
        self._state.choose_plane(PlaneChoice("umap"))

    def _on_umap_failed(self, error: BaseException) -> None:
        self._bar.show_running(False)
        self._messages.error(error)

    # --- a joined table ------------------------------------------------------------------------
    def ask_join(self) -> None:
        """Ask for a table and join it."""
        name, _ = QFileDialog.getOpenFileName(
            self._window, "Join a table", "", "Tables (*.csv *.tsv *.star *.cs);;All files (*)"
        )
        if name:
            self.join(Path(name))

    def join(self, path: Path) -> None:
        """Add the columns of a table whose rows name their images; else ask to go by position."""
        store = self._state.store
        if store is None:
            return
        try:
            joined = self._joined(path, store)
            if joined is not None:
                self._state.join_columns(joined.columns)
                self._messages.notice(joined.words)
        except TvaeError as error:
            self._messages.error(error)

    def _joined(self, path: Path, store: EmbeddingStore) -> JoinedTable | None:
        """Return the joined table, None when the user will not have it by position."""
        try:
            return join_table(path, store)
        except KeylessTable as error:
            if not self.ask_position(error.what, path):
                return None
            return join_table(path, store, by_position=True)

    def ask_position(self, what: str, path: Path) -> bool:
        """Ask whether row k of a table is of image k."""
        return PositionQuestion(what, path, self._window).answer()
