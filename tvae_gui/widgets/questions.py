"""Questions that several rooms ask: a line of text, a colour, where the images of a run are."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QColorDialog, QFileDialog, QInputDialog, QWidget

from tvae_gui.widgets.file_filters import image_filters


def ask_text(parent: QWidget, head: str, words: str, value: str) -> str | None:
    """Ask for a line of text; None when the question was cancelled."""
    text, good = QInputDialog.getText(parent, head, words, text=value)
    return text.strip() if good else None


def ask_images_at(parent: QWidget, before: str) -> str:
    """Ask where the images of a run are now, which were at `before`; empty when cancelled."""
    words = f"Where is {Path(before).name} now?"
    if not Path(before).suffix:
        return QFileDialog.getExistingDirectory(parent, words)
    return QFileDialog.getOpenFileName(parent, words, "", image_filters())[0]


def ask_colour(parent: QWidget, value: str) -> str | None:
    """Ask for a colour, as #rrggbb; None when the question was cancelled."""
    colour = QColorDialog.getColor(QColor(value), parent)
    return colour.name() if colour.isValid() else None
