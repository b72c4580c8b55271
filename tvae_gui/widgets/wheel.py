"""The wheel scrolls; it never changes a number that happens to lie under it."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject
from PyQt6.QtWidgets import QAbstractSlider, QAbstractSpinBox, QComboBox, QScrollBar, QWidget

_NUMBERS = (QAbstractSlider, QAbstractSpinBox, QComboBox)


class WheelGuard(QObject):
    """Passes the wheel from sliders, number fields and boxes on to what they lie in."""

    def watch(self, root: QWidget) -> None:
        """Guard all number controls that are in `root` now."""
        for kind in _NUMBERS:
            for widget in root.findChildren(kind):
                if not isinstance(widget, QScrollBar):
                    widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Keep the wheel from a control, and leave it to its parents."""
        if event is not None and event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return super().eventFilter(watched, event)
