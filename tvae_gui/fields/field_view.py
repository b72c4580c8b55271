"""The card of a field of many objects; the field itself is shown large beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from PyQt6.QtCore import QSignalBlocker, pyqtSignal
from PyQt6.QtWidgets import QComboBox, QProgressBar, QPushButton, QSpinBox, QWidget

from tvae_gui.state.field_state import LOOKS
from tvae_gui.state.scatter_frame import Legend
from tvae_gui.theme import set_role
from tvae_gui.widgets.controls import ValueSlider, muted, row, title
from tvae_gui.widgets.drawer import Drawer
from tvae_gui.widgets.histogram import RangeHistogram
from tvae_gui.widgets.legend import LegendView

Array = NDArray[Any]
ONE_COLOUR = "one colour"
HANDS = (
    "Click a pick to see it on the plane. Drag it to move it, Shift and click to add one, Delete "
    "to take it away. The wheel zooms, dragging beside the picks moves the image."
)


class FieldDrawer(Drawer):
    """The card of fields.

    Signals: open_wanted(), cancel_wanted(), threshold_moved(confidence), image_chosen(number),
    look_chosen(words), contrast_chosen(low, high), contrast_reset(), colour_chosen(key or ""),
    save_wanted().
    """

    open_wanted = pyqtSignal()
    cancel_wanted = pyqtSignal()
    threshold_moved = pyqtSignal(float)
    image_chosen = pyqtSignal(int)
    look_chosen = pyqtSignal(str)
    contrast_chosen = pyqtSignal(float, float)
    contrast_reset = pyqtSignal()
    colour_chosen = pyqtSignal(str)
    save_wanted = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Objects in an image", parent)
        self._running = False
        self.button = QPushButton("Open an image…")
        set_role(self.button, "primary")
        self.button.clicked.connect(self._on_button)
        self._progress = QProgressBar()
        self._progress.setRange(0, 1000)
        self._words = muted()
        self._words.setWordWrap(True)
        self._make_image_part()
        self._make_picks_part()
        hands = muted(HANDS)
        hands.setWordWrap(True)
        self.save = QPushButton("Save the picks…")
        self.save.clicked.connect(self.save_wanted)
        self._of_field: tuple[QWidget, ...] = (
            *self._image_part, *self._picks_part, hands, self.save,
        )  # fmt: skip
        for widget in (self._words, self.image, *self._image_part, *self._picks_part, hands):
            self.column.addWidget(widget)
        self.foot.addWidget(self._progress)
        self.foot.addLayout(row(self.button, self.save, spacing=4))
        self.show_running(False)
        self.show_fields(0, 0.5)

    def _make_image_part(self) -> None:
        self.image = QSpinBox()
        self.image.setAccessibleName("Number of the image in the file")
        self.image.setPrefix("image ")
        self.image.valueChanged.connect(lambda number: self.image_chosen.emit(number - 1))
        self.look = QComboBox()
        self.look.setAccessibleName("What is shown of the field")
        self.look.addItems(LOOKS)
        self.look.textActivated.connect(self.look_chosen)
        self.contrast = RangeHistogram()
        self.contrast.setAccessibleName("Contrast of the field")
        self.contrast.setToolTip("Drag to set black and white; double-click to fit the image")
        self.contrast.range_changed.connect(self.contrast_chosen)
        self.contrast.range_cleared.connect(self.contrast_reset)
        self._image_part = (title("Image"), self.look, self.contrast)

    def _make_picks_part(self) -> None:
        self.threshold = ValueSlider("≥", 0.0, 1.0)
        self.threshold.setToolTip("Minimum confidence of the picks shown and saved")
        self.threshold.moved.connect(self.threshold_moved)
        self.colours = QComboBox()
        self.colours.setAccessibleName("Colour of the picks")
        self.colours.activated.connect(
            lambda number: self.colour_chosen.emit(self.colours.itemData(number))
        )
        self.legend = LegendView()
        self._picks_part = (title("Picks"), self.threshold, self.colours, self.legend)

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
        for part in self._of_field:
            part.setVisible(count > 0)
        self.image.setVisible(count > 1)
        with QSignalBlocker(self.image):
            self.image.setRange(1, max(1, count))
            self.image.setValue(1)
        self.threshold.set_value(threshold)
        self.legend.hide()
        self.place()

    def show_image(self, number: int, look: str) -> None:
        """Show which image it is, from 0, and what is shown of it."""
        with QSignalBlocker(self.image):
            self.image.setValue(number + 1)
        self.look.setCurrentText(look)

    def show_contrast(self, values: Array, bounds: tuple[float, float]) -> None:
        """Show the histogram of some values, and which are black and white."""
        self.contrast.set_values(values, "")
        self.contrast.set_range(bounds)

    def show_columns(self, columns: Sequence[tuple[str, str]], chosen: str) -> None:
        """List what picks can be coloured by: (title, key)."""
        self.colours.clear()
        for words, key in ((ONE_COLOUR, ""), *columns):
            self.colours.addItem(words, key)
        self.colours.setCurrentIndex(max(0, self.colours.findData(chosen)))

    def show_legend(self, legend: Legend | None) -> None:
        """Say what the colours mean; nothing where there is one."""
        if legend is not None:
            self.legend.show_legend(legend)
        self.legend.setVisible(legend is not None)

    def show_words(self, words: str) -> None:
        """Say what is shown."""
        self._words.setText(words)
        self._words.setVisible(bool(words))
        self.place()

    @property
    def words(self) -> str:
        """What is said."""
        return self._words.text()

    def _on_button(self) -> None:
        (self.cancel_wanted if self._running else self.open_wanted).emit()
