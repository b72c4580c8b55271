"""Curves over epochs, with their names and last values above them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from tvae_core.words import count, figure, setting
from tvae_gui.widgets import ink

_EARLY = 0.1


@dataclass(frozen=True)
class Curve:
    """One curve: its name, values over epochs, and which of the series colours it has."""

    name: str
    epochs: NDArray[np.float64]
    values: NDArray[np.float64]
    colour: int = 0
    dashed: bool = False


class CurveChart(QWidget):
    """A chart of curves over epochs.

    The axis of values leaves out the steep first tenth of long runs; double-click shows all.

    Signals: none.
    """

    def __init__(self, title: str, unit: str = "", narrow: bool = False) -> None:
        super().__init__()
        self._curves: list[Curve] = []
        self._narrow = narrow
        self._shows_all = False
        self._title, self._unit = ink.heading(title), ink.QuietLabel(unit)
        self._names = ink.QuietLabel()
        self._names.setTextFormat(Qt.TextFormat.RichText)
        self.plot = _plain_plot()
        self._lay_out()
        self._paint()

    def set_curves(self, curves: list[Curve]) -> None:
        """Draw other curves."""
        self._curves = curves
        self._draw()

    def names_shown(self) -> list[str]:
        """Return the names of the curves that have values."""
        return [curve.name for curve in self._curves if len(curve.values)]

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow light and dark."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._paint()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self._title)
        head.addWidget(self._unit)
        head.addStretch(1)
        if not self._narrow:
            head.addWidget(self._names, 6)
        self._unit.setWordWrap(False)
        side = Qt.AlignmentFlag.AlignLeft if self._narrow else Qt.AlignmentFlag.AlignRight
        self._names.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)
        self._names.setMinimumHeight(self._names.fontMetrics().lineSpacing())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(head)
        if self._narrow:
            column.addWidget(self._names)
        column.addWidget(self.plot, 1)
        self.plot.scene().sigMouseClicked.connect(self._on_clicked)
        self.setMinimumHeight(110)

    def _paint(self) -> None:
        palette = self.palette()
        for name in ("left", "bottom"):
            axis = self.plot.getAxis(name)
            axis.setPen(pg.mkPen(ink.hairline(palette)))
            axis.setTextPen(pg.mkPen(ink.muted(palette)))
        self._draw()

    def _draw(self) -> None:
        self.plot.clear()
        shown = [curve for curve in self._curves if len(curve.values)]
        for curve in shown:
            self.plot.addItem(self._item(curve))
        self._names.setText(" &nbsp; ".join(self._name_of(curve) for curve in shown))
        if not shown and not self._narrow:
            self._names.setText("Curves appear after the first epoch")
        ground = self.palette().base() if shown else self.palette().window()
        self.plot.setBackground(ground.color())
        self._fit(shown)

    def _item(self, curve: Curve) -> pg.PlotDataItem:
        colour = ink.series(self.palette(), curve.colour)
        style = Qt.PenStyle.DashLine if curve.dashed else Qt.PenStyle.SolidLine
        dot = len(curve.values) == 1
        return pg.PlotDataItem(
            curve.epochs,
            curve.values,
            pen=pg.mkPen(colour, width=1.6, style=style),
            symbol="o" if dot else None,
            symbolBrush=colour,
            symbolPen=None,
            symbolSize=6,
            antialias=True,
            autoDownsample=True,
        )

    def _name_of(self, curve: Curve) -> str:
        colour: QColor = ink.series(self.palette(), curve.colour)
        mark = "╌" if curve.dashed else "━"
        name = f'<span style="color:{colour.name()}">{mark} {curve.name}</span>'
        if self._narrow and len(self._curves) > 1:
            return name
        return f"{name} {figure(float(curve.values[-1]))}"

    def _fit(self, curves: list[Curve]) -> None:
        for name in ("left", "bottom"):
            self.plot.getAxis(name).setVisible(bool(curves))
        if not curves:
            return
        last = max(float(curve.epochs[-1]) for curve in curves)
        values = np.concatenate([self._late(curve) for curve in curves])
        low, high = float(values.min()), float(values.max())
        room = 0.06 * (high - low) or 0.06 * (abs(high) or 1)
        self.plot.setRange(xRange=(1, max(2, last)), yRange=(low - room, high + room), padding=0.02)
        few = 4 if self._narrow else 7
        heights = [(tick, setting(tick).replace("-", "−")) for tick in nice_ticks(low, high, 4)]
        epochs = [t for t in nice_ticks(1, max(2, last), few) if t == int(t)]
        self.plot.getAxis("bottom").setLabel("epoch")
        self.plot.getAxis("left").setTicks([heights])
        self.plot.getAxis("bottom").setTicks([[(tick, count(round(tick))) for tick in epochs]])

    def _late(self, curve: Curve) -> NDArray[np.float64]:
        if self._shows_all or len(curve.values) < 10:
            return curve.values
        return curve.values[int(_EARLY * len(curve.values)) :]

    def _on_clicked(self, event: object) -> None:
        if getattr(event, "double", lambda: False)():
            self._shows_all = not self._shows_all
            self._draw()


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers within a range, 1, 2 or 5 times a power of ten apart."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def _plain_plot() -> pg.PlotWidget:
    plot = pg.PlotWidget()
    plot.setMouseEnabled(x=False, y=False)
    plot.hideButtons()
    plot.setMenuEnabled(False)
    plot.setFrameShape(plot.Shape.NoFrame)
    plot.getAxis("left").setWidth(56)
    for name in ("left", "bottom"):
        plot.getAxis(name).enableAutoSIPrefix(False)
        plot.getAxis(name).setStyle(tickLength=-4)
    return plot
