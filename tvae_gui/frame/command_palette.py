"""Every command by name: type a few letters, press Enter."""

from __future__ import annotations

from dataclasses import dataclass

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QFrame, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from tvae_gui.theme import GRID

_MOST = 14


@dataclass(frozen=True)
class Entry:
    """A command as the palette lists it; `why_not` says why it cannot run now."""

    key: str
    title: str
    shortcut: str = ""
    why_not: str = ""


class CommandPalette(QFrame):
    """A list of commands over the window. Signals: chosen(key)."""

    chosen = pyqtSignal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("palette")
        self.setAccessibleName("Commands")
        self._entries: list[Entry] = []
        self._field = QLineEdit()
        self._field.setAccessibleName("Find a command")
        self._field.setPlaceholderText("Type a command")
        self._field.textChanged.connect(self._fill)
        self._field.installEventFilter(self)
        self._list = QListWidget()
        self._list.setAccessibleName("Commands found")
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.itemActivated.connect(self._on_activated)
        self._list.itemClicked.connect(self._on_activated)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.addWidget(self._field)
        column.addWidget(self._list)
        self.hide()

    def open(self, entries: list[Entry]) -> None:
        """Show the palette with these commands."""
        self._entries = entries
        self._field.clear()
        self._fill("")
        parent = self.parentWidget()
        if parent is not None:
            width = min(560, parent.width() - 8 * GRID)
            self.setGeometry((parent.width() - width) // 2, 56, width, self.height())
        self.show()
        self.raise_()
        self._field.setFocus()

    def matches(self, text: str) -> list[Entry]:
        """Return the commands that hold all words typed, those that begin with them first."""
        words = text.lower().split()
        found = [e for e in self._entries if all(word in e.title.lower() for word in words)]
        first = words[0] if words else ""
        return sorted(found, key=lambda e: not e.title.lower().startswith(first))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Arrows move in the list, Enter runs, Escape closes, leaving closes."""
        if event is None:
            return False
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            key = Qt.Key(event.key())
            steps = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}
            if key in steps:
                at = self._list.currentRow() + steps[key]
                self._list.setCurrentRow(max(0, min(at, self._list.count() - 1)))
                return True
            if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._on_activated(self._list.currentItem())
                return True
            if key == Qt.Key.Key_Escape:
                self.hide()
                return True
        if event.type() == QEvent.Type.FocusOut and not self._list.hasFocus():
            self.hide()
        return super().eventFilter(watched, event)

    def _fill(self, text: str) -> None:
        self._list.clear()
        for entry in self.matches(text):
            words = entry.title if not entry.why_not else f"{entry.title} — {entry.why_not}"
            shortcut = f"    {entry.shortcut}" if entry.shortcut else ""
            item = QListWidgetItem(words + shortcut)
            item.setData(Qt.ItemDataRole.UserRole, entry.key)
            if entry.why_not:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEnabled)
            self._list.addItem(item)
        self._list.setCurrentRow(0)
        rows = max(1, min(self._list.count(), _MOST))
        self._list.setFixedHeight(rows * 27 + 4)
        self.setFixedHeight(self._list.height() + 58)

    def _on_activated(self, item: QListWidgetItem | None) -> None:
        if item is not None and item.flags() & Qt.ItemFlag.ItemIsEnabled:
            self.hide()
            self.chosen.emit(item.data(Qt.ItemDataRole.UserRole))
