"""Small line icons, drawn so that they take the theme's colours at any resolution."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QIcon, QPainter, QPainterPath, QPen, QPixmap

from tvae_gui.theme import colour

SIDE = 18


def icon(name: str) -> QIcon:
    """Return the icon `name`; it is in the accent colour where its button is checked."""
    made = QIcon()
    for state, ink in ((QIcon.State.Off, "text"), (QIcon.State.On, "accent")):
        for ratio in (1, 2):
            made.addPixmap(_drawn(name, ink, ratio), QIcon.Mode.Normal, state)
    made.addPixmap(_drawn(name, "muted", 1), QIcon.Mode.Disabled)
    return made


def _drawn(name: str, ink: str, ratio: int) -> QPixmap:
    pixmap = QPixmap(SIDE * ratio, SIDE * ratio)
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(colour(ink), 1.5)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    _DRAW[name](painter)
    painter.end()
    return pixmap


def _probe(p: QPainter) -> None:
    p.drawEllipse(QPointF(9, 9), 3.5, 3.5)
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        p.drawLine(QPointF(9 + 3.5 * dx, 9 + 3.5 * dy), QPointF(9 + 7 * dx, 9 + 7 * dy))


def _lasso(p: QPainter) -> None:
    loop = QPainterPath(QPointF(5, 12))
    loop.cubicTo(QPointF(-1, 8), QPointF(3, 2), QPointF(10, 2.5))
    loop.cubicTo(QPointF(18, 3), QPointF(17, 11), QPointF(10, 11.5))
    loop.cubicTo(QPointF(7, 11.8), QPointF(4, 11), QPointF(5, 13))
    loop.cubicTo(QPointF(6, 15), QPointF(4, 16), QPointF(3, 16))
    p.drawPath(loop)


def _rectangle(p: QPainter) -> None:
    p.drawRect(QRectF(3, 4, 12, 10))


def _circle(p: QPainter) -> None:
    p.drawEllipse(QPointF(9, 9), 6.5, 6.5)
    p.drawPoint(QPointF(9, 9))


def _path(p: QPainter) -> None:
    route = QPainterPath(QPointF(4, 14))
    route.cubicTo(QPointF(4, 6), QPointF(14, 12), QPointF(14, 4))
    p.drawPath(route)
    p.setBrush(p.pen().color())
    p.drawEllipse(QPointF(4, 14), 1.8, 1.8)
    p.drawEllipse(QPointF(14, 4), 1.8, 1.8)


def _atlas(p: QPainter) -> None:
    for x in (3.5, 10.5):
        for y in (3.5, 10.5):
            p.drawRoundedRect(QRectF(x, y, 4.5, 4.5), 1, 1)


def _fit(p: QPainter) -> None:
    for sx, sy in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
        corner = QPointF(9 + 6 * sx, 9 + 6 * sy)
        p.drawLine(corner, corner - QPointF(4 * sx, 0))
        p.drawLine(corner, corner - QPointF(0, 4 * sy))


def _play(p: QPainter) -> None:
    p.setBrush(p.pen().color())
    triangle = QPainterPath(QPointF(6, 4))
    for x, y in ((14, 9), (6, 14)):
        triangle.lineTo(x, y)
    triangle.closeSubpath()
    p.drawPath(triangle)


def _pause(p: QPainter) -> None:
    p.fillRect(QRectF(5, 4, 3, 10), p.pen().color())
    p.fillRect(QRectF(10, 4, 3, 10), p.pen().color())


_DRAW: dict[str, Callable[[QPainter], None]] = {
    "probe": _probe,
    "lasso": _lasso,
    "rectangle": _rectangle,
    "circle": _circle,
    "path": _path,
    "atlas": _atlas,
    "fit": _fit,
    "play": _play,
    "pause": _pause,
}
