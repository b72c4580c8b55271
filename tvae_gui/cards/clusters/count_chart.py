"""What speaks for each number of clusters."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QEvent, pyqtSignal
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from tvae_core.analysis.cluster_count import Proposal
from tvae_core.words import fixed
from tvae_gui.widgets import ink

_TICKS = 4


class CountChart(QWidget):
    """A curve of the narrowest gap by the number of clusters, the proposed number marked.

    Signals: count_picked(count), of the number that was clicked at.
    """

    count_picked = pyqtSignal(int)

    def __init__(self) -> None:
        super().__init__()
        self.proposal: Proposal | None = None
        self._caption = ink.QuietLabel()
        self.plot = pg.PlotWidget()
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        self.plot.setFrameShape(self.plot.Shape.NoFrame)
        self.plot.getAxis("left").setWidth(36)
        self.plot.setAccessibleName("Narrowest gap by the number of clusters")
        self.plot.setToolTip(
            "How empty the narrowest gap between any two clusters is. 1: no image lies in it;\n"
            "0: no gap can be told. Click a number to try it."
        )
        self.plot.setFixedHeight(96)
        self.plot.scene().sigMouseClicked.connect(self._on_clicked)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self._caption)
        column.addWidget(self.plot)
        self.show_proposal(None)

    def show_proposal(self, proposal: Proposal | None) -> None:
        """Draw a proposal; without one there is no chart."""
        self.proposal = proposal
        self.setVisible(proposal is not None)
        if proposal is not None:
            self._caption.setText("narrowest gap by number of clusters")
            self._draw(proposal)

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow light and dark."""
        super().changeEvent(event)
        if (
            event is not None
            and event.type() == QEvent.Type.PaletteChange
            and self.proposal is not None
        ):
            self._draw(self.proposal)

    def _draw(self, proposal: Proposal) -> None:
        palette, depth = self.palette(), proposal.depth
        self.plot.clear()
        self.plot.setBackground(palette.window().color())
        for name in ("left", "bottom"):
            self.plot.getAxis(name).setPen(pg.mkPen(ink.hairline(palette)))
            self.plot.getAxis(name).setTextPen(pg.mkPen(ink.muted(palette)))
        quiet, accent = ink.muted(palette), palette.highlight().color()
        self.plot.addItem(
            pg.PlotDataItem(
                proposal.counts, depth, pen=pg.mkPen(quiet, width=1.4),
                symbol="o", symbolSize=4, symbolBrush=quiet, symbolPen=None, antialias=True,
            )
        )  # fmt: skip
        best = proposal.counts == proposal.count  # none, where the images are of one cluster
        self.plot.addItem(
            pg.ScatterPlotItem(proposal.counts[best], depth[best], size=9, brush=accent, pen=None)
        )
        ends = (int(proposal.counts[0]), int(proposal.counts[-1]))
        chosen = proposal.counts[best].tolist()
        ticks = range(ends[0], ends[1] + 1, _TICKS)
        even = [n for n in ticks if all(abs(n - count) > 1 for count in chosen)]
        marked = sorted({*even, *chosen})
        self.plot.getAxis("bottom").setTicks([[(n, str(n)) for n in marked]])
        self.plot.getAxis("left").setTicks([[(v, fixed(v)) for v in (0.0, 1.0)]])
        self.plot.setRange(xRange=ends, yRange=(0.0, 1.0), padding=0.08)

    def _on_clicked(self, event: object) -> None:
        if self.proposal is None:
            return
        place = self.plot.getPlotItem().vb.mapSceneToView(event.scenePos())  # type: ignore[attr-defined]
        nearest = np.abs(self.proposal.counts - place.x()).argmin()
        self.count_picked.emit(int(self.proposal.counts[nearest]))
