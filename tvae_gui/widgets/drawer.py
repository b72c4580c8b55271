"""A card over the plane for what needs more room than a button: clusters, export."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from tvae_gui.theme import GRID, set_role
from tvae_gui.widgets.controls import tool_button

WIDTH = 352


class Drawer(QFrame):
    """A titled card at the right edge of its parent, closed with Escape or its button."""

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.setAccessibleName(name)
        self.setFixedWidth(WIDTH)
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(2 * GRID, GRID, 2 * GRID, 2 * GRID)
        self.column.setSpacing(GRID)
        head = QHBoxLayout()
        label = QLabel(name)
        set_role(label, "strong")
        shut = tool_button("Close")
        set_role(shut, "quiet")
        shut.clicked.connect(self.close_drawer)
        head.addWidget(label)
        head.addStretch(1)
        head.addWidget(shut)
        self.column.addLayout(head)
        parent.installEventFilter(self)
        self.hide()

    def open_drawer(self) -> None:
        """Show the card."""
        self.show()
        self.place()
        self.raise_()
        self.setFocus()

    def close_drawer(self) -> None:
        """Put the card away."""
        self.hide()

    def place(self) -> None:
        """Stand at the right edge of the parent."""
        parent = self.parentWidget()
        if parent is not None and self.isVisible():
            height = min(self.sizeHint().height(), parent.height() - 2 * GRID)
            self.setFixedHeight(max(120, height))
            self.move(parent.width() - self.width() - GRID, GRID)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Close with Escape."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.close_drawer()
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: object) -> None:
        """Keep presses from the plane below."""

    def wheelEvent(self, event: object) -> None:
        """Keep the wheel from the plane below."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the parent's size."""
        if event is not None and event.type() == QEvent.Type.Resize:
            self.place()
        return super().eventFilter(watched, event)
