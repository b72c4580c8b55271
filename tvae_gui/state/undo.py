"""One stack of commands: what a person changed, taken back and done again in order. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from psygnal import Signal

DEEP = 200


@dataclass(frozen=True, eq=False)
class Step:
    """A command that was done: its name, as in "Undo merge clusters", and both ways.

    `undo` and `redo` hold snapshots that never change. Steps of one `gesture`, such as the drag of
    a slider, are one step as long as nothing comes between them.
    """

    name: str
    undo: Callable[[], None]
    redo: Callable[[], None]
    gesture: str = ""


class UndoStack:
    """The commands done and those taken back, `DEEP` at most.

    Signals: changed.
    """

    changed: ClassVar[Signal] = Signal()

    def __init__(self, deep: int = DEEP) -> None:
        self._deep = deep
        self._done: list[Step] = []
        self._undone: list[Step] = []
        self._gesture_open = False

    def __len__(self) -> int:
        """How many commands can be taken back."""
        return len(self._done)

    @property
    def undo_name(self) -> str:
        """What undo would take back; empty when there is nothing."""
        return self._done[-1].name if self._done else ""

    @property
    def redo_name(self) -> str:
        """What redo would do again; empty when there is nothing."""
        return self._undone[-1].name if self._undone else ""

    def push(self, step: Step) -> None:
        """Note a command that was just done; what was taken back before is forgotten."""
        self._undone.clear()
        if self._gesture_open and step.gesture and self._done[-1].gesture == step.gesture:
            step = replace(step, undo=self._done.pop().undo)
        self._done.append(step)
        del self._done[: -self._deep]
        self._gesture_open = bool(step.gesture)
        self.changed.emit()

    def end_gesture(self) -> None:
        """Let the next step of the same gesture be one of its own."""
        self._gesture_open = False

    def undo(self) -> str:
        """Take the last command back and return its name; empty when there is none."""
        return self._move(self._done, self._undone, lambda step: step.undo)

    def redo(self) -> str:
        """Do again what was taken back last and return its name; empty when there is nothing."""
        return self._move(self._undone, self._done, lambda step: step.redo)

    def clear(self) -> None:
        """Forget everything."""
        self._done.clear()
        self._undone.clear()
        self._gesture_open = False
        self.changed.emit()

    def _move(
        self, source: list[Step], target: list[Step], way: Callable[[Step], Callable[[], None]]
    ) -> str:
        self._gesture_open = False
        if not source:
            return ""
        step = source.pop()
        way(step)()
        target.append(step)
        self.changed.emit()
        return step.name
