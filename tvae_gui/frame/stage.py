"""The plane and a page beside it: one at a time, or both where there is room."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QSplitter, QWidget

from tvae_gui.theme import GRID

BOTH_PX = 1100  # beside the panels: a window of about 1,700
GALLERY, FIELD = "gallery", "field"


class Stage(QSplitter):
    """Shows the plane, and the page that is called for: the gallery, or a field.

    Signals: turned(), when another page is called for.
    """

    turned = pyqtSignal()

    def __init__(self, plane: QWidget, gallery: QWidget, field: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setHandleWidth(GRID)
        self.setChildrenCollapsible(False)
        self._plane, self._pages = plane, {GALLERY: gallery, FIELD: field}
        for widget in (plane, gallery, field):
            self.addWidget(widget)
        self._open = ""
        self._share_out()

    @property
    def page(self) -> str:
        """The page that is called for; empty when it is the plane alone."""
        return self._open

    def show_page(self, name: str) -> None:
        """Call for a page, or with an empty name for the plane alone."""
        if name != self._open:
            self._open = name
            self._share_out()
            self.turned.emit()

    def show_plane(self) -> None:
        """Make sure that the plane is seen."""
        if not self._plane.isVisible():
            self.show_page("")

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Show both where there is room."""
        super().resizeEvent(event)
        self._share_out()

    def _share_out(self) -> None:
        """Show what is called for; the two that then stand side by side begin with a half each."""
        both = self.width() >= BOTH_PX
        before = [not widget.isHidden() for widget in (self._plane, *self._pages.values())]
        now = [not self._open or both, *(name == self._open for name in self._pages)]
        for widget, seen in zip((self._plane, *self._pages.values()), now, strict=True):
            widget.setVisible(seen)
        if before != now and sum(now) > 1:
            self.setSizes([self.width() // 2 if seen else 0 for seen in now])
