"""The film strip below the plane: decoded images of a walk, and what can be done with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QAction,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PyQt6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QMenu, QToolButton, QVBoxLayout, QWidget

from tvae_gui.plane.path_bar import SAVES
from tvae_gui.theme import GRID, SMALL_PX, colour, font, set_role
from tvae_gui.widgets.controls import muted, tool_button

_SIDE, _GAP = 64, 4
FEWEST, MOST = 5, 24


class FilmStrip(QFrame):
    """Frames of a walk with a mark where the probe is.

    Signals: way_chosen(way), frame_picked(frame, frames), save_wanted(kind), closed(),
    room_changed().
    """

    way_chosen = pyqtSignal(str)
    frame_picked = pyqtSignal(int, int)
    save_wanted = pyqtSignal(str)
    closed = pyqtSignal()
    room_changed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAccessibleName("Walk")
        self._way = QComboBox()
        self._way.setAccessibleName("Walk along")
        self._way.setToolTip("What the walk leads along; everything else stays as the probe has it")
        self._way.activated.connect(lambda: self.way_chosen.emit(self._way.currentData()))
        self._words = muted()
        self._save = tool_button("Save")
        self._save.setToolTip("Save the walk as a movie, a strip, images or a table of z")
        self._save.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._saves: dict[str, QAction] = {}
        self._save.setMenu(self._menu())
        shut = tool_button("Close")
        set_role(shut, "quiet")
        shut.clicked.connect(lambda: self.closed.emit())
        line = QHBoxLayout()
        line.setSpacing(GRID)
        line.addWidget(muted("walk along"))
        line.addWidget(self._way)
        line.addWidget(self._words, 1)
        line.addWidget(self._save)
        line.addWidget(shut)
        self.frames = _Frames()
        self.frames.picked.connect(lambda n: self.frame_picked.emit(n, self.room))
        self.frames.resized.connect(self.room_changed)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, 4, GRID, GRID)
        column.setSpacing(4)
        column.addLayout(line)
        column.addWidget(self.frames)
        self.hide()

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
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

    @property
    def room(self) -> int:
        """How many frames there is room for."""
        return int(np.clip((self.frames.width() + _GAP) // (_SIDE + _GAP), FEWEST, MOST))

    @property
    def way(self) -> str:
        """What the walk leads along."""
        return str(self._way.currentData() or "")

    def show_ways(self, ways: list[tuple[str, str]], chosen: str) -> None:
        """List what one can walk along."""
        self._way.clear()
        for words, way in ways:
            self._way.addItem(words, way)
        self._way.setCurrentIndex(max(0, self._way.findData(chosen)))

    def show_frames(
        self, images: list[QImage], opacity: NDArray[np.floating], at: float | None, words: str
    ) -> None:
        """Show frames, each as well as data support it; `at` is the frame where the probe is."""
        self.frames.put(images, [float(share) for share in opacity], at)
        self._words.setText(words)


class _Frames(QWidget):
    """The pictures. Signals: picked(frame), resized()."""

    picked = pyqtSignal(int)
    resized = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Frames of the walk")
        self.setToolTip("Click a frame to put the probe there")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setFixedHeight(_SIDE + 8)
        self.images: list[QImage] = []
        self._opacity: list[float] = []
        self._at: float | None = None

    def put(self, images: list[QImage], opacity: list[float], at: float | None) -> None:
        """Show these pictures."""
        self.images, self._opacity, self._at = images, opacity, at
        self.update()

    def sizeHint(self) -> QSize:
        """Return a good size."""
        return QSize(FEWEST * (_SIDE + _GAP), _SIDE + 8)

    def _pitch(self) -> float:
        return self.width() / max(len(self.images), 1)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setFont(font(SMALL_PX))
        if not self.images:
            painter.setPen(colour("muted"))
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignVCenter), "decoding …")
            return
        pitch = self._pitch()
        for n, (image, share) in enumerate(zip(self.images, self._opacity, strict=True)):
            painter.setOpacity(0.25 + 0.75 * share)
            painter.drawImage(QRectF(n * pitch + (pitch - _SIDE) / 2, 0, _SIDE, _SIDE), image)
        if self._at is not None:
            painter.setOpacity(1.0)
            x = (self._at + 0.5) * pitch
            painter.setPen(QPen(colour("accent"), 2))
            reach = 12 if self.hasFocus() else 6
            painter.drawLine(QPointF(x - reach, _SIDE + 5), QPointF(x + reach, _SIDE + 5))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Go to the frame before or after with the arrows."""
        if event is None:
            return
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        key = Qt.Key(event.key())
        if key in steps and self.images:
            at = -1.0 if self._at is None else self._at
            beside = int(at // 1) + 1 if steps[key] > 0 else -int(-at // 1) - 1
            self.picked.emit(min(max(beside, 0), len(self.images) - 1))
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Say which frame was clicked."""
        if event is not None and self.images:
            self.picked.emit(min(int(event.position().x() / self._pitch()), len(self.images) - 1))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Say that there is room for more or fewer."""
        super().resizeEvent(event)
        self.resized.emit()
