"""The images nearest to the probe, all of them searched, on a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray
from PyQt6.QtCore import QObject

from tvae_core.planes import NEIGHBOURS
from tvae_core.progress import Cancel
from tvae_gui.jobs.latest_worker import LatestWorker
from tvae_gui.state.explorer_state import ExplorerState

Array = NDArray[Any]
_SLOT = "neighbours"
REST_S = 0.03


class NeighbourJob(QObject):
    """Answers the state where the neighbours of its probe are an estimate; the latest place wins.

    Signals: none.
    """

    def __init__(self, state: ExplorerState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = state
        state.counts_later = True
        self._worker = LatestWorker("neighbours", self)
        self._worker.answered.connect(lambda _, answer: state.take_neighbours(*answer))

    @property
    def idle(self) -> bool:
        """Whether nothing is asked."""
        return self._worker.idle

    def ask(self) -> None:
        """Search around the probe as it is now."""
        probe, nearness = self._state.probe, self._state.nearness
        if probe is None or nearness is None:
            return
        z, most = probe.z, max(self._state.options.nearest, NEIGHBOURS)

        def work(cancelled: Cancel) -> Iterator[object]:
            self._worker.rest(REST_S, cancelled)  # during a drag no answer would be in time
            near, nearest, _away = nearness.around(z, most)
            yield z, near, nearest

        self._worker.ask(_SLOT, work)

    def stop(self) -> bool:
        """Join the thread."""
        return self._worker.stop()
