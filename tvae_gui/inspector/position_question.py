"""Whether the rows of a table that names no images are those of the run, in its order."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtWidgets import QMessageBox, QWidget


class PositionQuestion(QMessageBox):
    """Asks before a table is joined by position.

    Signals: none.
    """

    def __init__(self, what: str, path: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Join a table")
        self.setText(f"{path.name} {what}.")
        self.setInformativeText(
            "Does its first row belong to the first image of the run, its second row to the "
            "second, and so on?"
        )
        self.join = self.addButton("Join by position", QMessageBox.ButtonRole.AcceptRole)
        self.keep = self.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
        self.setDefaultButton(self.keep)
        self.setEscapeButton(self.keep)

    def answer(self) -> bool:
        """Ask, and return whether the table is to be joined by position."""
        self.exec()
        return self.clickedButton() is self.join
