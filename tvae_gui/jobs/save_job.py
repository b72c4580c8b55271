"""Writes notes on a thread of its own: a disk that is slow holds no hand up."""

from __future__ import annotations

import threading
from typing import Protocol

from PyQt6.QtCore import QObject, pyqtSignal


class Writing(Protocol):
    """What is to be written."""

    def run(self) -> None:
        """Write it; it keeps what went wrong."""


class SaveJob(QObject):
    """Runs one writing at a time.

    Signals: ended(writing), on the owner's thread.
    """

    ended = pyqtSignal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread: threading.Thread | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is being written."""
        return self._thread is None or not self._thread.is_alive()

    def start(self, writing: Writing) -> None:
        """Write in the background; `ended` follows."""

        def work() -> None:
            writing.run()
            self.ended.emit(writing)

        self.stop()
        self._thread = threading.Thread(target=work, name="save", daemon=False)
        self._thread.start()

    def stop(self) -> None:
        """Wait until what is being written is written."""
        if self._thread is not None:
            self._thread.join()
