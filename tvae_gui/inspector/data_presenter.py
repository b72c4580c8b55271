"""What adds to a run: UMAP, columns of a table, pictures of the probe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtWidgets import QApplication

from tvae_core.analysis.projection import umap_plane
from tvae_core.errors import TableError, TvaeError
from tvae_core.files import atomic_write
from tvae_core.particles.joined import read_columns
from tvae_core.store import Plane
from tvae_core.words import degrees, figure
from tvae_gui.jobs.background_job import BackgroundJobs
from tvae_gui.jobs.card_job import CardJob, JobCard
from tvae_gui.messages import Messages
from tvae_gui.probe.probe_presenter import ProbePresenter
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.state.planes import PlaneChoice

Array = NDArray[Any]


class DataPresenter:
    """Computes and joins what the store itself does not hold."""

    def __init__(
        self, state: ExplorerState, jobs: BackgroundJobs, bar: JobCard, probe: ProbePresenter,
        messages: Messages,
    ) -> None:  # fmt: skip
        self._state, self._probe, self._messages = state, probe, messages
        self._bar, self._umap = bar, CardJob(jobs, state, messages, bar)

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

    # --- pictures of the probe -----------------------------------------------------------------
    def copy_image(self) -> None:
        """Put the decoded image and its numbers on the clipboard."""
        clipboard = QApplication.clipboard()
        values = self._probe.values
        if clipboard is None or values is None:
            return
        from PyQt6.QtCore import QMimeData

        data = QMimeData()
        data.setImageData(self._probe.decoded_picture(values))
        data.setText(self.numbers())
        clipboard.setMimeData(data)
        self._messages.notice("The image and its numbers are on the clipboard.")

    def save_image(self, path: Path) -> None:
        """Save the decoded image as PNG; its numbers go into the file's text."""
        values = self._probe.values
        if values is None:
            return
        image = self._probe.decoded_picture(values)
        image.setText("Description", self.numbers())
        try:
            with atomic_write(path) as part:
                if not image.save(str(part), "PNG"):
                    raise OSError("the picture could not be written")
        except OSError as error:
            self._messages.error(TableError(f"cannot be written ({error})", path))
        else:
            self._messages.notice(f"{values.shape[1]} × {values.shape[0]} pixels → {path}")

    def numbers(self) -> str:
        """Return the numbers of the probe in words."""
        probe = self._state.probe
        if probe is None:
            return ""
        z = ", ".join(figure(float(v)) for v in probe.z)
        shift = ", ".join(figure(v) for v in probe.shift_px)
        exact = "exact" if self._probe.is_exact else "preview"
        return (
            f"z = ({z}); angle {degrees(probe.angle_rad)}; shift ({shift}) px; "
            f"{probe.near:,} images near; {exact}"
        )
