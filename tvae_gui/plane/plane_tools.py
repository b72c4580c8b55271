"""The tools of the plane, on the plane."""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QMenu,
    QToolButton,
    QWidget,
)

from tvae_gui.theme import set_role
from tvae_gui.widgets.icons import icon
from tvae_gui.words import ATLAS

_TOOLS = (
    ("probe", "Probe (V): drag to see the object at each point"),
    ("lasso", "Lasso (L): draw around images. Shift adds, Ctrl+Shift subtracts"),
    ("rectangle", "Rectangle (R): select from corner to corner"),
    ("circle", "Circle (C): select outwards from the centre"),
    ("path", "Path (P): click points or draw freehand, then play"),
)


_MODES = (
    ("replace", "new", "Select only what is drawn around"),
    ("union", "add", "Add to the selection (or hold Shift)"),
    ("subtract", "subtract", "Take away from the selection (or hold Ctrl+Shift)"),
    ("intersect", "both", "Keep what is selected and drawn around"),
)


class PlaneTools(QFrame):
    """A row of tool buttons.

    Signals: tool_chosen(name), mode_chosen(how), atlas_toggled(bool), fit_wanted().
    """

    tool_chosen = pyqtSignal(str)
    mode_chosen = pyqtSignal(str)
    atlas_toggled = pyqtSignal(bool)
    fit_wanted = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(4, 4, 4, 4)
        self._row.setSpacing(2)
        self._group = QButtonGroup(self)
        self._tools = {name: self._button(name, tip, True) for name, tip in _TOOLS}
        for name, button in self._tools.items():
            self._group.addButton(button)
            button.clicked.connect(lambda _=False, n=name: self.tool_chosen.emit(n))
        self._row.addSpacing(8)
        self.mode = self._mode_button()
        self._row.addWidget(self.mode)
        self._row.addSpacing(8)
        self.atlas = self._button("atlas", f"{ATLAS} (A)", True)
        self.atlas.toggled.connect(self.atlas_toggled)
        self._fit = self._button("fit", "Zoom to fit (F)", False)
        self._fit.clicked.connect(lambda: self.fit_wanted.emit())
        self.show_tool("probe")

    def _mode_button(self) -> QToolButton:
        button = QToolButton()
        button.setAccessibleName("What a shape does with the selection")
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        set_role(button, "quiet")
        menu = QMenu(button)
        menu.setToolTipsVisible(True)
        for how, words, tip in _MODES:
            action = menu.addAction(words)
            assert action is not None
            action.setToolTip(tip)
            action.triggered.connect(lambda _=False, h=how: self.mode_chosen.emit(h))
        button.setMenu(menu)
        button.setText(_MODES[0][1])
        button.setToolTip(_MODES[0][2])
        return button

    def show_mode(self, how: str) -> None:
        """Say what a shape does with the selection."""
        words, tip = next((w, t) for h, w, t in _MODES if h == how)
        self.mode.setText(words)
        self.mode.setToolTip(f"Shapes: {tip[:1].lower()}{tip[1:]}")
        self.adjustSize()

    def show_tool(self, name: str) -> None:
        """Mark the tool in use."""
        self._tools[name].setChecked(True)

    def show_atlas(self, shown: bool, why_not: str) -> None:
        """Show whether the background is on; `why_not` is why it cannot be."""
        self.atlas.blockSignals(True)
        self.atlas.setChecked(shown)
        self.atlas.blockSignals(False)
        self.atlas.setEnabled(not why_not)
        self.atlas.setToolTip(why_not or f"{ATLAS} (A)")

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        for name, button in {**self._tools, "atlas": self.atlas, "fit": self._fit}.items():
            button.setIcon(icon(name))

    def _button(self, name: str, tip: str, checkable: bool) -> QToolButton:
        button = QToolButton()
        button.setIcon(icon(name))
        button.setToolTip(tip)
        button.setAccessibleName(name)
        button.setCheckable(checkable)
        set_role(button, "quiet")
        self._row.addWidget(button)
        return button
