"""The plane and the gallery: one at a time, or side by side where there is room."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QSplitter, QWidget

from tvae_gui.theme import GRID

BOTH_PX = 1100  # beside the panels: a window of about 1,700


class Stage(QSplitter):
    """Shows the plane, and the gallery when it is called for.

    Signals: none.
    """

    def __init__(self, plane: QWidget, gallery: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setHandleWidth(GRID)
        self.setChildrenCollapsible(False)
        self._plane, self._gallery = plane, gallery
        for widget in (plane, gallery):
            self.addWidget(widget)
        self._open = False
        gallery.hide()

    @property
    def gallery_open(self) -> bool:
        """Whether the gallery is called for."""
        return self._open

    def show_gallery(self, on: bool) -> None:
        """Call for the gallery, or for the plane alone."""
        self._open = on
        self._share_out()

    def show_plane(self) -> None:
        """Make sure that the plane is seen."""
        if not self._plane.isVisible():
            self.show_gallery(False)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Show both where there is room."""
        super().resizeEvent(event)
        self._share_out()

    def _share_out(self) -> None:
        both = self.width() >= BOTH_PX
        self._plane.setVisible(not self._open or both)
        self._gallery.setVisible(self._open)
