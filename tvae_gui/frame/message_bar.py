"""The bar that shows the latest message and blocks nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QApplication, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from tvae_gui.theme import GRID, set_role

_MAY_BREAK = "\u200b"  # a line may end after it
_ENDING = r"(?:\.\w[\w.]*|-\w+|\w+-\w+)"  # of files: .mrc, -ubyte, idx3-byte
_LIST = re.compile(rf"(?<!\S)\.\w+(?: {_ENDING}){{7,}}")
_FOLDED = 4  # of them that stay


class MessageBar(QWidget):
    """A bar at the foot of the window that shows the latest message; errors stay until read."""

    NOTICE_MS = 6000

    def __init__(self, parent: QWidget | None = None) -> None:
        self._other: QWidget | None = None
        super().__init__(parent)
        self.setObjectName("messageBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Messages")
        self._mark = QLabel()
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setMinimumWidth(1)  # a long path does not widen the window
        self._text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._details = ""
        self._whole = ""
        self._more = self._button("Show all", self._on_more)
        self._copy = self._button("Copy details", self._on_copy)
        self._close = self._button("Dismiss", self._on_dismiss)
        self._is_error = False
        self._waiting: list[tuple[str, str, str]] = []
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GRID, 1, GRID, 1)
        set_role(self._text, "small")
        row.addWidget(self._mark)
        row.addWidget(self._text, 1)
        row.addWidget(self._more)
        row.addWidget(self._copy)
        row.addWidget(self._close)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(self.NOTICE_MS)
        self._timer.timeout.connect(self.hide)
        policy = self.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # what comes and goes moves nothing
        self.setSizePolicy(policy)
        self.hide()

    @property
    def text(self) -> str:
        """The message shown."""
        return self._whole

    @property
    def shown(self) -> str:
        """What of it can be read: long lists are folded."""
        return self._text.text().replace(_MAY_BREAK, "")

    def stand_for(self, other: QWidget) -> None:
        """Take the place of another widget while a message is shown."""
        self._other = other
        other.setVisible(self.isHidden())

    def setVisible(self, visible: bool) -> None:
        """Show or hide the bar, and what it stands for the other way round."""
        super().setVisible(visible)
        if self._other is not None:
            self._other.setVisible(not visible)

    def show_message(self, level: str, sentence: str, details: str = "") -> None:
        """Show a message; a notice waits until an error on show has been read."""
        if level != "error" and self._is_error and self.isVisible():
            self._waiting = [(level, sentence, details)]
            return
        self._is_error = level == "error"
        self._mark.setText("!" if level == "error" else "")
        set_role(self._mark, "accent")
        self._mark.setVisible(level == "error")
        self._whole = sentence
        self._put(_LIST.sub(_folded, sentence))
        self._more.setVisible(self.shown != sentence)
        self._details = details
        self._copy.setVisible(bool(details))
        self.show()
        self._timer.stop()
        if level != "error":
            self._timer.start()

    def forget_notice(self) -> None:
        """Put a notice away: what it was about is closed. Errors stay until they are dismissed."""
        self._waiting.clear()
        if not self._is_error:
            self.hide()

    def _button(self, text: str, act: Callable[[], object]) -> QToolButton:
        button = QToolButton(self)
        button.setText(text)
        set_role(button, "quiet")
        button.clicked.connect(lambda: act())
        return button

    def _put(self, words: str) -> None:
        self._text.setText(words.replace("/", "/" + _MAY_BREAK))

    def _on_more(self) -> None:
        self._put(self._whole)
        self._more.hide()

    def _on_dismiss(self) -> None:
        self.hide()
        if self._waiting:
            self.show_message(*self._waiting.pop())

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self._details)


def _folded(found: re.Match[str]) -> str:
    """Return the first of a long list, and how many more there are."""
    all_of_them = found.group().split()
    return f"{' '.join(all_of_them[:_FOLDED])} and {len(all_of_them) - _FOLDED} more"
