"""The runs that are known: those in watched folders and those used of late."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from psygnal import Signal

from tvae_core.config import RunConfig
from tvae_core.errors import ConfigError
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.listing import RecentRuns, RunSummary, find_runs, summarise
from tvae_core.runs.preflight import MeasuredSpeed
from tvae_core.runs.status import RunStatus
from tvae_gui.state.training_state import TrainingState


class RunList:
    """The runs that are listed and which of them are compared.

    Signals
    -------
    changed()
        Runs came, went or moved on.
    compared_changed()
        Other runs are compared.
    """

    changed = Signal()
    compared_changed = Signal()

    def __init__(self, recent: RecentRuns | None = None, folders: Iterable[Path] = ()) -> None:
        self.recent = recent or RecentRuns()
        self.folders = list(folders)
        self.runs: list[RunSummary] = []
        self.compared: list[Path] = []
        self._speeds: dict[tuple[Path, int], MeasuredSpeed | None] = {}

    def refresh(self) -> None:
        """Read the folders again."""
        paths = dict.fromkeys([p.resolve() for p in self.recent.read()] + find_runs(self.folders))
        runs = sorted((summarise(path) for path in paths), key=_order)
        if runs != self.runs:
            self.runs = runs
            self.changed.emit()
        self.compare([path for path in self.compared if path in paths])

    def add(self, run: Path) -> None:
        """List a run and remember it."""
        self.recent.add(run.resolve())
        self.refresh()

    def add_folder(self, folder: Path) -> int:
        """List the runs of a folder and return how many there are."""
        found = find_runs([folder])
        for run in reversed(found):
            self.recent.add(run)
        self.refresh()
        return len(found)

    def forget(self, run: Path) -> None:
        """Take a run off the list; its files stay."""
        self.recent.forget(run.resolve())
        self.refresh()

    def compare(self, runs: list[Path]) -> None:
        """Choose the runs whose curves are drawn over each other."""
        if runs != self.compared:
            self.compared = list(runs)
            self.compared_changed.emit()

    def summary(self, run: Path) -> RunSummary | None:
        """Return the summary of a listed run."""
        return next((item for item in self.runs if item.path == run.resolve()), None)

    def measured(self, config: RunConfig) -> MeasuredSpeed | None:
        """Return how fast the latest run on the same images and device was, None without one."""
        wanted = {"data.path": config.data.path, "train.device": config.train.device}
        for run in self.runs:
            if run.epochs and wanted.items() <= run.settings.items():
                key = (run.path, run.epochs)
                if key not in self._speeds:
                    self._speeds[key] = _speed(run.path)
                return self._speeds[key]
        return None

    def histories(self) -> list[TrainingState]:
        """Return the histories of the compared runs."""
        return [TrainingState.from_folder(path) for path in self.compared]

    def differences(self) -> dict[str, list[object]]:
        """Return the settings in which the compared runs differ, one value a run."""
        settings = [run.settings for path in self.compared if (run := self.summary(path))]
        names = dict.fromkeys(name for values in settings for name in values)
        table = {name: [values.get(name) for values in settings] for name in names}
        return {name: row for name, row in table.items() if any(v != row[0] for v in row)}


def _speed(run: Path) -> MeasuredSpeed | None:
    speed = TrainingState.from_folder(run).images_per_second
    try:
        config = RunFolder(run).config()
    except ConfigError:
        return None
    return MeasuredSpeed(run.name, speed, config) if speed else None


def _order(run: RunSummary) -> tuple[bool, float]:
    return (run.status is not RunStatus.RUNNING, -run.modified_s)
