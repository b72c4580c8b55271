"""All keys and what the mouse does, in columns that fit the screen."""

from __future__ import annotations

from collections.abc import Iterable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QDialog, QFrame, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from tvae_gui.theme import GRID, set_role
from tvae_gui.widgets.controls import muted, title

GESTURES = (
    ("Drag", "With the probe: move it and see the object there"),
    ("Arrows", "Move the probe by a pixel, with Shift by ten"),
    ("Hold D", "While dragging: what changes from the reference (B keeps one)"),
    ("Wheel", "Zoom at the cursor"),
    ("Space + drag", "Pan; or drag with the middle button"),
    ("Drag", "With lasso, rectangle, circle: select"),
    ("Shift + drag", "Add to the selection"),
    ("Ctrl+Shift + drag", "Take away from the selection"),
    ("Esc", "Give up the shape, then the tool"),
    ("Click", "With the path tool: add a point; drag draws freehand"),
    ("Double-click", "End a path; on a slider: back to zero"),
    ("Point at an image", "See it raw, upright, decoded and as residual"),
    ("Click a small image", "Put the probe on it"),
    ("Shift + click", "On a field: add a pick (Insert: in its middle)"),
    ("Drag a circle", "On a field: move the pick; arrows: by a pixel, Shift: by ten"),
    ("Delete, N", "On a field: take the pick away, go to the next"),
)
_COLUMN_PX = 330


class KeysPage(QDialog):
    """The page of keys; not modal. Signals: none."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys and mouse")
        self.setModal(False)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(GRID, GRID, GRID, GRID)
        whole.addWidget(self._area)

    def show_keys(self, menus: dict[str, list[tuple[str, str]]]) -> None:
        """Show rows (what, keys) under the name of their menu, and the gestures of the mouse."""
        parts = [_part(name, rows) for name, rows in menus.items() if rows]
        parts.append(_part("Mouse", [(what, how) for how, what in GESTURES]))
        frame = QWidget()
        grid = QGridLayout(frame)
        grid.setSpacing(2 * GRID)
        sides: list[QVBoxLayout] = []
        for place in range(2):
            column = QVBoxLayout()
            column.setSpacing(2 * GRID)
            grid.addLayout(column, 0, place)
            sides.append(column)
        heights = [0, 0]
        for part in sorted(parts, key=_height, reverse=True):  # the columns end about evenly
            side = heights.index(min(heights))
            heights[side] += _height(part) + 2 * GRID
            sides[side].addWidget(part)
        for column in sides:
            column.addStretch(1)
        self._area.setWidget(frame)
        screen = self.screen()
        most = 720 if screen is None else screen.availableGeometry().height() - 80
        self.resize(2 * _COLUMN_PX + 8 * GRID, min(max(heights) + 8 * GRID, most))
        self.show()
        self.raise_()


def _height(part: QFrame) -> int:
    return part.heightForWidth(_COLUMN_PX)


def _part(name: str, rows: Iterable[tuple[str, str]]) -> QFrame:
    frame = QFrame()
    frame.setFixedWidth(_COLUMN_PX)
    grid = QGridLayout(frame)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setVerticalSpacing(4)
    grid.addWidget(title(name), 0, 0, 1, 2)
    for number, (what, keys) in enumerate(rows, 1):
        words = muted(what)
        words.setWordWrap(True)
        label = QLabel(keys)
        set_role(label, "small")
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
        grid.addWidget(words, number, 0)
        grid.addWidget(label, number, 1)
    grid.setColumnStretch(0, 1)
    return frame
