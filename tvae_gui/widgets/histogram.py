"""A histogram painted in the colours of its column, with a range brush."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QFontMetricsF, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from tvae_core.words import degrees, figure
from tvae_gui.theme import GRID, SMALL_PX, colour, font

Array = NDArray[Any]
_BINS = 64
_GRAB_PX = 6
_KEY_STEPS = 64


class RangeHistogram(QWidget):
    """The histogram of a column.

    Drag across it to keep a range, drag an end to change it, double-click to keep all.

    Signals: range_changed(low, high), range_cleared(), range_settled() when the hand lets go.
    """

    range_changed = pyqtSignal(float, float)
    range_cleared = pyqtSignal()
    range_settled = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Histogram with range filter")
        self.setToolTip("Drag to show only a range; double-click to show all")
        self.setFixedHeight(66)
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._heights: Array = np.zeros(_BINS)
        self._ends = (0.0, 1.0)
        self._unit = ""
        self._values: Array | None = None
        self._table: Array | None = None
        self._colour_ends = (0.0, 1.0)
        self._range: tuple[float, float] | None = None
        self._anchor: float | None = None

    def sizeHint(self) -> QSize:
        """Return a good size."""
        return QSize(200, 66)

    @property
    def range(self) -> tuple[float, float] | None:
        """The range kept, or None."""
        return self._range

    def set_values(self, values: Array, unit: str) -> None:
        """Show the histogram of values (N,); of the very same ones it is shown already."""
        if values is self._values and unit == self._unit:
            return
        self._values = values
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        if len(finite):
            some = finite[:: max(1, len(finite) // 200_000)]
            low, high = (float(v) for v in np.quantile(some, [0.0005, 0.9995]))
        else:
            low, high = 0.0, 1.0
        self._ends = (low, high if high > low else low + 1.0)
        self._unit = unit
        counts = np.histogram(finite, _BINS, self._ends)[0].astype(float)
        self._heights = np.sqrt(counts / max(float(counts.max(initial=0.0)), 1.0))
        self.update()

    def set_colours(self, table: Array | None, low: float, high: float) -> None:
        """Paint the bars with a colour table (256, 3) whose ends are at low and high."""
        self._table, self._colour_ends = table, (low, high)
        self.update()

    def set_range(self, bounds: tuple[float, float] | None) -> None:
        """Show a range as kept."""
        self._range = bounds
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw bars, brush and ends."""
        painter = QPainter(self)
        plot = self._plot()
        if self.hasFocus():
            painter.setPen(colour("muted"))
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        centres = np.linspace(*self._ends, _BINS * 2 + 1)[1::2]
        width = plot.width() / _BINS
        for k, height in enumerate(self._heights):
            ink = self._ink(float(centres[k]))
            tall = height * plot.height()
            left = plot.left() + k * width
            painter.fillRect(QRectF(left, plot.bottom() - tall, width - 0.8, tall), ink)
        painter.fillRect(QRectF(plot.left(), plot.bottom(), plot.width(), 1), colour("line"))
        if self._range is not None:
            self._draw_range(painter, plot)
        painter.setFont(font(SMALL_PX))
        painter.setPen(colour("muted"))
        for place, word in self.words():
            painter.drawText(place, int(Qt.AlignmentFlag.AlignCenter), word)

    def words(self) -> list[tuple[QRectF, str]]:
        """Return the numbers below the bars: at the ends, or at the bounds of what is kept."""
        plot, metrics = self._plot(), QFontMetricsF(font(SMALL_PX))
        low, high = self._range or self._ends
        turns = self._unit == "rad"
        begin = degrees(low) if turns else figure(low)
        end = degrees(high) if turns else figure(high, self._unit)
        left, right = (metrics.horizontalAdvance(word) + 2 for word in (begin, end))
        at = min(max(self._to_x(low) - left / 2, 0.0), max(self.width() - left - right - GRID, 0.0))
        then = min(max(self._to_x(high) - right / 2, at + left + GRID), self.width() - right)
        top = plot.bottom() + 4
        return [(QRectF(at, top, left, 14), begin), (QRectF(then, top, right, 14), end)]

    def _draw_range(self, painter: QPainter, plot: QRectF) -> None:
        assert self._range is not None
        left, right = (self._to_x(v) for v in self._range)
        veil = colour("panel", 190)
        painter.fillRect(QRectF(plot.left(), plot.top(), left - plot.left(), plot.height()), veil)
        painter.fillRect(QRectF(right, plot.top(), plot.right() - right, plot.height()), veil)
        for x in (left, right):
            painter.fillRect(QRectF(x - 1, plot.top(), 2, plot.height()), colour("accent"))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Move the upper end with the arrows, the lower one with Shift; Delete keeps all."""
        if event is None:
            return
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Down: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: 1}
        key = Qt.Key(event.key())
        if key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.mouseDoubleClickEvent(None)
        elif key in steps:
            low, high = self._range or self._ends
            step = steps[key] * (self._ends[1] - self._ends[0]) / _KEY_STEPS
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                low = min(max(low + step, self._ends[0]), high - abs(step))
            else:
                high = max(min(high + step, self._ends[1]), low + abs(step))
            self._range = (low, high)
            self.update()
            self.range_changed.emit(low, high)
            self.range_settled.emit()
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Begin a range, or take hold of an end."""
        if event is None:
            return
        x = event.position().x()
        self._anchor = self._to_value(x)
        if self._range is not None:
            left, right = (self._to_x(v) for v in self._range)
            if abs(x - left) < _GRAB_PX:
                self._anchor = self._range[1]
            elif abs(x - right) < _GRAB_PX:
                self._anchor = self._range[0]

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Change the range."""
        if event is None or self._anchor is None:
            return
        value = self._to_value(event.position().x())
        low, high = sorted((self._anchor, value))
        if high > low:
            self._range = (low, high)
            self.update()
            self.range_changed.emit(low, high)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Let go."""
        self._anchor = None
        self.range_settled.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Keep all."""
        self._anchor, self._range = None, None
        self.update()
        self.range_cleared.emit()

    def _plot(self) -> QRectF:
        return QRectF(0, 2, self.width(), self.height() - 22)

    def _to_x(self, value: float) -> float:
        low, high = self._ends
        plot = self._plot()
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        return plot.left() + share * plot.width()

    def _to_value(self, x: float) -> float:
        plot = self._plot()
        low, high = self._ends
        return low + min(max((x - plot.left()) / plot.width(), 0.0), 1.0) * (high - low)

    def _ink(self, value: float) -> QColor:
        if self._table is None:
            return colour("muted", 170)
        low, high = self._colour_ends
        level = int(np.clip(255 * (value - low) / max(high - low, 1e-12), 0, 255))
        return QColor(*(int(c) for c in self._table[level]))


class GradientBar(QWidget):
    """A colour map as a bar with a word at each end."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(28)
        self._table: Array | None = None
        self._words = ("", "")

    def set_table(self, table: Array | None, low: str, high: str) -> None:
        """Show a colour table (256, 3) from `low` to `high`."""
        self._table, self._words = table, (low, high)
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        if self._table is None:
            return
        painter = QPainter(self)
        width = self.width()
        for x in range(width):
            ink = self._table[int(255 * x / max(1, width - 1))]
            painter.fillRect(x, 0, 1, 8, QColor(*(int(c) for c in ink)))
        painter.setFont(font(SMALL_PX))
        painter.setPen(colour("muted"))
        words = QRectF(0, 12, width, 14)
        painter.drawText(words, int(Qt.AlignmentFlag.AlignLeft), self._words[0])
        painter.drawText(words, int(Qt.AlignmentFlag.AlignRight), self._words[1])
