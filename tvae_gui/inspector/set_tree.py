"""The list of named sets: a set dragged onto another is combined with it."""

from __future__ import annotations

from PyQt6.QtCore import QPoint, Qt, pyqtSignal
from PyQt6.QtGui import QDropEvent
from PyQt6.QtWidgets import QAbstractItemView, QTreeWidget


class SetTree(QTreeWidget):
    """Named sets with their counts.

    Signals: dropped_onto(source, target, position on the screen).
    """

    dropped_onto = pyqtSignal(str, str, QPoint)

    def __init__(self) -> None:
        super().__init__()
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setDropIndicatorShown(True)

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Ask what is to be made of the two sets; their order stays."""
        if event is None:
            return
        at = event.position().toPoint()
        source, target = self.currentItem(), self.itemAt(at)
        event.setDropAction(Qt.DropAction.IgnoreAction)
        event.accept()
        viewport = self.viewport()
        if source is not None and target is not None and source is not target:
            where = at if viewport is None else viewport.mapToGlobal(at)
            self.dropped_onto.emit(source.text(0), target.text(0), where)
