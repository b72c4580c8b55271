"""Every command once: its name, menu, keys, what it does, and why it may be grey."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PyQt6.QtCore import QObject, QPoint, Qt, pyqtSignal
from PyQt6.QtGui import QAction, QKeySequence
from PyQt6.QtWidgets import QMainWindow, QMenu, QPushButton

from tvae_gui.frame.command_palette import Entry

MENUS = ("File", "Select", "View", "Probe", "Path", "Help")


def always() -> str:
    """Return no reason: the command can always run."""
    return ""


@dataclass(frozen=True)
class Command:
    """A command of the window.

    `why_not()` returns why it cannot run now, empty when it can. `named()`, where there is one,
    returns what it is called now.
    """

    key: str
    title: str
    menu: str
    act: Callable[[], object]
    keys: tuple[str, ...] = ()
    why_not: Callable[[], str] = always
    separated: bool = False
    named: Callable[[], str] | None = None

    @property
    def words(self) -> str:
        """What the command is called now."""
        return self.named() if self.named is not None else self.title


class Commands(QObject):
    """The commands of a window as menus, shortcuts and entries of the palette.

    Signals: refused(reason), when a command is called that cannot run now.
    """

    refused = pyqtSignal(str)

    def __init__(self, window: QMainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._commands: dict[str, Command] = {}
        self._actions: dict[str, QAction] = {}
        self._buttons: dict[str, QPushButton] = {}
        self.menus: dict[str, QMenu] = {}
        bar = window.menuBar()
        assert bar is not None
        for name in MENUS:
            menu = bar.addMenu(name)
            assert menu is not None
            menu.setToolTipsVisible(True)
            menu.aboutToShow.connect(self.refresh)
            menu.aboutToHide.connect(self._let_keys_through)
            self.menus[name] = menu

    def add(self, commands: Iterable[Command]) -> None:
        """Add commands, each at the end of its menu."""
        for command in commands:
            self._commands[command.key] = command
            self._add(command)

    def renew(self, prefix: str, commands: Iterable[Command]) -> None:
        """Put commands in the place of all whose key begins with `prefix`."""
        for key in [key for key in self._commands if key.startswith(prefix)]:
            command, action = self._commands.pop(key), self._actions.pop(key)
            self.menus[command.menu].removeAction(action)
            action.deleteLater()
        self.add(commands)

    def _add(self, command: Command) -> None:
        action = QAction(command.words, self._window)
        action.setShortcuts([QKeySequence(keys) for keys in command.keys])
        action.triggered.connect(lambda _=False, key=command.key: self.run(key))
        menu = self.menus[command.menu]
        if command.separated:
            menu.addSeparator()
        menu.addAction(action)
        self._actions[command.key] = action

    def run(self, key: str) -> None:
        """Run a command if it can run now, else say why it cannot."""
        reason = self._commands[key].why_not()
        if reason:
            self.refused.emit(reason)
        else:
            self._commands[key].act()

    def refresh(self) -> None:
        """Grey what cannot run now and say why, in the menu about to show and on the buttons."""
        for key, action in self._actions.items():
            reason = self._commands[key].why_not()
            action.setEnabled(not reason)
            action.setText(self._commands[key].words)
            action.setToolTip(reason or self._commands[key].words)
        self.refresh_buttons()

    def _let_keys_through(self) -> None:
        """Enable all once no menu is open: the key of a disabled action is dead.

        Whether a command can run is asked when it is to run.
        """
        for action in self._actions.values():
            action.setEnabled(True)

    def refresh_buttons(self) -> None:
        """Grey the buttons whose command cannot run now, and say why."""
        for key, button in self._buttons.items():
            reason = self._commands[key].why_not()
            button.setEnabled(not reason)
            shortcut = self._shortcut(key)
            title = self._commands[key].words.rstrip("…")
            button.setToolTip(reason or f"{title} ({shortcut})" if shortcut else reason or title)

    def follow(self, button: QPushButton, key: str) -> None:
        """Make a button run a command and be grey, with the reason, when the command is."""
        self._buttons[key] = button
        button.clicked.connect(lambda: self.run(key))

    def action(self, key: str) -> QAction:
        """Return the action of a command."""
        return self._actions[key]

    def popup(self, keys: Iterable[str], at: QPoint) -> QMenu:
        """Show a menu of some commands that goes away by itself."""
        menu = QMenu(self._window)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.setToolTipsVisible(True)
        menu.aboutToHide.connect(self._let_keys_through)
        self.refresh()
        menu.addActions([self._actions[key] for key in keys])
        menu.popup(at)
        return menu

    def table(self) -> list[Command]:
        """Return the commands in the order of the menus."""
        return list(self._commands.values())

    def entries(self) -> list[Entry]:
        """Return the commands as the palette lists them."""
        return [
            Entry(c.key, c.words.rstrip("…"), self._shortcut(c.key), c.why_not())
            for c in self._commands.values()
        ]

    def _shortcut(self, key: str) -> str:
        native = QKeySequence.SequenceFormat.NativeText
        return self._actions[key].shortcut().toString(native)

    def keys_by_menu(self) -> dict[str, list[tuple[str, str]]]:
        """Return what each key does, under the name of its menu."""
        native = QKeySequence.SequenceFormat.NativeText
        made: dict[str, list[tuple[str, str]]] = {name: [] for name in MENUS}
        for c in self._commands.values():
            keys = [QKeySequence(k).toString(native) for k in c.keys]
            words = c.title if c.words.startswith(f"{c.title} ") else c.words  # Undo, not of what
            if keys:
                made[c.menu].append((words.rstrip("…"), " or ".join(keys)))
        return made
