"""Training from the window: the dialog, the monitors of runs and their list, made when asked for.

The views and jobs of training are imported when first used: exploring needs none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QMainWindow, QWidget

from tvae_gui.messages import Messages

if TYPE_CHECKING:
    from tvae_gui.jobs.look_job import LookJob
    from tvae_gui.jobs.run_keeper import RunKeeper
    from tvae_gui.state.run_list import RunList
    from tvae_gui.views.run_list import RunListView


class Training:
    """Owns the runs that this window started or follows."""

    def __init__(
        self, window: QMainWindow, explore: Callable[[Path], bool], messages: Messages
    ) -> None:
        self._window, self._explore, self._messages = window, explore, messages
        self._keeper: RunKeeper | None = None
        self._looks: list[LookJob] = []
        self._runs: RunList | None = None
        self._list: RunListView | None = None
        self._monitors: dict[Path, QWidget] = {}

    def open_dialog(self) -> None:
        """Show the dialog of a new run."""
        from tvae_gui.jobs.look_job import LookJob
        from tvae_gui.state.new_run import NewRunState
        from tvae_gui.views.train_dialog import TrainDialog

        state, look = NewRunState(Path.home() / "tvae-runs"), LookJob()
        dialog = TrainDialog(state, self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        state.look_wanted.connect(look.look)
        look.look_ready.connect(state.show_look)
        dialog.run_requested.connect(self.keeper().start)
        dialog.finished.connect(lambda _: self._end_look(look))
        self._looks.append(look)
        dialog.show()

    def open_runs(self) -> None:
        """Show the list of runs."""
        from tvae_gui.state.run_list import RunList
        from tvae_gui.views.run_list import RunListView

        if self._runs is None:
            self._runs = RunList(folders=[Path.home() / "tvae-runs"])
        if self._list is None:
            self._list = RunListView(self._runs)
            self._list.setWindowTitle("Runs")
            self._list.resize(960, 640)
            self._list.run_opened.connect(self.open_monitor)
            self._list.new_run_requested.connect(self.open_dialog)
        self._runs.refresh()
        self._list.show()
        self._list.raise_()

    def open_monitor(self, run: Path) -> None:
        """Show how a run is going."""
        from tvae_gui.views.run_monitor import RunMonitor

        if run not in self._monitors:
            keeper = self.keeper()
            monitor = RunMonitor(keeper.open(run))
            monitor.setWindowTitle(f"{run.name} – training")
            monitor.resize(1120, 720)
            monitor.stop_requested.connect(keeper.stop)
            monitor.resume_requested.connect(keeper.resume)
            monitor.explore_requested.connect(self._explore)
            self._monitors[run] = monitor
        self._monitors[run].show()
        self._monitors[run].raise_()

    def keeper(self) -> RunKeeper:
        """Return the keeper of runs."""
        from tvae_gui.jobs.run_keeper import RunKeeper
        from tvae_gui.state.run_list import RecentRuns

        if self._keeper is None:
            self._keeper = RunKeeper(parent=self._window)
            self._keeper.run_started.connect(self.open_monitor)
            self._keeper.run_started.connect(RecentRuns().add)
            self._keeper.failed.connect(self._messages.error)
        return self._keeper

    def may_close(self) -> bool:
        """Ask about runs at work; let go of all and return True unless the user stays."""
        from tvae_gui.views.closing_question import ClosingQuestion

        working = [] if self._keeper is None else self._keeper.working()
        if working and self._keeper is not None:
            answer = ClosingQuestion([run.name for run in working], self._window).answer()
            if answer == "stay":
                return False
            if answer == "stop":
                for run in working:
                    self._keeper.stop(run)
        self._let_go()
        return True

    def _let_go(self) -> None:
        for look in self._looks:
            look.close()
        self._looks.clear()
        for monitor in self._monitors.values():
            monitor.close()
            monitor.deleteLater()
        self._monitors.clear()
        if self._list is not None:
            self._list.close()
            self._list.deleteLater()
            self._list = None
        if self._keeper is not None:
            self._keeper.detach()

    def _end_look(self, look: LookJob) -> None:
        if look in self._looks:
            self._looks.remove(look)
        look.close()
