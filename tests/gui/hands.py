"""Hands for tests: press, drag and release on the plane as a mouse does."""

from __future__ import annotations

from typing import Any

import numpy as np
from PyQt6.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt6.QtGui import QMouseEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QWidget

from tvae_gui.main_window import MainWindow

NONE = Qt.KeyboardModifier.NoModifier
CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
_NO_BUTTON = Qt.MouseButton.NoButton
_LEFT = Qt.MouseButton.LeftButton


def spot(window: MainWindow, x: float, y: float) -> QPoint:
    """Return where a place of the plane is on the plane's viewport."""
    scene = window.plane.box.mapViewToScene(QPointF(x, y))
    return QPoint(window.plane.mapFromScene(scene))


def send(
    window: MainWindow,
    kind: QEvent.Type,
    at: QPoint,
    held: Qt.KeyboardModifier = NONE,
    button: Qt.MouseButton = Qt.MouseButton.LeftButton,
) -> None:
    """Send one mouse event to the plane."""
    viewport = window.plane.viewport()
    assert viewport is not None
    moving = kind == QEvent.Type.MouseMove
    down = kind != QEvent.Type.MouseButtonRelease
    place, everywhere = QPointF(at), QPointF(viewport.mapToGlobal(at))
    event = QMouseEvent(
        kind, place, everywhere, _NO_BUTTON if moving else button,
        button if down else _NO_BUTTON, held,
    )  # fmt: skip
    QApplication.sendEvent(viewport, event)


def drag(
    window: MainWindow,
    places: Any,
    held: Qt.KeyboardModifier = NONE,
    button: Qt.MouseButton = Qt.MouseButton.LeftButton,
    release: bool = True,
) -> None:
    """Press at the first place of the plane, move through the others, let go."""
    spots = [spot(window, x, y) for x, y in places]
    send(window, QEvent.Type.MouseButtonPress, spots[0], held, button)
    for at in spots[1:]:
        send(window, QEvent.Type.MouseMove, at, held, button)
    if release:
        send(window, QEvent.Type.MouseButtonRelease, spots[-1], held, button)


def press(widget: QWidget, key: Qt.Key, held: Qt.KeyboardModifier = NONE) -> None:
    """Press and release a key, and then let go of Ctrl and Shift as a hand does."""
    widget.window().activateWindow()
    QApplication.processEvents()
    QTest.keyClick(widget, key, held)
    _let_go(widget)


def click(widget: QWidget, at: QPoint | None = None, held: Qt.KeyboardModifier = NONE) -> None:
    """Click a place of a widget, its middle without one, and then let go of Ctrl and Shift."""
    QTest.mouseClick(widget, _LEFT, held, widget.rect().center() if at is None else at)
    _let_go(widget)


def _let_go(widget: QWidget) -> None:
    QTest.keyRelease(widget, Qt.Key.Key_Control, NONE)
    QApplication.processEvents()


def ring(x: float, y: float, rx: float, ry: float, corners: int = 32) -> Any:
    """Return an ellipse (corners, 2)."""
    turn = np.linspace(0, 2 * np.pi, corners)
    return np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], axis=1)
