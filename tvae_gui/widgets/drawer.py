"""A card for what needs more room than a button: clusters, export."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QResizeEvent
from PyQt6.QtWidgets import QDockWidget, QFrame, QScrollArea, QVBoxLayout, QWidget

from tvae_gui.theme import GRID

WIDTH = 352
_WIDEST = 480


class Drawer(QScrollArea):
    """A card that lives in a panel of the window, closed with Escape or the panel's cross.

    Signals: opened().
    """

    opened = pyqtSignal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setMinimumWidth(WIDTH)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        frame = QFrame()
        frame.setObjectName("panel")
        self.column = QVBoxLayout(frame)
        self.column.setContentsMargins(2 * GRID, GRID, 2 * GRID, 2 * GRID)
        self.column.setSpacing(GRID)
        self.setWidget(frame)
        self._foot = QFrame(self)  # stays in sight under what is scrolled
        self._foot.setObjectName("panel")
        self.foot = QVBoxLayout(self._foot)
        self.foot.setContentsMargins(2 * GRID, GRID, 2 * GRID, GRID)
        self.foot.setSpacing(GRID)
        self._foot.installEventFilter(self)
        self._dock: QDockWidget | None = None

    def live_in(self, dock: QDockWidget) -> None:
        """Open and close together with a panel of the window."""
        self._dock = dock
        self.column.addStretch(1)

    def open_drawer(self) -> None:
        """Show the card."""
        self.place()
        shown = self._dock or self
        shown.show()
        shown.raise_()
        self.setFocus()
        self.opened.emit()

    def close_drawer(self) -> None:
        """Put the card away."""
        (self._dock or self).hide()

    def place(self) -> None:
        """Take the width that what it holds now needs."""
        frame = self.widget()
        if frame is not None:
            wanted = frame.minimumSizeHint().width() + 2 * GRID  # beside the scroll bar
            self.setMinimumWidth(min(max(WIDTH, wanted), _WIDEST))
            frame.updateGeometry()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep the foot at the foot."""
        super().resizeEvent(event)
        self._place_foot()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Give the foot the height it needs when what it holds changes."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self._place_foot()
        return super().eventFilter(watched, event)

    def _place_foot(self) -> None:
        tall = self._foot.sizeHint().height() if self.foot.count() else 0
        width = self.width()
        if tall and self._foot.hasHeightForWidth():
            tall = self._foot.heightForWidth(width)
        self.setViewportMargins(0, 0, 0, tall)
        self._foot.setVisible(tall > 0)
        self._foot.setGeometry(0, self.height() - tall, width, tall)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Close with Escape."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.close_drawer()
        else:
            super().keyPressEvent(event)
