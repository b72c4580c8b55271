"""A slim bar that says what long work is going on, how far it is, and lets one stop it."""

from __future__ import annotations

import time

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QWidget

from tvae_gui.theme import GRID, set_role
from tvae_gui.widgets.controls import muted, tool_button


class JobBar(QFrame):
    """Title, progress, time left, Stop. Signals: cancel_wanted()."""

    cancel_wanted = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self._title = QLabel()
        self._bar = QProgressBar()
        self._bar.setRange(0, 0)
        self._left = muted()
        self._began = 0.0
        stop = tool_button("Stop")
        set_role(stop, "quiet")
        stop.clicked.connect(lambda: self.cancel_wanted.emit())
        line = QHBoxLayout(self)
        line.setContentsMargins(2 * GRID, 4, GRID, 4)
        line.addWidget(self._title)
        line.addWidget(self._bar, 1)
        line.addWidget(self._left)
        line.addWidget(stop)
        self.hide()

    def show_running(self, running: bool, words: str = "") -> None:
        """Show that work began, or that it ended."""
        self.setVisible(running)
        self._title.setText(words)
        self._bar.setRange(0, 0)
        self._left.setText("")
        self._began = time.monotonic()

    def show_progress(self, share: float, words: str = "") -> None:
        """Show how far it is."""
        self._bar.setRange(0, 1000)
        self._bar.setValue(round(1000 * share))
        passed = time.monotonic() - self._began
        if share > 0.05:
            left = passed * (1 - share) / share
            self._left.setText(f"{left:.0f} s left" if left < 90 else f"{left / 60:.0f} min left")
