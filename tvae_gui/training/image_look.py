"""A look at the raw images and their histogram, before anything runs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QImage, QPainter, QPaintEvent, QPolygonF
from PyQt6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from tvae_core.errors import OutsideError, TvaeError
from tvae_core.images.look import ImageLook
from tvae_core.words import count, figure
from tvae_gui.widgets import ink
from tvae_gui.widgets.picture_view import PictureView

_NOTHING = "Drop a stack, table or folder of images here"


class ImageLookView(QWidget):
    """Sixteen raw images at one contrast, their histogram and their numbers.

    Signals: outside_allowed() when the user trusts a table that leads out of its project folder.
    """

    outside_allowed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.allow = QPushButton("Read these images all the same")
        self.allow.setToolTip("Do so if you know who made this table")
        self.allow.clicked.connect(self.outside_allowed)
        self.headline = ink.heading("No images yet")
        self.headline.setWordWrap(True)
        self.numbers = ink.QuietLabel()
        self.picture = PictureView(_NOTHING)
        self.histogram = Histogram()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.headline)
        column.addWidget(self.picture, 1)
        column.addWidget(self.allow)
        column.addWidget(self.histogram)
        column.addWidget(self.numbers)
        self.show_nothing()

    def show_nothing(self) -> None:
        """Say that images are to be chosen."""
        self._show_words("No images yet", _NOTHING)

    def show_waiting(self) -> None:
        """Say that the images are being read."""
        self._show_words("Looking at the images…", "Reading a few of them")

    def show_error(self, error: TvaeError) -> None:
        """Say why the images cannot be shown."""
        outside = isinstance(error, OutsideError)
        headline = "These images lie elsewhere" if outside else "These images cannot be read"
        self._show_words(headline, "")
        self.allow.setVisible(outside)
        todo = f" {error.todo[0].upper()}{error.todo[1:]}." if error.todo and not outside else ""
        self.picture.show_words(f"{error.what[0].upper()}{error.what[1:]}.{todo}")

    def show_look(self, look: ImageLook) -> None:
        """Show images and numbers."""
        self.allow.hide()
        self.headline.setText(look.headline)
        self.picture.show_image(mosaic(look))
        self.histogram.show_counts(look.counts, look.low, look.high)
        self.numbers.setText(_numbers(look))

    def _show_words(self, headline: str, words: str) -> None:
        self.allow.hide()
        self.headline.setText(headline)
        self.picture.show_words(words)
        self.histogram.show_counts(None, 0, 1)
        self.numbers.setText("")


class Histogram(QWidget):
    """Counts of pixel values with the two ends written below.

    Signals: none.
    """

    def __init__(self) -> None:
        super().__init__()
        self._counts: NDArray[np.int64] | None = None
        self._ends = ("", "")
        self.setFixedHeight(72)
        self.setAccessibleName("Histogram of pixel values")

    def show_counts(self, counts: NDArray[np.int64] | None, low: float, high: float) -> None:
        """Show other counts; None shows nothing."""
        self._counts = counts
        self._ends = (figure(low), figure(high))
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        if self._counts is None or not self._counts.max():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        words = self.fontMetrics().height()
        area = QRectF(0, 0, self.width(), self.height() - words - 2)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(
            ink.mixed(ink.muted(self.palette()), self.palette().window().color(), 0.35)
        )
        painter.drawPolygon(self._outline(area))
        painter.setPen(ink.muted(self.palette()))
        foot = QRectF(0, area.bottom() + 2, self.width(), words)
        painter.drawText(foot, Qt.AlignmentFlag.AlignLeft, self._ends[0])
        painter.drawText(foot, Qt.AlignmentFlag.AlignCenter, "pixel value")
        painter.drawText(foot, Qt.AlignmentFlag.AlignRight, self._ends[1])
        painter.end()

    def _outline(self, area: QRectF) -> QPolygonF:
        assert self._counts is not None
        tallest = max(1, *np.sort(self._counts)[-3:-1])  # one bin of background hides no others
        heights = np.sqrt(np.minimum(1, self._counts / tallest)) * area.height()
        step = area.width() / len(heights)
        points = [QPointF(area.left(), area.bottom())]
        for index, height in enumerate(heights):
            y = area.bottom() - float(height)
            points += [QPointF(index * step, y), QPointF((index + 1) * step, y)]
        return QPolygonF([*points, QPointF(area.right(), area.bottom())])


def mosaic(look: ImageLook) -> QImage:
    """Return the sampled images side by side at the contrast of all of them, as 8-bit grey."""
    count, height, width = look.samples.shape
    across = math.ceil(math.sqrt(count))
    down = -(-count // across)
    gap = max(1, height // 24)
    sheet = np.zeros((down * (height + gap) - gap, across * (width + gap) - gap), np.uint8)
    alpha = np.zeros_like(sheet)
    scaled = np.clip((look.samples - look.low) / (look.high - look.low), 0, 1)
    for index, image in enumerate((255 * scaled).astype(np.uint8)):
        y, x = (index // across) * (height + gap), (index % across) * (width + gap)
        sheet[y : y + height, x : x + width] = image
        alpha[y : y + height, x : x + width] = 255
    pixels = np.stack([sheet, sheet, sheet, alpha], axis=2)
    rows, columns = (int(side) for side in sheet.shape)
    format_ = QImage.Format.Format_RGBA8888
    return QImage(pixels.tobytes(), columns, rows, 4 * columns, format_).copy()


def _numbers(look: ImageLook) -> str:
    parts = [f"mean {figure(look.mean)}", f"deviation {figure(look.deviation)}"]
    if look.bad_pixels:
        parts.append(f"{count(look.bad_pixels)} pixels are not numbers")
    if look.object_px:
        parts.append(f"the varying part is about {look.object_px} px wide")
    if look.pixel_size_angstrom:
        parts.append(f"{figure(look.pixel_size_angstrom)} Å per pixel")
    text = " · ".join(parts) + f" (from {count(look.sampled)} images)"
    return "\n".join([text, *look.remarks[:3]])
