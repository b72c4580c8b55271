"""How marks are drawn and which keys set them: the same on images and on cards of classes."""

from __future__ import annotations

from PyQt6.QtCore import QPoint, QRect, Qt
from PyQt6.QtGui import QColor, QPainter, QPen

from tvae_gui.state.made_state import KEPT, MARKS, REJECTED

MARK_KEYS = {Qt.Key.Key_K: KEPT, Qt.Key.Key_X: REJECTED, Qt.Key.Key_U: ""}
_SIDE_PX = 14
_SIGN, _SIGN_ON_DARK = "#16171a", "#f4f5f6"
VEIL = "#aa26282c"  # over what is rejected, dark in every theme: a light one would shine


def draw_mark(painter: QPainter, place: QRect, mark: str) -> None:
    """Draw a mark into the corner of an image: a tick, a cross, or a dash for some of each."""
    if not mark:
        return
    side = min(_SIDE_PX, place.width() // 3)
    badge = QRect(place.right() - side, place.top() + 1, side, side)
    painter.fillRect(badge, QColor(MARKS.get(mark, "#94a4a2")))
    painter.setPen(QPen(QColor(_SIGN_ON_DARK if mark == REJECTED else _SIGN), 2))
    inset = max(2, side // 4)
    sign = badge.adjusted(inset, inset, -inset, -inset)
    if mark == REJECTED:
        painter.drawLine(sign.topLeft(), sign.bottomRight())
        painter.drawLine(sign.topRight(), sign.bottomLeft())
    elif mark == KEPT:
        corner = QPoint(sign.left() + sign.width() // 3, sign.bottom())
        painter.drawLine(QPoint(sign.left(), sign.center().y()), corner)
        painter.drawLine(corner, sign.topRight())
    else:
        middle = sign.center().y()
        painter.drawLine(QPoint(sign.left(), middle), QPoint(sign.right(), middle))
