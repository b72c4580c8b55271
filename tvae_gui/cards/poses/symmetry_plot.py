"""A small polar plot: how much a turned object is still itself, its peaks named."""

from __future__ import annotations

import math

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QPainter, QPainterPath, QPaintEvent, QPen
from PyQt6.QtWidgets import QWidget

from tvae_core.analysis.symmetry import SetSymmetry, SymmetryPeak
from tvae_gui.theme import SMALL_PX, colour, font

_SIDE = 176
_MARGIN = 26
_MOST_NAMES = 3
_NEAR = 0.02  # below the best score: named as well


class SymmetryPlot(QWidget):
    """Correlation with angle 0 as distance from the centre, counter-clockwise from the right.

    Signals: none.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Symmetry")
        self.setFixedSize(QSize(_SIDE, _SIDE))
        self._found: SetSymmetry | None = None

    def show_symmetry(self, found: SetSymmetry | None) -> None:
        """Show a symmetry; None leaves the empty rings."""
        self._found = found
        self.setAccessibleDescription("" if found is None else found.mean.hint)
        self.update()

    @property
    def named_peaks(self) -> list[SymmetryPeak]:
        """The peaks that carry their name: those of the order found, else the highest."""
        if self._found is None:
            return []
        mean = self._found.mean
        if mean.order > 1:
            return [p for p in mean.peaks if p.name == mean.name][:1]
        if not mean.peaks:
            return []
        best = [p for p in mean.peaks if p.correlation > mean.peaks[0].correlation - _NEAR]
        return best[:_MOST_NAMES]

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font(SMALL_PX))
        self._draw_rings(painter)
        if self._found is None:
            return
        mean = self._found.mean
        if not np.allclose(self._found.low, self._found.high):
            band = self._curve(self._found.high)
            band.addPath(self._curve(self._found.low).toReversed())
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour("muted", 60))
            painter.drawPath(band)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(colour("text"), 1.8))
        painter.drawPath(self._curve(mean.correlation))
        self._draw_peaks(painter)

    def _draw_rings(self, painter: QPainter) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for level in (0.5, 1.0):
            reach = self._radius(level)
            painter.setPen(QPen(colour("line"), 1))
            painter.drawEllipse(self._centre, reach, reach)
            painter.setPen(colour("muted"))
            place = QRectF(self._centre.x() + 2, self._centre.y() + reach - 14, 24, 13)
            painter.drawText(place, f"{level:g}")
        painter.setPen(QPen(colour("line"), 1))
        reach = self._radius(1.0)
        painter.drawLine(self._centre, self._centre + QPointF(reach, 0))
        painter.setPen(colour("muted"))
        painter.drawText(self._centre + QPointF(reach + 4, 4), "0°")

    def _draw_peaks(self, painter: QPainter) -> None:
        assert self._found is not None
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("accent"))
        mean = self._found.mean
        shown = mean.peaks[: mean.order - 1] if mean.order > 1 else self.named_peaks
        for peak in shown:
            painter.drawEllipse(self._at(peak.angle_deg, peak.correlation), 3.5, 3.5)
        painter.setPen(colour("text"))
        painter.setFont(font(SMALL_PX, strong=True))
        for peak in self.named_peaks:
            box = QRectF(0, 0, 44, 14)
            box.moveCenter(self._at(peak.angle_deg, 1.0, 14))
            box.moveLeft(min(max(box.left(), 0.0), self.width() - box.width()))
            words = mean.name if mean.order > 1 else f"{peak.angle_deg:.0f}°"
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), words)

    def _curve(self, values: np.ndarray) -> QPainterPath:
        degrees = np.arange(len(values)) * 360.0 / len(values)
        points = [self._at(float(a), float(v)) for a, v in zip(degrees, values, strict=True)]
        path = QPainterPath(points[0])
        for point in points[1:]:
            path.lineTo(point)
        path.closeSubpath()
        return path

    def _at(self, angle_deg: float, level: float, beyond: float = 0.0) -> QPointF:
        angle, reach = math.radians(angle_deg), self._radius(level) + beyond
        return self._centre + QPointF(reach * math.cos(angle), -reach * math.sin(angle))

    def _radius(self, level: float) -> float:
        return max(0.0, level) * (_SIDE / 2 - _MARGIN)

    @property
    def _centre(self) -> QPointF:
        return QPointF(self.width() / 2, self.height() / 2)
