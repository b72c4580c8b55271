"""Training from the window: the dialog, the monitors of runs and their list, made when asked for.

The views and jobs of training are imported when first used: exploring needs none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QMainWindow

from tvae_core.errors import TvaeError
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.listing import RecentRuns
from tvae_gui.messages import Messages
from tvae_gui.state.run_list import RunList
from tvae_gui.widgets.controls import grown

if TYPE_CHECKING:
    from tvae_gui.jobs.background_job import BackgroundJobs
    from tvae_gui.jobs.look_job import LookJob
    from tvae_gui.jobs.run_keeper import RunKeeper
    from tvae_gui.state.new_run import NewRunState
    from tvae_gui.training.run_list import RunListView
    from tvae_gui.training.run_monitor import RunMonitor
    from tvae_gui.training.train_dialog import TrainDialog

RECENT_RUNS = "recent-runs.json"
SO_FAR = "so-far.h5"  # the store of a run that is not finished


class Training:
    """Owns the runs that this window started or follows.

    Parameters
    ----------
    explore : callable
        Opens the store of a run in the window; False when it could not.
    settings : Path
        The folder of the user's settings, where the runs used of late are remembered.
    jobs : BackgroundJobs, optional
        Where unfinished runs are embedded.
    home : Path, optional
        Where new runs are made; `tvae-runs` in the user's home without it.
    """

    def __init__(
        self,
        window: QMainWindow,
        explore: Callable[[Path], bool],
        messages: Messages,
        settings: Path,
        home: Path | None = None,
        jobs: BackgroundJobs | None = None,
    ) -> None:
        self._window, self._explore, self._messages = window, explore, messages
        self._jobs = jobs
        self._home = home or Path.home() / "tvae-runs"
        self.runs = RunList(RecentRuns(settings / RECENT_RUNS), [self._home])
        self._keeper: RunKeeper | None = None
        self._dialogs: dict[TrainDialog, LookJob] = {}
        self._list: RunListView | None = None
        self._monitors: dict[Path, RunMonitor] = {}
        self._stopping = False

    # --- the dialog ----------------------------------------------------------------------------
    def open_dialog(self, images: Path | None = None) -> None:
        """Show the dialog of a new run, with images where some are named."""
        state = self._new_dialog()
        if images is not None:
            state.choose_images(str(images))

    def copy_run(self, run: Path) -> None:
        """Show the dialog of a new run with the images and settings of an earlier one."""
        try:
            config = RunFolder(run).config()
        except TvaeError as error:
            self._messages.error(error)
            return
        self._new_dialog().start_from(config)

    def _new_dialog(self) -> NewRunState:
        from tvae_gui.jobs.look_job import LookJob, advise
        from tvae_gui.state.config_form import RECOMMENDED
        from tvae_gui.state.new_run import NewRunState
        from tvae_gui.training.train_dialog import TrainDialog

        self.runs.refresh()
        state = NewRunState(self._home, RECOMMENDED, measured=self.runs.measured)
        look = LookJob(adviser=advise)
        dialog = TrainDialog(state, self._window)
        state.look_wanted.connect(look.look)
        look.look_ready.connect(state.show_look)
        look.look_failed.connect(state.show_look_error)
        look.advice_ready.connect(state.show_recommendation)
        dialog.run_requested.connect(self.keeper().start)
        dialog.finished.connect(lambda _: self._end_dialog(dialog))
        self._dialogs[dialog] = look
        dialog.show()
        return state

    def _end_dialog(self, dialog: TrainDialog) -> None:
        look = self._dialogs.pop(dialog, None)
        if look is not None:
            look.close()
            dialog.deleteLater()

    # --- the list and the monitors -------------------------------------------------------------
    def open_runs(self, folders: Sequence[Path] = ()) -> None:
        """Show the list of runs, with those of some folders first."""
        from tvae_gui.training.run_list import RunListView

        self.runs.refresh()
        for folder in folders:
            self.runs.add_folder(folder)
        if self._list is not None and not self._list.isVisible():
            self._list.deleteLater()  # closed by the user: it listens to nothing any more
            self._list = None
        if self._list is None:
            self._list = RunListView(self.runs)
            self._list.setWindowTitle("Runs")
            self._list.resize(grown(960, 640, self._window))
            self._list.run_opened.connect(self.open_monitor)
            self._list.new_run_requested.connect(self.open_dialog)
            self._list.copy_requested.connect(self.copy_run)
        self._list.show()
        self._list.raise_()

    def open_monitor(self, run: Path) -> None:
        """Show how a run is going."""
        run = run.resolve()
        monitor = self._monitors.get(run)
        if monitor is not None and not monitor.isVisible():
            monitor.deleteLater()  # closed by the user: it listens to nothing any more
            monitor = None
        if monitor is None:
            monitor = self._monitors[run] = self._new_monitor(run)
        monitor.show()
        monitor.raise_()

    def _new_monitor(self, run: Path) -> RunMonitor:
        from tvae_gui.training.run_monitor import RunMonitor

        keeper = self.keeper()
        monitor = RunMonitor(keeper.open(run))
        monitor.setAttribute(Qt.WidgetAttribute.WA_QuitOnClose, False)
        monitor.setWindowTitle(f"{run.name} – training")
        monitor.resize(grown(1120, 720, self._window))
        monitor.stop_requested.connect(keeper.stop)
        monitor.resume_requested.connect(self.resume)
        monitor.explore_requested.connect(self._on_explore)
        monitor.so_far_requested.connect(self.explore_so_far)
        monitor.again_requested.connect(self.try_again)
        self.runs.recent.add(run)
        return monitor

    def resume(self, run: Path) -> None:
        """Go on with a run; where its images are not where they were, ask for them first."""
        from tvae_core.runs.images import missing_images
        from tvae_gui.widgets.questions import ask_images_at

        images_at = ""
        try:
            missing = missing_images(RunFolder(run))
        except TvaeError as error:
            self._messages.error(error)
            return
        if missing:
            images_at = ask_images_at(self._window, missing)
        if images_at or not missing:
            self.keeper().resume(run, images_at)

    def explore_so_far(self, run: Path) -> None:
        """Embed a run that is stopped or at work with its newest checkpoint, then explore that."""
        from tvae_core.work.train import EmbedRequest

        monitor = self._monitors.get(run.resolve())
        if self._jobs is None or monitor is None:
            return
        request = EmbedRequest(folder=run, output=run / SO_FAR)
        monitor.show_embedding("Embedding the images …")

        def ended(store: Path | None = None) -> None:
            if self._monitors.get(run.resolve()) is monitor:
                monitor.show_embedding("")
            if store is not None:
                self._on_explore(store)

        def failed(error: BaseException) -> None:
            ended()
            self._messages.error(error)

        self._jobs.run(f"embedding {run.name}", request.run, ended, failed)

    def try_again(self, run: Path, changes: dict[str, str]) -> None:
        """Show the dialog of a new run like an earlier one, with some settings changed."""
        try:
            config = RunFolder(run).config()
            config = config.changed([f"{key}={value}" for key, value in changes.items()])
        except TvaeError as error:
            self._messages.error(error)
            return
        self._new_dialog().start_from(config)

    def _on_explore(self, store: Path) -> None:
        if self._explore(store):
            self._window.show()
            self._window.raise_()
            self._window.activateWindow()

    def keeper(self) -> RunKeeper:
        """Return the keeper of runs."""
        from tvae_gui.jobs.run_keeper import RunKeeper

        if self._keeper is None:
            self._keeper = RunKeeper(parent=self._window)
            self._keeper.run_started.connect(self.runs.add)
            self._keeper.run_started.connect(self.open_monitor)
            self._keeper.run_ended.connect(lambda *_: self.runs.refresh())
            self._keeper.all_stopped.connect(self._on_all_stopped)
            self._keeper.failed.connect(self._messages.error)
        return self._keeper

    # --- closing -------------------------------------------------------------------------------
    def may_close(self) -> bool:
        """Ask about runs at work; let go of all and return True unless the window is to stay.

        After "Stop training" the window closes by itself once the last process has ended;
        closing it again meanwhile does not wait.
        """
        working = [] if self._keeper is None else self._keeper.working()
        if working and self._keeper is not None and not self._stopping:
            answer = self._ask([run.name for run in working])
            if answer == "stop":
                self._stopping = True
                words = "The run writes" if len(working) == 1 else "The runs write"
                self._messages.notice(f"{words} a checkpoint, then the window closes.")
                self._keeper.stop_all()
            if answer != "leave":
                return False
        self._let_go()
        return True

    def _ask(self, names: list[str]) -> str:
        from tvae_gui.training.closing_question import ClosingQuestion

        question = ClosingQuestion(names, self._window)
        answer = question.answer()
        question.deleteLater()
        return answer

    def _on_all_stopped(self) -> None:
        if self._stopping:
            QTimer.singleShot(0, self._window.close)  # not from within the window's closing

    def _let_go(self) -> None:
        for dialog in list(self._dialogs):
            dialog.close()
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
