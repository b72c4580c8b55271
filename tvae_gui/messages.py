"""The one door through which errors and notices reach the user: a bar that blocks nothing."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Literal

from PyQt6.QtCore import QObject, Qt, QTimer, pyqtSignal
from PyQt6.QtWidgets import QApplication, QHBoxLayout, QLabel, QToolButton, QWidget

from tvae_core.errors import Cancelled, TvaeError
from tvae_gui.theme import GRID, set_role

Level = Literal["notice", "error"]
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
        if isinstance(error, Cancelled):
            self.notice("Stopped.")
        elif isinstance(error, TvaeError):
            self.said.emit("error", sentence_of(error), "")
        else:
            details = "".join(traceback.format_exception(error))
            _log.error("unexpected: %s", details)
            text = f"Something unexpected went wrong ({type(error).__name__}: {error}). "
            self.said.emit("error", text + "The window goes on.", details)

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


class MessageBar(QWidget):
    """A bar at the foot of the window that shows the latest message; errors stay until read."""

    NOTICE_MS = 6000

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("messageBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Messages")
        self._mark = QLabel()
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._details = ""
        self._copy = self._button("Copy details", self._on_copy)
        self._close = self._button("Dismiss", self.hide)
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        row.addWidget(self._mark)
        row.addWidget(self._text, 1)
        row.addWidget(self._copy)
        row.addWidget(self._close)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(self.NOTICE_MS)
        self._timer.timeout.connect(self.hide)
        self.hide()

    @property
    def text(self) -> str:
        """The message shown."""
        return self._text.text()

    def show_message(self, level: str, sentence: str, details: str = "") -> None:
        """Show a message."""
        self._mark.setText("!" if level == "error" else "")
        set_role(self._mark, "accent")
        self._mark.setVisible(level == "error")
        self._text.setText(sentence)
        self._details = details
        self._copy.setVisible(bool(details))
        self.place()
        self.show()
        self.raise_()
        self._timer.stop()
        if level != "error":
            self._timer.start()

    def place(self) -> None:
        """Stand at the foot of the window, over what is there."""
        parent = self.parentWidget()
        if parent is None:
            return
        width = min(parent.width() - 4 * GRID, 860)
        height = max(40, self.heightForWidth(width))
        left = (parent.width() - width) // 2
        self.setGeometry(left, parent.height() - height - 2 * GRID, width, height)

    def _button(self, text: str, act: Callable[[], object]) -> QToolButton:
        button = QToolButton(self)
        button.setText(text)
        set_role(button, "quiet")
        button.clicked.connect(lambda: act())
        return button

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self._details)
