"""The card of one image: raw, upright, decoded, residual, attention, neighbours, percentiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QImage, QPainter, QPaintEvent
from PyQt6.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from tvae_gui.theme import GRID, SMALL_PX, colour, font, set_role
from tvae_gui.widgets.controls import muted, title
from tvae_gui.widgets.drawer import Drawer
from tvae_gui.widgets.image_panel import PictureRow

Array = NDArray[Any]
PICTURES = (
    ("raw", "The image as the model sees it"),
    ("upright", "Turned and shifted back by the inferred pose"),
    ("decoded", "What the model draws at this image's z"),
    ("residual", "Upright less decoded: blue is less, orange is more than drawn"),
    ("where: q(t)", "Where the model looks for the object, over the raw image"),
)
_SIDE = 98


class WhyDrawer(Drawer):
    """Why is this image here?

    Signals: image_picked(number), another_wanted().
    """

    image_picked = pyqtSignal(int)
    another_wanted = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Why is this image here?", parent)
        self._head = QLabel()
        self._head.setWordWrap(True)
        set_role(self._head, "strong")
        self.column.addWidget(self._head)
        grid = QGridLayout()
        grid.setSpacing(GRID)
        self.pictures: dict[str, Picture] = {}
        for place, (name, tip) in enumerate(PICTURES):
            self.pictures[name] = Picture(name, tip)
            grid.addWidget(self.pictures[name], place // 3, place % 3)
        self.column.addLayout(grid)
        self._missing = muted()
        self._missing.setWordWrap(True)
        self.column.addWidget(self._missing)
        self.column.addWidget(title("How turned: q(r)"))
        self.rotation = RotationStrip()
        self.column.addWidget(self.rotation)
        self.column.addWidget(title("Five nearest in z"))
        self.nearest = PictureRow(54)
        self.nearest.clicked.connect(self.image_picked)
        self.column.addWidget(self.nearest)
        self.column.addWidget(title("Among all images"))
        self._standing = QLabel()
        self._standing.setWordWrap(True)
        self.column.addWidget(self._standing)
        self.button = QPushButton("Explain the image at the probe")
        self.button.setToolTip("The image nearest to the probe (Y)")
        self.button.clicked.connect(lambda: self.another_wanted.emit())
        self.column.addWidget(self.button)

    # --- what is shown -------------------------------------------------------------------------
    def show_image(self, words: str, standing: str, rotation: Array) -> None:
        """Begin with an image: what it is called, how it compares, and its q(r)."""
        self._head.setText(words)
        self._standing.setText(standing)
        self.rotation.put(rotation)
        self._missing.setText("")
        for picture in self.pictures.values():
            picture.put(None)

    def show_missing(self, words: str) -> None:
        """Say what cannot be shown, and why."""
        self._missing.setText(words)
        self.place()

    def show_running(self, running: bool, outcome: str = "") -> None:
        """Show that the image is being looked at, or what went wrong."""
        self.button.setEnabled(not running)
        self.button.setToolTip("Looking at the image …" if running else "The nearest image (Y)")
        if outcome:
            self.show_missing(outcome)

    def show_progress(self, share: float, words: str = "") -> None:
        """Show nothing: it takes a moment."""

    @property
    def text(self) -> str:
        """All that is said."""
        parts = (self._head, self._missing, self._standing)
        return " ".join(label.text() for label in parts)


class Picture(QWidget):
    """A picture with its name below."""

    def __init__(self, name: str, tip: str) -> None:
        super().__init__()
        self._name = name
        self.image: QImage | None = None
        self.words = name
        self.setAccessibleName(name)
        self.setToolTip(tip)
        self.setFixedSize(QSize(_SIDE, _SIDE + 18))

    def put(self, image: QImage | None, words: str = "") -> None:
        """Show a picture, or none; below it its name, or words that say more."""
        self.image, self.words = image, words or self._name
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        square = QRectF(0, 0, _SIDE, _SIDE)
        painter.fillRect(square, colour("plane"))
        painter.setFont(font(SMALL_PX))
        painter.setPen(colour("muted"))
        if self.image is not None:
            painter.drawImage(square, self.image)
        else:
            painter.drawText(square, int(Qt.AlignmentFlag.AlignCenter), "–")
        painter.drawText(QPointF(0, _SIDE + 14), self.words)


class RotationStrip(QWidget):
    """q(r) as bars, one a rotation, the most likely one in the colour of text."""

    def __init__(self) -> None:
        super().__init__()
        self._share: Array = np.empty(0)
        self.setAccessibleName("Probability of each rotation")
        self.setFixedHeight(56)

    def put(self, share: Array) -> None:
        """Show probabilities (R,) that sum to one."""
        self._share = np.asarray(share, dtype=float)
        most = int(np.argmax(self._share)) if len(self._share) else 0
        turn = 360 / max(len(self._share), 1)
        peak = float(self._share[most]) if len(self._share) else 0.0
        self.setToolTip(f"Most likely near {most * turn:.0f}° ({100 * peak:.0f} %)")
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        painter = QPainter(self)
        if not len(self._share):
            return
        pitch, top = self.width() / len(self._share), max(float(self._share.max()), 1e-9)
        painter.setPen(colour("line"))
        painter.drawLine(0, 38, self.width(), 38)
        painter.setPen(Qt.PenStyle.NoPen)
        for k, share in enumerate(self._share):
            height = 36 * share / top
            painter.setBrush(colour("text" if share == top else "muted"))
            painter.drawRect(QRectF(k * pitch + 1, 38 - height, max(pitch - 2, 1), height))
        painter.setFont(font(SMALL_PX))
        painter.setPen(colour("muted"))
        painter.drawText(QRectF(0, 40, 60, 16), int(Qt.AlignmentFlag.AlignLeft), "0°")
        right = QRectF(self.width() - 60, 40, 60, 16)
        painter.drawText(right, int(Qt.AlignmentFlag.AlignRight), "360°")
