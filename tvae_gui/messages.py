"""The one door through which errors and notices reach the user."""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType

from PyQt6.QtCore import QObject, pyqtSignal

from tvae_core.errors import Cancelled, TvaeError
from tvae_core.files import file_error

_log = logging.getLogger("tvae_gui")


class Messages(QObject):
    """Where everything that wants to say something goes.

    Signals: said(level, sentence, details).
    """

    said = pyqtSignal(str, str, str)

    def notice(self, sentence: str) -> None:
        """Say something that needs no action."""
        self.said.emit("notice", sentence, "")

    def error(self, error: BaseException) -> None:
        """Say what went wrong: a TvaeError as its sentence, anything else as unexpected."""
        if isinstance(error, OSError):
            error = file_error(error)
        if isinstance(error, Cancelled):
            self.notice("Stopped.")
        elif isinstance(error, TvaeError):
            self.said.emit("error", sentence_of(error), "")
        else:
            details = "".join(traceback.format_exception(error))
            _log.error("unexpected: %s", details)
            text = f"Something unexpected went wrong ({type(error).__name__}: {error}). "
            self.said.emit("error", text + "You can carry on working.", details)

    def catch(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """Serve as `sys.excepthook`."""
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            self.error(error.with_traceback(trace))


def sentence_of(error: TvaeError) -> str:
    """Return an error as sentences: what happened, where, what to do."""
    what = error.what[:1].upper() + error.what[1:]
    place = f" — {error.where}" if error.where else ""
    advice = f". {error.todo[:1].upper() + error.todo[1:]}" if error.todo else ""
    return f"{what}{place}{advice}."
