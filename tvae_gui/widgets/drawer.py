"""A card for what needs more room than a button: clusters, export."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent
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

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Close with Escape."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.close_drawer()
        else:
            super().keyPressEvent(event)
