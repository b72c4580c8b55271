"""Whether files that are there already may be replaced."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtWidgets import QMessageBox, QWidget

_NAMED = 3  # files the question names


class ReplaceQuestion(QMessageBox):
    """Asks before files are replaced.

    Signals: none.
    """

    def __init__(self, files: list[Path], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        names = ", ".join(file.name for file in files[:_NAMED])
        more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
        self.setWindowTitle("Replace files")
        self.setText(f"{names}{more} already exist{'s' if len(files) == 1 else ''}.")
        self.replace = self.addButton("Replace", QMessageBox.ButtonRole.DestructiveRole)
        self.keep = self.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
        self.setDefaultButton(self.keep)
        self.setEscapeButton(self.keep)

    def answer(self) -> bool:
        """Ask, and return whether they may be replaced."""
        self.exec()
        return self.clickedButton() is self.replace
