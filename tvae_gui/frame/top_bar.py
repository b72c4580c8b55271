"""The bar at the top of the window: what to do, what is open, and the way to every command."""

from __future__ import annotations

from PyQt6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QWidget

from tvae_gui.theme import GRID, set_role
from tvae_gui.widgets.controls import ElidedLabel


class TopBar(QWidget):
    """Open, Train, Export, the name of the run and its facts, and "Find a command".

    Signals: none; its buttons follow commands.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.open_button = QPushButton("Open")
        self.train_button = QPushButton("Train")
        self.export_button = QPushButton("Export")
        self.heading = ElidedLabel()
        set_role(self.heading, "strong")
        self.subheading = ElidedLabel()
        set_role(self.subheading, "muted")
        for label in (self.heading, self.subheading):
            label.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        self.find_button = QPushButton("Find a command    Ctrl+K")
        set_role(self.find_button, "find")
        self.find_button.setMinimumWidth(216)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GRID)
        for button in (self.open_button, self.train_button, self.export_button):
            line.addWidget(button)
        line.addSpacing(2 * GRID)
        line.addWidget(self.heading, 3)
        line.addWidget(self.subheading, 2)
        line.addStretch(1)
        line.addWidget(self.find_button)

    def show_run(self, name: str, facts: str) -> None:
        """Show what is open; empty words when nothing is."""
        self.heading.setText(name)
        self.subheading.setText(facts)
