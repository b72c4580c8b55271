"""What the keyboard does in a grid, of images and of cards alike."""

from __future__ import annotations

from abc import abstractmethod

from PyQt6.QtCore import QEvent, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QAbstractScrollArea, QWidget

from tvae_gui.gallery.marks import MARK_KEYS

_Key = Qt.Key
ARROWS = {
    _Key.Key_Left: (-1, 0), _Key.Key_Right: (1, 0), _Key.Key_Up: (0, -1), _Key.Key_Down: (0, 1),
}  # fmt: skip
PAGES = {_Key.Key_PageUp: -1, _Key.Key_PageDown: 1}
ENDS = {_Key.Key_Home: -1, _Key.Key_End: 1}
ZOOMS = {_Key.Key_Plus: 1, _Key.Key_Equal: 1, _Key.Key_Minus: -1}
OPENS = (_Key.Key_Return, _Key.Key_Enter)
_KEYS = {*ARROWS, *PAGES, *ENDS, *ZOOMS, *OPENS, *MARK_KEYS, _Key.Key_Space, _Key.Key_Escape,
         _Key.Key_C}  # fmt: skip


class KeyedGrid(QAbstractScrollArea):
    """A grid in which the keyboard is on one place: arrows move, K X U mark, Space chooses.

    Signals: gone_to(place, extend, toggle), stepped(by, extend), mark_wanted(mark or ""),
    opened(place), all_wanted(), zoomed(steps), other_wanted() for the other kind of grid.
    """

    gone_to = pyqtSignal(int, bool, bool)
    stepped = pyqtSignal(int, bool)
    mark_wanted = pyqtSignal(str)
    opened = pyqtSignal(int)
    all_wanted = pyqtSignal()
    zoomed = pyqtSignal(int)
    other_wanted = pyqtSignal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._current = 0

    @property
    @abstractmethod
    def columns(self) -> int:
        """How many places stand in a row."""

    @property
    @abstractmethod
    def page(self) -> int:
        """How many places a page holds."""

    @property
    @abstractmethod
    def places(self) -> int:
        """How many places there are."""

    @abstractmethod
    def give_up(self) -> bool:
        """Do what Escape does; False leaves it to the window."""

    def event(self, event: QEvent | None) -> bool:
        """Take the keys of the grid before the shortcuts of the window do."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            held = event.modifiers() & ~(
                Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier
            )
            if (not held and event.key() in _KEYS) or _is_all(event):
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Move, choose, mark, open, zoom."""
        if event is None:
            return
        key = _Key(event.key())
        extend = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if _is_all(event):
            self.all_wanted.emit()
        elif (by := self._step_of(key)) is not None:
            self.stepped.emit(by, extend)
        elif key in MARK_KEYS:
            self.mark_wanted.emit(MARK_KEYS[key])
        elif key == _Key.Key_C:
            self.other_wanted.emit()
        elif key in ZOOMS:
            self.zoomed.emit(ZOOMS[key])
        elif key in OPENS:
            self.opened.emit(self._current)
        elif key == _Key.Key_Space:
            self.gone_to.emit(self._current, False, True)
        elif key != _Key.Key_Escape or not self.give_up():
            super().keyPressEvent(event)

    def _step_of(self, key: Qt.Key) -> int | None:
        """Return by how many places a key moves the keyboard; None where it does not."""
        if key in ARROWS:
            across, down = ARROWS[key]
            return across + down * self.columns
        if key in PAGES:
            return PAGES[key] * self.page
        return ENDS[key] * self.places if key in ENDS else None


def _is_all(event: QKeyEvent) -> bool:
    ctrl = event.modifiers() == Qt.KeyboardModifier.ControlModifier
    return ctrl and event.key() == Qt.Key.Key_A
