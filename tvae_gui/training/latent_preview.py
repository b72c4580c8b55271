"""The latent plane of one epoch of a run."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QEvent
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QStackedLayout, QWidget

from tvae_gui.state.latent_preview import LatentPlane
from tvae_gui.widgets import ink
from tvae_gui.widgets.minus_axis import MinusAxis
from tvae_gui.widgets.picture_view import PictureView

_MANY = 1500


class LatentPreview(QWidget):
    """Points of a run's content latent, coloured by label when there are labels.

    Signals: none.
    """

    def __init__(self) -> None:
        super().__init__()
        self._plane: LatentPlane | None = None
        self._words = PictureView("The latent plane appears after the first epoch")
        self.plot = pg.PlotWidget(axisItems={side: MinusAxis(side) for side in ("left", "bottom")})
        self._points = pg.ScatterPlotItem(pxMode=True, pen=None)
        self._lay_out()
        self._paint()

    @property
    def points_shown(self) -> int:
        """How many points are drawn."""
        return 0 if self._plane is None else len(self._plane.positions)

    def show_plane(self, plane: LatentPlane | None, words: str = "") -> None:
        """Draw another plane, or say why there is none."""
        self._plane = plane
        if plane is None:
            self._words.show_words(words)
        self._stack.setCurrentIndex(0 if plane is None else 1)
        self._draw()

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow light and dark."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._paint()

    def _lay_out(self) -> None:
        self.plot.setFrameShape(self.plot.Shape.NoFrame)
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.setAspectLocked(True)
        self.plot.addItem(self._points)
        for name in ("left", "bottom"):
            self.plot.getAxis(name).setStyle(tickLength=-4, maxTickLevel=0)
            self.plot.getAxis(name).enableAutoSIPrefix(False)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._words)
        self._stack.addWidget(self.plot)
        self.setMinimumSize(120, 120)

    def _paint(self) -> None:
        palette = self.palette()
        self.plot.setBackground(palette.base().color())
        for name in ("left", "bottom"):
            axis = self.plot.getAxis(name)
            axis.setPen(pg.mkPen(ink.hairline(palette)))
            axis.setTextPen(pg.mkPen(ink.muted(palette)))
        self._draw()

    def _draw(self) -> None:
        plane = self._plane
        if plane is None:
            self._points.clear()
            return
        size = 3 if len(plane.positions) > _MANY else 5
        self._points.setData(pos=plane.positions, size=size, brush=self._brushes(plane))
        self.plot.setLabel("bottom", plane.axes[0])
        self.plot.setLabel("left", plane.axes[1])
        self.plot.setAspectLocked(plane.axes[1] != "rank")
        low, high = np.percentile(plane.positions, (0.5, 99.5), axis=0)
        self.plot.setRange(xRange=(low[0], high[0]), yRange=(low[1], high[1]), padding=0.08)

    def _brushes(self, plane: LatentPlane) -> object:
        palette = self.palette()
        if plane.labels is None:
            colour = QColor(ink.muted(palette))
            colour.setAlpha(150)
            return pg.mkBrush(colour)
        colours = [pg.mkBrush(ink.series(palette, i)) for i in range(int(plane.labels.max()) + 1)]
        return [colours[label] for label in plane.labels]
