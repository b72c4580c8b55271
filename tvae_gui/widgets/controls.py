"""Sliders with their value, a dial for angles, section titles: the small parts of the panels."""

from __future__ import annotations

import math
import re

from PyQt6.QtCore import QObject, QPointF, QSize, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PyQt6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from tvae_core.words import degrees, figure
from tvae_gui.theme import GRID, SMALL_PX, TEXT_PX, colour, font, set_role
from tvae_gui.widgets.wheel import WheelGuard

_STEPS = 1000


def title(text: str) -> QLabel:
    """Return the title of a section."""
    label = QLabel(_capitals(text))
    set_role(label, "title")
    label.setFont(font(SMALL_PX, strong=True))
    return label


def _capitals(text: str) -> str:
    """Return words in capitals, symbols such as z, z1 or q(t, r) as they are."""
    return re.sub(r"(?!\b[b-z]\d*\b)[^\W\d]\w*", lambda word: word[0].upper(), text)


def muted(text: str = "") -> QLabel:
    """Return a small grey label."""
    label = QLabel(text)
    set_role(label, "muted")
    return label


class ElidedLabel(QLabel):
    """A line of words that is cut where there is no room for it, and then is its own tool tip.

    It asks for no width: a long file name does not widen the window.
    """

    def minimumSizeHint(self) -> QSize:
        """Return that any width will do."""
        return QSize(0, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Say all of it in the tool tip where it is cut."""
        super().resizeEvent(event)
        room = self.contentsRect().width()
        cut = self.fontMetrics().horizontalAdvance(self.text()) > room
        self.setToolTip(self.text() if cut else "")

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw as much as there is room for."""
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        room = self.contentsRect()
        words = self.fontMetrics().elidedText(
            self.text(), Qt.TextElideMode.ElideMiddle, room.width()
        )
        painter.drawText(room, int(self.alignment()), words)


def panel(*, margins: int = 2 * GRID, spacing: int = GRID) -> tuple[QFrame, QVBoxLayout]:
    """Return a panel and its column."""
    frame = QFrame()
    frame.setObjectName("panel")
    column = QVBoxLayout(frame)
    column.setContentsMargins(margins, margins, margins, margins)
    column.setSpacing(spacing)
    return frame, column


def row(*widgets: QWidget, spacing: int = GRID) -> QHBoxLayout:
    """Return widgets side by side."""
    made = QHBoxLayout()
    made.setSpacing(spacing)
    for widget in widgets:
        made.addWidget(widget)
    return made


class ValueSlider(QWidget):
    """A slider between two values, with a name on its left and its value on its right.

    Signals: moved(value) by the user's hand only.
    """

    moved = pyqtSignal(float)

    def __init__(self, name: str, low: float, high: float, unit: str = "") -> None:
        super().__init__()
        self._low, self._high, self._unit = low, high, unit
        self._value = 0.0
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, _STEPS)
        self._slider.setAccessibleName(name)
        self._slider.valueChanged.connect(self._on_changed)
        self._slider.installEventFilter(WheelGuard(self))  # also of sliders that are made later
        self._words = QLabel()
        self._words.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._words.setMinimumWidth(60)
        self._words.setFont(font(TEXT_PX))
        label = muted(name)
        label.setFixedWidth(18)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(GRID)
        for column, widget in enumerate((label, self._slider, self._words)):
            grid.addWidget(widget, 0, column)
        self.set_value(0.0)

    @property
    def value(self) -> float:
        """The value."""
        return self._value

    def set_bounds(self, low: float, high: float) -> None:
        """Change the values at the ends."""
        self._low, self._high = low, max(high, low + 1e-9)
        self.set_value(self._value)

    def set_value(self, value: float) -> None:
        """Show a value without saying that it moved."""
        self._value = value
        share = (value - self._low) / (self._high - self._low)
        self._slider.blockSignals(True)
        self._slider.setValue(round(_STEPS * min(max(share, 0.0), 1.0)))
        self._slider.blockSignals(False)
        self._words.setText(figure(value, self._unit))

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Go back to zero."""
        self.set_value(0.0)
        self.moved.emit(0.0)

    def _on_changed(self, step: int) -> None:
        self._value = self._low + (self._high - self._low) * step / _STEPS
        self._words.setText(figure(self._value, self._unit))
        self.moved.emit(self._value)


class AngleDial(QWidget):
    """A dial: drag around it to turn, double-click for zero; counter-clockwise is positive.

    Signals: turned(angle_rad) by the user's hand only.
    """

    turned = pyqtSignal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Angle")
        self.setToolTip("Angle applied to the decoded image; double-click for 0°")
        self.setFixedSize(QSize(64, 64))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._angle = 0.0

    @property
    def angle_rad(self) -> float:
        """The angle."""
        return self._angle

    def set_angle(self, angle_rad: float) -> None:
        """Show an angle without saying that it was turned."""
        self._angle = angle_rad
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        centre, radius = QPointF(32, 32), 26.0
        painter.setPen(QPen(colour("hover"), 2))
        painter.drawEllipse(centre, radius, radius)
        end = centre + QPointF(radius * math.cos(self._angle), -radius * math.sin(self._angle))
        painter.setPen(QPen(colour("muted"), 2))
        span = round(math.degrees(self._angle) * 16)
        box = self.rect().adjusted(6, 6, -6, -6)
        painter.drawArc(box, 0, span)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("accent" if self.hasFocus() else "text"))
        painter.drawEllipse(end - (end - centre) * 0.03, 5, 5)
        painter.setPen(colour("text"))
        painter.setFont(font(TEXT_PX))
        painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), degrees(self._angle))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Turn to where it was pressed."""
        self._follow(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Turn with the mouse."""
        self._follow(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Go back to zero."""
        self._turn(0.0)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Turn by a degree with the arrows."""
        if event is None:
            return
        steps = {Qt.Key.Key_Left: 1, Qt.Key.Key_Up: 1, Qt.Key.Key_Right: -1, Qt.Key.Key_Down: -1}
        if Qt.Key(event.key()) in steps:
            self._turn(self._angle + math.radians(steps[Qt.Key(event.key())]))
        else:
            super().keyPressEvent(event)

    def _follow(self, event: QMouseEvent | None) -> None:
        if event is not None:
            at = event.position() - QPointF(32, 32)
            self._turn(math.atan2(-at.y(), at.x()))

    def _turn(self, angle: float) -> None:
        self._angle = (angle + math.pi) % (2 * math.pi) - math.pi
        self.update()
        self.turned.emit(self._angle)


def tool_button(text: str) -> QToolButton:
    """Return a tool button with words."""
    button = QToolButton()
    button.setText(text)
    return button


def grown(width: int, height: int, window: QWidget | None) -> QSize:
    """Return the size of a window beside `window`: at least this, and its share of a large one."""
    if window is None:
        return QSize(width, height)
    shares = round(0.75 * window.width()), round(0.8 * window.height())
    return QSize(max(width, shares[0]), max(height, shares[1]))


def single_shot(parent: QObject, milliseconds: int) -> QTimer:
    """Return a timer that fires once, that long after it was last started."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    return timer
