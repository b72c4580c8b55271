"""Random keys, clicks, undo and redo: nothing is raised, no set is lost, undo leads to the start.

`TVAE_RANDOM_ACTIONS=10000` makes it long.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.hands import CTRL, NONE, SHIFT, drag, ring
from tvae_core.colours import class_colours
from tvae_gui.main_window import MainWindow
from tvae_gui.state.made import Clusters, changed_parts
from tvae_gui.state.made_state import MARKS

ACTIONS = int(os.environ.get("TVAE_RANDOM_ACTIONS", "300"))
Key = Qt.Key
KEYS: tuple[tuple[Qt.Key, Qt.KeyboardModifier], ...] = (
    *((key, NONE) for key in (
        Key.Key_K, Key.Key_X, Key.Key_U, Key.Key_Left, Key.Key_Right, Key.Key_Up, Key.Key_Down,
        Key.Key_Home, Key.Key_End, Key.Key_PageDown, Key.Key_Space, Key.Key_Escape, Key.Key_C,
        Key.Key_Plus, Key.Key_Minus, Key.Key_Return,
    )),
    *((key, SHIFT) for key in (Key.Key_Right, Key.Key_Down)),
    *((key, CTRL) for key in (Key.Key_A, Key.Key_G, Key.Key_Z, Key.Key_Z, Key.Key_Z)),
    (Key.Key_Z, CTRL | SHIFT), (Key.Key_Z, CTRL | SHIFT),
)  # fmt: skip


class Hand:
    """Presses and clicks at random, and remembers every set there ever was."""

    def __init__(self, window: MainWindow) -> None:
        self.window, self.rng = window, np.random.default_rng(3)
        self.ever: dict[bytes, Any] = {}

    def act(self) -> None:
        choice = self.rng.random()
        if choice < 0.6:
            self._press()
        elif choice < 0.8:
            self._click()
        else:
            self._do()

    def _focused(self) -> QWidget:
        page = self.window.gallery_page
        if page.classes.isVisible():
            return page.classes
        return page.grid if page.grid.isVisible() else self.window.plane

    def _press(self) -> None:
        key, held = KEYS[int(self.rng.integers(0, len(KEYS)))]
        widget = self._focused()
        if widget is self.window.plane and held == NONE:
            return  # there K opens a card: the plane has a test of its own
        QTest.keyClick(widget, key, held)

    def _click(self) -> None:
        widget = self._focused()
        if widget is self.window.plane:
            x, y = self.rng.normal(size=2)
            drag(self.window, ring(x, y, 0.6, 0.6, 12))
            return
        view = widget.viewport()  # type: ignore[attr-defined]
        at, to = (self._somewhere(view) for _ in range(2))
        held = (NONE, SHIFT, CTRL)[int(self.rng.integers(0, 3))]
        QTest.mousePress(view, Qt.MouseButton.LeftButton, held, at)
        if self.rng.random() < 0.3:
            QTest.mouseMove(view, to)
        QTest.mouseRelease(view, Qt.MouseButton.LeftButton, held, to)

    def _somewhere(self, view: QWidget) -> QPoint:
        return QPoint(
            *(int(self.rng.integers(0, max(n, 1))) for n in (view.width(), view.height()))
        )

    def _do(self) -> None:
        state, number = self.window.state, int(self.rng.integers(0, 40))
        names = [s.name for s in state.sets if s.name not in MARKS]
        name = names[number % len(names)] if names else ""
        acts: tuple[Callable[[], Any], ...] = (
            lambda: state.add_set(f"set {number % 5}"),
            lambda: state.delete_set(name),
            lambda: state.change_set(name, "note", note=str(number)) if name else None,
            lambda: state.restore_set(number % len(state.deleted)) if state.deleted else None,
            lambda: state.set_filter("error", (0.0, 0.01 + 0.002 * number)),
            state.clear_filters,
            lambda: state.set_clusters(_clusters(number)),
            lambda: state.set_clusters(None),
            lambda: self.window.sorting.choose_sort(("error", "z1", "")[number % 3], number > 20),
            lambda: self.window.class_cards.open(),
            self.window.gallery_state.select_on_plane,
            state.invert_selection,
        )
        acts[int(self.rng.integers(0, len(acts)))]()

    def remember(self) -> None:
        """Every set there ever was can still be had."""
        state = self.window.state
        for named in state.sets:
            if named.name not in MARKS:
                self.ever[named.mask.tobytes()] = named.name
        there = {s.mask.tobytes() for s in state.sets}
        there |= {d.named.mask.tobytes() for d in state.deleted}
        assert not [name for mask, name in self.ever.items() if mask not in there]


def _clusters(number: int) -> Clusters:
    labels = ((np.arange(600) + number) % (2 + number % 4)).astype(np.int32)
    return Clusters(labels, tuple("abcdef"[: 2 + number % 4]), class_colours(2 + number % 4))


def test_random_sorting(window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda _, error, __: raised.append(error))
    said: list[str] = []
    window.messages.said.connect(
        lambda level, text, _: said.append(text) if level == "error" else None
    )
    window.state.stack.clear()
    first = window.state.made
    window.state.stack._deep = 2 * ACTIONS  # to the very start, not 200 steps back
    hand = Hand(window)
    QTest.keyClick(window, Key.Key_G, CTRL)
    for number in range(ACTIONS):
        hand.act()
        hand.remember()
        if number % 20 == 0:
            QApplication.processEvents()
    last = window.state.made
    steps = len(window.state.stack)
    while window.state.stack.undo_name:
        window.state.undo()
        hand.remember()
    assert changed_parts(window.state.made, first) <= {"colour"}
    for _ in range(steps):
        window.state.redo()
    assert changed_parts(window.state.made, last) <= {"colour"}
    QTest.keyRelease(window, Key.Key_Control, NONE)
    settle(qtbot, window)
    assert steps > ACTIONS / 10
    assert raised == []
    assert said == []
