"""Ring correlation of half sets against resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from tvae_core.words import figure
from tvae_gui.widgets import ink

THRESHOLD = 0.143
CRITERION = "resolved above FRC 0.143"


@dataclass(frozen=True)
class RingCurve:
    """Correlation (rings,) against frequency (rings,), cycles a pixel; `ink` is `#rrggbb`."""

    name: str
    frequency: NDArray[np.float64]
    correlation: NDArray[np.float64]
    ink: str


class FrcChart(QWidget):
    """Curves of ring correlation, with the line at 0.143; the axis names lengths.

    Signals: none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.curves: list[RingCurve] = []
        self._pixel: float | None = None
        self._caption = ink.QuietLabel()
        self.plot = pg.PlotWidget()
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        self.plot.setFrameShape(self.plot.Shape.NoFrame)
        self.plot.getAxis("left").setWidth(30)
        self.plot.setAccessibleName("Fourier ring correlation of two halves")
        self.plot.setFixedHeight(104)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self._caption)
        column.addWidget(self.plot)
        self.show_curves([], None)

    def show_curves(self, curves: Sequence[RingCurve], pixel_size_angstrom: float | None) -> None:
        """Draw curves; without a pixel size, lengths are in pixels."""
        self.curves, self._pixel = list(curves), pixel_size_angstrom
        unit = "Å" if pixel_size_angstrom else "px"
        self._caption.setText(f"correlation of two halves beyond noise, by resolution in {unit}")
        self._draw()

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow light and dark."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._draw()

    def _draw(self) -> None:
        palette = self.palette()
        self.plot.clear()
        self.plot.setBackground(palette.window().color())
        for name in ("left", "bottom"):
            self.plot.getAxis(name).setPen(pg.mkPen(ink.hairline(palette)))
            self.plot.getAxis(name).setTextPen(pg.mkPen(ink.muted(palette)))
        dashes = pg.mkPen(ink.muted(palette), width=1, style=Qt.PenStyle.DashLine)
        self.criterion = pg.InfiniteLine(
            THRESHOLD, angle=0, pen=dashes, label=CRITERION,
            labelOpts={"position": 0.98, "color": ink.muted(palette), "anchors": [(1, 1), (1, 1)]},
        )  # fmt: skip
        self.plot.addItem(self.criterion)
        for curve in self.curves:
            pen = pg.mkPen(curve.ink, width=1.6)
            item = pg.PlotDataItem(curve.frequency, curve.correlation, pen=pen, antialias=True)
            self.plot.addItem(item)
        pixel = self._pixel or 1.0
        lengths = [(f, figure(pixel / f)) for f in (0.1, 0.2, 0.3, 0.4, 0.5)]
        self.plot.getAxis("bottom").setTicks([[(0.0, "∞"), *lengths]])
        self.plot.getAxis("left").setTicks([[(0.0, "0"), (THRESHOLD, ".143"), (1.0, "1")]])
        self.plot.setRange(xRange=(0.0, 0.5), yRange=(-0.1, 1.05), padding=0.02)
