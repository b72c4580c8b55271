"""What to do with runs that are at work when the window closes."""

from __future__ import annotations

from typing import Literal

from PyQt6.QtWidgets import QMessageBox, QWidget

Answer = Literal["leave", "stop", "stay"]


class ClosingQuestion(QMessageBox):
    """Asks whether runs go on without the window.

    Signals: none.
    """

    def __init__(self, names: list[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        one = len(names) == 1
        self.setWindowTitle("Training is still running")
        self.setText(f"{names[0]} is training." if one else f"{len(names)} runs are training.")
        self.setInformativeText(
            f"{'It' if one else 'They'} can continue without the window, which finds "
            f"{'it' if one else 'them'} again when you reopen it. "
            f"Stopping writes a checkpoint, so that you can resume later."
        )
        self.leave = self.addButton("Leave running", QMessageBox.ButtonRole.AcceptRole)
        self.stop = self.addButton("Stop training", QMessageBox.ButtonRole.DestructiveRole)
        self.stay = self.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
        self.setDefaultButton(self.leave)
        self.setEscapeButton(self.stay)

    def answer(self) -> Answer:
        """Ask, and return the answer."""
        self.exec()
        clicked = self.clickedButton()
        if clicked is self.leave:
            return "leave"
        return "stop" if clicked is self.stop else "stay"
