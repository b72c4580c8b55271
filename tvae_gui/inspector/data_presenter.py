"""What adds to a run: a UMAP, the columns of a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtWidgets import QFileDialog

from tvae_core.analysis.projection import umap_plane
from tvae_core.errors import TableError, TvaeError
from tvae_core.particles.joined import read_columns
from tvae_core.store import Plane
from tvae_gui.context import Context
from tvae_gui.jobs.card_job import JobCard
from tvae_gui.state.planes import PlaneChoice

Array = NDArray[Any]


class DataPresenter:
    """Computes and joins what the store itself does not hold."""

    def __init__(self, context: Context, bar: JobCard) -> None:
        self._window, self._state, self._messages = context.window, context.state, context.messages
        self._bar, self._umap = bar, context.card_job(bar)

    # --- UMAP ----------------------------------------------------------------------------------
    def compute_umap(self) -> None:
        """Compute a UMAP beside the window, then show it."""
        store = self._state.store
        if store is None:
            return
        z = store.z_mean

        def work(progress: Callable[[float, str], None], cancelled: Callable[[], bool]) -> Any:
            return umap_plane(z, lambda share: progress(share, "UMAP"), cancelled)

        title = f"UMAP of {len(z):,} images"
        self._umap.run(title, work, self._on_umap, words=title, failed=self._on_umap_failed)

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
        """Add the columns of a CSV or STAR table with one row an image."""
        try:
            columns = read_columns(path, self._state.images)
            self._state.join_columns(columns)
        except TvaeError as error:
            self._messages.error(error)
        except (OSError, UnicodeDecodeError) as error:
            self._messages.error(TableError(f"cannot be read ({error})", path))
        else:
            self._messages.notice(f"{len(columns)} columns joined: colour and filter by them.")
