"""A field of many objects with its picks: the card over the plane, and the picture on it."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import QPointF, QRectF, QSignalBlocker, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QCheckBox, QProgressBar, QPushButton, QSizePolicy, QSpinBox, QWidget

from tvae_gui.theme import colour, set_role
from tvae_gui.widgets.controls import ValueSlider, muted, row
from tvae_gui.widgets.drawer import Drawer

_HEIGHT = 320


class FieldPicture(QWidget):
    """The field with a circle around each pick.

    Signals: clicked(column, row), as shares of the field's width.
    """

    clicked = pyqtSignal(float, float)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Field")
        self.setMinimumSize(QSize(160, _HEIGHT))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._image = QImage()
        self._circles: Any = ()
        self._chosen: int | None = None

    def show_field(self, image: QImage, circles: Any, chosen: int | None) -> None:
        """Show an image with circles (n, 3) in shares of its width, one of them chosen."""
        self._image, self._circles, self._chosen = image, circles, chosen
        self.update()

    def place(self) -> QRectF:
        """Return where the image is drawn."""
        size = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        rect = QRectF(0, 0, size.width(), size.height())
        rect.moveCenter(QRectF(self.rect()).center())
        return rect

    def spot(self, column: float, line: float) -> QPointF:
        """Return where a place, in shares of the width, is on the widget."""
        rect = self.place()
        return QPointF(rect.x() + column * rect.width(), rect.y() + line * rect.width())

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw."""
        if self._image.isNull():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        rect = self.place()
        painter.drawImage(rect, self._image)
        for number, (column, line, radius) in enumerate(self._circles):
            painter.setPen(QPen(colour("accent"), 3.0 if number == self._chosen else 1.2))
            size = radius * rect.width()
            painter.drawEllipse(self.spot(column, line), size, size)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Say where it was clicked."""
        rect = self.place()
        if event is not None and rect.width() > 0:
            at = event.position()
            width = rect.width()
            self.clicked.emit((at.x() - rect.x()) / width, (at.y() - rect.y()) / width)


class FieldDrawer(Drawer):
    """The card of fields.

    Signals: open_wanted(), cancel_wanted(), threshold_moved(confidence), image_chosen(number),
    drawn_toggled(on), save_wanted().
    """

    open_wanted = pyqtSignal()
    cancel_wanted = pyqtSignal()
    threshold_moved = pyqtSignal(float)
    image_chosen = pyqtSignal(int)
    drawn_toggled = pyqtSignal(bool)
    save_wanted = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Objects in an image", parent)
        self._running = False
        self.button = QPushButton("Open an image…")
        set_role(self.button, "primary")
        self.button.clicked.connect(self._on_button)
        self._progress = QProgressBar()
        self._progress.setRange(0, 1000)
        self.picture = FieldPicture()
        self._words = muted()
        self._words.setWordWrap(True)
        self.threshold = ValueSlider("≥", 0.0, 1.0)
        self.threshold.setToolTip("Minimum confidence of the picks shown and saved")
        self.threshold.moved.connect(self.threshold_moved)
        self.image = QSpinBox()
        self.image.setAccessibleName("Number of the image in the file")
        self.image.setPrefix("image ")
        self.image.valueChanged.connect(lambda number: self.image_chosen.emit(number - 1))
        self.drawn = QCheckBox("as the model reconstructs it")
        self.drawn.toggled.connect(self.drawn_toggled)
        self.save = QPushButton("Save the picks…")
        self.save.clicked.connect(self.save_wanted)
        for widget in (self.button, self._progress, self.picture, self.threshold):
            self.column.addWidget(widget)
        self.column.addLayout(row(self.image, self.drawn))
        self.column.addWidget(self._words)
        self.column.addWidget(self.save)
        self.show_running(False)
        self.show_fields(0, 0.5)

    def show_running(self, running: bool, words: str = "") -> None:
        """Show that it is looked, or that it ended."""
        self._running = running
        self._progress.setValue(0)
        self._progress.setVisible(running)
        self.button.setText("Stop" if running else "Open an image…")
        self.show_words(words)

    def show_progress(self, share: float, words: str = "") -> None:
        """Show how far it is."""
        self._progress.setValue(round(1000 * share))

    def show_fields(self, count: int, threshold: float) -> None:
        """Make ready for a file of `count` images; none hides what belongs to one."""
        parts: tuple[QWidget, ...] = (self.picture, self.threshold, self.drawn, self.save)
        for part in parts:
            part.setVisible(count > 0)
        self.image.setVisible(count > 1)
        with QSignalBlocker(self.drawn), QSignalBlocker(self.image):
            self.drawn.setChecked(False)
            self.image.setRange(1, max(1, count))
            self.image.setValue(1)
        self.threshold.set_value(threshold)
        self.place()

    def show_words(self, words: str) -> None:
        """Say what is shown."""
        self._words.setText(words)
        self.place()

    @property
    def words(self) -> str:
        """What is said."""
        return self._words.text()

    def _on_button(self) -> None:
        (self.cancel_wanted if self._running else self.open_wanted).emit()
