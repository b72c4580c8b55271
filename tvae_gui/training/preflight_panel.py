"""What a run will need, and what speaks against it."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from tvae_core.runs.preflight import Preflight, Problem
from tvae_core.words import duration, size
from tvae_gui.widgets import ink

_ROWS = ("Memory", "Disk", "One epoch", "All epochs")


class PreflightPanel(QWidget):
    """Estimates of memory, disk and time, and problems with the button that mends each.

    Signals
    -------
    mend_requested(Problem)
        The person pressed a problem's button.
    """

    mend_requested = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self.values = {name: QLabel("–") for name in _ROWS}
        self.frees = {name: ink.QuietLabel() for name in _ROWS}
        self.basis = ink.QuietLabel()
        self._shown: tuple[Problem, ...] = ()
        self._problems = QVBoxLayout()
        self._problems.setSpacing(16)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(ink.title("Before you start"))
        column.addLayout(self._table())
        column.addWidget(self.basis)
        column.addSpacing(8)
        column.addLayout(self._problems)
        column.addStretch(1)
        self.show_preflight(None)

    def show_preflight(self, preflight: Preflight | None) -> None:
        """Show estimates and problems; None before there are images."""
        self._show_problems(() if preflight is None else preflight.problems)
        if preflight is None:
            for name in _ROWS:
                self.values[name].setText("–")
                self.frees[name].setText("")
            self.basis.setText("Estimates appear once the images have been read.")
            return
        self.values["Memory"].setText(f"about {size(preflight.memory_bytes)}")
        self.values["Disk"].setText(f"about {size(preflight.disk_bytes)}")
        self.values["One epoch"].setText(_about(preflight.seconds_per_epoch))
        self.values["All epochs"].setText(_about(preflight.seconds))
        self.frees["Memory"].setText(f"{size(preflight.machine.memory_bytes)} free")
        self.frees["Disk"].setText(f"{size(preflight.machine.disk_bytes)} free")
        self.basis.setText(f"Times are estimates, {preflight.basis}.")

    def problems_shown(self) -> list[str]:
        """Return the problems in words."""
        return [problem.what for problem in self._shown]

    def _table(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(2, 1)
        right = Qt.AlignmentFlag.AlignRight
        for row, name in enumerate(_ROWS):
            grid.addWidget(QLabel(name), row, 0)
            grid.addWidget(self.values[name], row, 1, right)
            grid.addWidget(self.frees[name], row, 2)
        return grid

    def _show_problems(self, problems: tuple[Problem, ...]) -> None:
        if problems == self._shown and problems:
            return
        self._shown = problems
        while (item := self._problems.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        for problem in problems:
            self._problems.addWidget(self._problem(problem))

    def _problem(self, problem: Problem) -> QWidget:
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        words = ink.QuietLabel(problem.what, warns=True)
        column.addWidget(words)
        if problem.key:
            button = QPushButton(problem.remedy)
            button.clicked.connect(lambda: self.mend_requested.emit(problem))
            column.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)
        else:
            column.addWidget(ink.QuietLabel(problem.remedy))
        return box


def _about(seconds: float | None) -> str:
    return "not known yet" if seconds is None else f"about {duration(seconds)}"
