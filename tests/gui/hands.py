"""Hands for tests: press, drag and release on the plane as a mouse does."""

from __future__ import annotations

from typing import Any

import numpy as np
from PyQt6.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt6.QtGui import QMouseEvent
from PyQt6.QtWidgets import QApplication

from tvae_gui.main_window import MainWindow

NONE = Qt.KeyboardModifier.NoModifier
_NO_BUTTON = Qt.MouseButton.NoButton


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


def ring(x: float, y: float, rx: float, ry: float, corners: int = 32) -> Any:
    """Return an ellipse (corners, 2)."""
    turn = np.linspace(0, 2 * np.pi, corners)
    return np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], axis=1)
