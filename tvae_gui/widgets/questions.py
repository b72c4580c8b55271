"""Questions that several rooms ask: a line of text, a colour."""

from __future__ import annotations

from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QColorDialog, QInputDialog, QWidget


def ask_text(parent: QWidget, head: str, words: str, value: str) -> str | None:
    """Ask for a line of text; None when the question was cancelled."""
    text, good = QInputDialog.getText(parent, head, words, text=value)
    return text.strip() if good else None


def ask_colour(parent: QWidget, value: str) -> str | None:
    """Ask for a colour, as #rrggbb; None when the question was cancelled."""
    colour = QColorDialog.getColor(QColor(value), parent)
    return colour.name() if colour.isValid() else None
