"""What has to be said of a plane as a whole, on the plane."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel, QWidget

from tvae_gui.theme import GRID, set_role

_WIDTH = 420


class PlaneNote(QLabel):
    """A few words below the tools; hidden where there is nothing to say."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.setAccessibleName("Note on the plane")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setWordWrap(True)
        self.setMargin(GRID)
        self.setFixedWidth(_WIDTH)
        set_role(self, "small")
        self.hide()

    def say(self, words: str) -> None:
        """Say something; empty words hide the note."""
        self.setText(words)
        self.setVisible(bool(words))
        if words:
            self.setFixedHeight(self.heightForWidth(_WIDTH))
