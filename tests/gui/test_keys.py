"""Every key of the command table works from the start, and says why where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QContextMenuEvent, QKeySequence
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QListWidget,
    QMenu,
    QScrollBar,
    QTableView,
)
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.hands import spot
from tvae_gui.main_window import MainWindow

Make = Callable[..., MainWindow]
CONTROL = Qt.KeyboardModifier.ControlModifier


def press(window: MainWindow, keys: str) -> None:
    """Press a shortcut as a keyboard sends it."""
    code = QKeySequence(keys)[0]
    if not window.isActiveWindow():
        window.activateWindow()
        QTest.qWaitForWindowActive(window)
    QTest.keyClick(QApplication.focusWidget() or window, code.key(), code.keyboardModifiers())


def walk(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """Press every key of the table; return what was meant, and what was called."""
    called: list[str] = []
    monkeypatch.setattr(window.commands, "run", called.append)
    meant: list[str] = []
    for command in window.commands.table():
        for keys in command.keys:
            meant.append(command.key)
            press(window, keys)
    return meant, called


def test_every_key_calls_its_command_before_any_menu_was_opened(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    meant, called = walk(window, monkeypatch)
    assert called == meant
    assert len(meant) > 40


def test_every_key_calls_its_command_with_nothing_open(
    make_window: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    meant, called = walk(make_window(), monkeypatch)
    assert called == meant


def test_no_key_stands_for_two_commands(window: MainWindow) -> None:
    keys = [QKeySequence(k).toString() for c in window.commands.table() for k in c.keys]
    assert sorted(set(keys)) == sorted(keys)


def test_keys_act_though_no_menu_was_ever_opened(window: MainWindow, qtbot: QtBot) -> None:
    window.plane.setFocus()
    press(window, "Ctrl+A")
    assert window.state.selection.count == 600
    press(window, "I")
    assert window.state.selection.count == 0
    press(window, "Ctrl+Z")
    assert window.state.selection.count == 600
    press(window, "Ctrl+D")
    assert window.state.selection.count == 0
    press(window, "Shift+N")
    assert window.state.probe is not None
    assert window.state.selection.count == pytest.approx(window.state.probe.near, abs=1)
    settle(qtbot, window)


def test_a_key_that_can_do_nothing_now_says_why(make_window: Make, own_store: Path) -> None:
    window = make_window()
    press(window, "Ctrl+E")
    assert not window.export_drawer.isVisible()
    assert "run" in window.message_bar.text
    assert window.open(own_store)
    press(window, "Ctrl+D")
    assert "Nothing is selected" in window.message_bar.text


def test_a_menu_that_was_closed_leaves_no_key_dead(window: MainWindow) -> None:
    menu = window.commands.menus["Select"]
    menu.popup(window.mapToGlobal(window.rect().center()))
    assert not window.commands.action("none").isEnabled()  # grey while it shows
    assert window.commands.action("none").toolTip() == "Nothing is selected"
    QTest.keyClick(menu, Qt.Key.Key_Escape)
    assert window.commands.action("none").isEnabled()
    window.plane.setFocus()
    press(window, "Ctrl+A")
    press(window, "Ctrl+D")
    assert window.state.selection.count == 0


def test_a_right_click_on_the_plane_puts_the_probe_there_and_offers_what_can_be_done(
    window: MainWindow, qtbot: QtBot
) -> None:
    viewport = window.plane.viewport()
    at = spot(window, 0.35, 0.9)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, viewport.mapToGlobal(at))
    QApplication.sendEvent(viewport, event)
    assert window.state.probe is not None
    assert window.state.probe.xy == pytest.approx((0.35, 0.9), abs=0.02)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    grey = {a.text(): a.isEnabled() for a in menu.actions()}
    assert grey["Why is this image here?"]
    assert not grey["Select nothing"]
    around = next(a for a in menu.actions() if a.text() == "Select images around the probe")
    QTest.mouseClick(menu, Qt.MouseButton.LeftButton, pos=menu.actionGeometry(around).center())
    assert window.state.selection.count == window.state.probe.near > 0
    qtbot.waitUntil(lambda: window.commands.action("none").isEnabled())


def test_every_control_has_a_name_that_a_screen_reader_can_say(window: MainWindow) -> None:
    kinds = (QAbstractButton, QComboBox, QLineEdit, QAbstractSlider, QAbstractSpinBox, QListWidget)
    inner = (QComboBox, QAbstractSpinBox, QTableView, QScrollBar, QMenu)
    nameless = []
    for kind in kinds:
        for widget in window.findChildren(kind):
            part = isinstance(widget, QScrollBar) or isinstance(widget.parentWidget(), inner)
            words = widget.text() if isinstance(widget, QAbstractButton) else ""
            own = widget.objectName().startswith("qt_")  # of Qt itself
            if not (part or own or widget.accessibleName() or words.strip()):
                nameless.append(f"{type(widget).__name__} in {type(widget.parent()).__name__}")
    assert nameless == []
