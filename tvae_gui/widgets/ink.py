"""Looks of the training views: palette colours, and the `role` that the style sheet knows."""

from __future__ import annotations

from PyQt6.QtCore import QEvent
from PyQt6.QtGui import QColor, QFont, QPalette
from PyQt6.QtWidgets import QLabel, QPushButton, QWidget

# Wong's colour-blind-safe set (Nature Methods 8, 441, 2011), blue and black lightened when dark.
_LIGHT = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8A6D00", "#56B4E9", "#E69F00", "#555555")
_DARK = ("#56B4E9", "#E69F00", "#2FC79A", "#E29CC4", "#F0E442", "#4C9BE0", "#F07A3A", "#BBBBBB")


def is_dark(palette: QPalette) -> bool:
    """Whether text is lighter than what it stands on."""
    return palette.windowText().color().lightness() > palette.window().color().lightness()


def series(palette: QPalette, index: int) -> QColor:
    """Return the colour of the curve or class number `index`."""
    colours = _DARK if is_dark(palette) else _LIGHT
    return QColor(colours[index % len(colours)])


def muted(palette: QPalette) -> QColor:
    """Return a quieter colour of text that still reads."""
    return mixed(palette.windowText().color(), palette.window().color(), 0.38)


def hairline(palette: QPalette) -> QColor:
    """Return the colour of thin lines."""
    return mixed(palette.windowText().color(), palette.window().color(), 0.84)


def warning(palette: QPalette) -> QColor:
    """Return the colour of words that need attention."""
    return QColor("#F0A35A" if is_dark(palette) else "#A34700")


def mixed(colour: QColor, other: QColor, share: float) -> QColor:
    """Return a colour with so much of another in it."""
    pairs = zip(colour.getRgb()[:3], other.getRgb()[:3], strict=True)
    return QColor(*(round((a or 0) * (1 - share) + (b or 0) * share) for a, b in pairs))


def paint_text(widget: QWidget, colour: QColor) -> None:
    """Give a widget's text a colour; asked again for the same one does nothing."""
    palette = widget.palette()
    if palette.windowText().color() != colour:
        palette.setColor(QPalette.ColorRole.WindowText, colour)
        widget.setPalette(palette)


def heading(text: str) -> QLabel:
    """Return a small heading of a section."""
    label = QLabel(text)
    font = QFont(label.font())
    font.setWeight(QFont.Weight.DemiBold)
    label.setFont(font)
    label.setProperty("role", "title")
    return label


def title(text: str = "") -> QLabel:
    """Return a label of the larger size."""
    label = heading(text)
    font = label.font()
    font.setPointSizeF(font.pointSizeF() * 1.25)
    label.setFont(font)
    label.setProperty("role", "strong")
    return label


def explain(button: QPushButton, what: str, why_not: str) -> None:
    """Enable a button, or grey it with the reason as its tooltip."""
    button.setEnabled(not why_not)
    button.setToolTip(why_not or what)
    button.setAccessibleDescription(why_not or what)


class QuietLabel(QLabel):
    """A label in the quieter colour, or in the colour of a warning.

    Signals: none.
    """

    def __init__(self, text: str = "", warns: bool = False) -> None:
        super().__init__(text)
        self.warns = warns
        if not warns:
            self.setProperty("role", "muted")
        self.setWordWrap(True)
        self.refresh()

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow the palette and the parent."""
        super().changeEvent(event)
        kinds = (QEvent.Type.PaletteChange, QEvent.Type.ParentChange)
        if event is not None and event.type() in kinds:
            self.refresh()

    def refresh(self) -> None:
        """Take the colour from the palette of the window around."""
        parent = self.parentWidget()
        palette = parent.palette() if parent else self.palette()
        paint_text(self, warning(palette) if self.warns else muted(palette))
