"""The bar below the plane that plays a path and saves it."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QMenu, QSlider, QToolButton, QWidget

from tvae_gui.theme import GRID, set_role
from tvae_gui.widgets.controls import muted, tool_button
from tvae_gui.widgets.icons import icon

SAVES = (
    ("movie as GIF…", "gif"),
    ("movie as MP4…", "mp4"),
    ("film strip as PNG…", "strip"),
    ("frames as PNG…", "png"),
    ("stack as MRC…", "mrcs"),
    ("z of each frame as CSV…", "csv"),
)
_SPEEDS = ((0.25, "¼×"), (0.5, "½×"), (1.0, "1×"), (2.0, "2×"), (4.0, "4×"))
_MODES = ("back and forth", "loop", "once")


class PathBar(QFrame):
    """Play, playhead, mode, speed, save, clear.

    Signals: play_toggled(bool), frame_chosen(frame), mode_chosen(mode), speed_chosen(times),
    save_wanted(kind), clear_wanted().
    """

    play_toggled = pyqtSignal(bool)
    frame_chosen = pyqtSignal(int)
    mode_chosen = pyqtSignal(str)
    speed_chosen = pyqtSignal(float)
    save_wanted = pyqtSignal(str)
    clear_wanted = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self._play = QToolButton()
        self._play.setCheckable(True)
        self._play.setAccessibleName("Play along the path")
        self._play.toggled.connect(self.play_toggled)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setAccessibleName("Playhead")
        self._slider.valueChanged.connect(self.frame_chosen)
        self._words = muted()
        self._words.setFixedWidth(56)
        self._mode, self._speed = QComboBox(), QComboBox()
        self._mode.addItems(list(_MODES))
        self._mode.setAccessibleName("How the path is played")
        self._speed.setAccessibleName("Speed of the path")
        self._mode.textActivated.connect(self.mode_chosen)
        for times, words in _SPEEDS:
            self._speed.addItem(words, times)
        self._speed.setCurrentIndex(2)
        self._speed.activated.connect(lambda: self.speed_chosen.emit(self._speed.currentData()))
        self._save = tool_button("Save")
        self._save.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._save.setMenu(self._save_menu())
        clear = tool_button("Clear")
        set_role(clear, "quiet")
        clear.setToolTip("Remove the path from the plane")
        clear.clicked.connect(lambda: self.clear_wanted.emit())
        line = QHBoxLayout(self)
        line.setContentsMargins(GRID, 4, GRID, 4)
        line.setSpacing(GRID)
        for widget in (self._play, self._slider, self._words, self._mode, self._speed, self._save):
            line.addWidget(widget, 1 if widget is self._slider else 0)
        line.addWidget(clear)
        self.apply_theme()
        self.hide()

    def _save_menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        self._saves: dict[str, QAction] = {}
        for words, kind in SAVES:
            action = menu.addAction(words)
            assert action is not None
            action.triggered.connect(lambda _=False, k=kind: self.save_wanted.emit(k))
            self._saves[kind] = action
        return menu

    def set_reason(self, kind: str, reason: str) -> None:
        """Grey one way of saving with the reason why; empty words enable it."""
        self._saves[kind].setEnabled(not reason)
        self._saves[kind].setToolTip(reason)

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        self._play.setIcon(icon("pause" if self._play.isChecked() else "play"))

    def show_path(self, exists: bool, anchors: int, frame: int, frames: int, playing: bool) -> None:
        """Show where the playhead is; the bar hides without a path."""
        self.setVisible(anchors > 0)
        for widget, tip in (
            (self._play, "Play along the path (Ctrl+Space)"),
            (self._slider, "Position of the probe on the path"),
            (self._save, "Save the decoded path"),
        ):
            widget.setEnabled(exists)
            widget.setToolTip(tip if exists else "Click a second point to make a path")
        self._play.blockSignals(True)
        self._play.setChecked(playing)
        self._play.blockSignals(False)
        self._slider.blockSignals(True)
        self._slider.setRange(0, frames - 1)
        self._slider.setValue(frame)
        self._slider.blockSignals(False)
        self._words.setText(f"{frame + 1} of {frames}")
        self.apply_theme()
