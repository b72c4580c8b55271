"""The right panel: the decoded image, the nearest real ones, and the knobs of z and pose."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QImage, QResizeEvent
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from tvae_core.colours import IMAGE_MAPS
from tvae_core.words import count
from tvae_gui.theme import GRID, set_role
from tvae_gui.widgets.controls import AngleDial, ValueSlider, muted, panel, title, tool_button
from tvae_gui.widgets.histogram import RangeHistogram
from tvae_gui.widgets.image_panel import ImagePanel, PictureRow, scale_bar_of
from tvae_gui.words import OVERLAY

Array = NDArray[Any]
MOST_SLIDERS = 64
_BELOW_PX = 200  # nearest images, and the sliders of two dimensions
_GRIDS = (("1× pixels", 1), ("2× pixels", 2), ("4× pixels", 4))


class ProbePanel(QFrame):
    """The decoded image with all that belongs to it.

    Signals: z_moved(dimension, value), angle_turned(angle_rad), shift_moved(x_px, y_px),
    pose_reset(), image_picked(number), grid_chosen(times), map_chosen(name),
    contrast_chosen(low, high), contrast_reset(), overlay_toggled(bool), smooth_toggled(bool),
    copy_wanted(), save_wanted().
    """

    z_moved = pyqtSignal(int, float)
    angle_turned = pyqtSignal(float)
    shift_moved = pyqtSignal(float, float)
    pose_reset = pyqtSignal()
    image_picked = pyqtSignal(int)
    grid_chosen = pyqtSignal(int)
    map_chosen = pyqtSignal(str)
    contrast_chosen = pyqtSignal(float, float)
    contrast_reset = pyqtSignal()
    overlay_toggled = pyqtSignal(bool)
    smooth_toggled = pyqtSignal(bool)
    copy_wanted = pyqtSignal()
    save_wanted = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setMinimumWidth(264)
        self.image = ImagePanel()
        self.image.double_clicked.connect(self.pose_reset)
        self.nearest = PictureRow(54)
        self.nearest.clicked.connect(self.image_picked)
        self._near = QLabel()
        self._how = muted()
        self._how.setWordWrap(True)
        self._z: list[ValueSlider] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addWidget(self.image)
        column.addLayout(self._support_row())
        column.addWidget(self.nearest)
        column.addWidget(self._knobs(), 1)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Leave the knobs room for the first dimensions of z beside the image."""
        super().resizeEvent(event)
        self.image.set_most(self.height() - _BELOW_PX)

    # --- parts -------------------------------------------------------------------------------
    def _support_row(self) -> QHBoxLayout:
        made = QHBoxLayout()
        made.addWidget(title("Nearest images"))
        made.addStretch(1)
        set_role(self._near, "small")
        made.addWidget(self._near)
        return made

    def _knobs(self) -> QScrollArea:
        frame, column = panel(margins=0)
        column.addWidget(title("Content"))
        self._z_column = QVBoxLayout()
        self._z_column.setSpacing(4)
        column.addLayout(self._z_column)
        column.addWidget(self._how)
        column.addWidget(title("Pose"))
        column.addLayout(self._pose_row())
        column.addLayout(self._display_head())
        column.addLayout(self._display_row())
        self.contrast = RangeHistogram()
        self.contrast.setAccessibleName("Contrast")
        self.contrast.setToolTip("Values shown as black and white; double-click to reset")
        self.contrast.range_changed.connect(self.contrast_chosen)
        self.contrast.range_cleared.connect(self.contrast_reset)
        column.addWidget(self.contrast)
        column.addLayout(self._switches())
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(frame)
        return scroll

    def _pose_row(self) -> QHBoxLayout:
        self.dial = AngleDial()
        self.dial.turned.connect(self.angle_turned)
        self.shift_x = ValueSlider("x", -10, 10, "px")
        self.shift_y = ValueSlider("y", -10, 10, "px")
        for slider in (self.shift_x, self.shift_y):
            slider.setToolTip("Shift applied to the decoded image; double-click for 0")
            slider.moved.connect(self._on_shift)
        sliders = QVBoxLayout()
        sliders.setSpacing(4)
        sliders.addWidget(self.shift_x)
        sliders.addWidget(self.shift_y)
        made = QHBoxLayout()
        made.setSpacing(GRID)
        made.addWidget(self.dial)
        made.addLayout(sliders, 1)
        return made

    def _display_row(self) -> QHBoxLayout:
        self._map, self._grid = QComboBox(), QComboBox()
        self._map.addItems(list(IMAGE_MAPS))
        self._map.setAccessibleName("Colour map of images")
        self._map.textActivated.connect(self.map_chosen)
        for words, times in _GRIDS:
            self._grid.addItem(words, times)
        self._grid.setAccessibleName("Pixels of the decoded image")
        self._grid.setToolTip(
            "The generator can draw on any grid. Beyond 1× it interpolates and adds no detail."
        )
        self._grid.activated.connect(lambda: self.grid_chosen.emit(self._grid.currentData()))
        made = QHBoxLayout()
        made.addWidget(self._map, 1)
        made.addWidget(self._grid, 1)
        return made

    def _switches(self) -> QHBoxLayout:
        self._overlay = QCheckBox("nearest over it")
        self._overlay.setToolTip(OVERLAY)
        self._overlay.toggled.connect(self.overlay_toggled)
        self._smooth = QCheckBox("smooth")
        self._smooth.setChecked(True)
        self._smooth.setToolTip("Interpolate between pixels when enlarging")
        self._smooth.toggled.connect(self.smooth_toggled)
        made = QHBoxLayout()
        made.addWidget(self._overlay)
        made.addWidget(self._smooth)
        made.addStretch(1)
        return made

    def _display_head(self) -> QHBoxLayout:
        made = QHBoxLayout()
        made.addWidget(title("Display"))
        made.addStretch(1)
        for words, tip, signal in (
            ("Copy", "Copy the image (Ctrl+C)", self.copy_wanted),
            ("PNG…", "Save the image and its numbers", self.save_wanted),
        ):
            button = tool_button(words)
            set_role(button, "quiet")
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, s=signal: s.emit())
            made.addWidget(button)
        return made

    # --- what is shown -----------------------------------------------------------------------
    def show_store(self, ranges: list[tuple[float, float]], side: int, has_raw: bool) -> None:
        """Make a slider for every dimension of z; `ranges` are their ends."""
        while self._z:
            slider = self._z.pop()
            self._z_column.removeWidget(slider)
            slider.deleteLater()
        for number, (low, high) in enumerate(ranges[:MOST_SLIDERS]):
            slider = ValueSlider(f"z{number + 1}", low, high)
            slider.moved.connect(lambda value, k=number: self.z_moved.emit(k, value))
            self._z_column.addWidget(slider)
            self._z.append(slider)
        for slider in (self.shift_x, self.shift_y):
            slider.set_bounds(-side / 4, side / 4)
        self._overlay.setEnabled(has_raw)
        self._overlay.setToolTip(OVERLAY if has_raw else "This run has no raw thumbnails")

    def show_options(self, grid: int, image_map: str, overlay: bool, smooth: bool) -> None:
        """Show how images are drawn, whoever chose it: the boxes, a key, or the last session."""
        self._grid.setCurrentIndex(self._grid.findData(grid))
        self._map.setCurrentIndex(self._map.findText(image_map))
        for tick, on in ((self._overlay, overlay), (self._smooth, smooth)):
            tick.blockSignals(True)
            tick.setChecked(on)
            tick.blockSignals(False)

    def show_numbers(self, z: Array, angle_rad: float, shift_px: tuple[float, float]) -> None:
        """Show z and pose."""
        for slider, value in zip(self._z, np.asarray(z), strict=False):
            slider.set_value(float(value))
        self.dial.set_angle(angle_rad)
        self.shift_x.set_value(shift_px[0])
        self.shift_y.set_value(shift_px[1])

    def show_support(self, near: int, how: str, estimated: bool = False) -> None:
        """Say how many real images are near, and how the plane leads to z."""
        about = "about " if estimated else ""
        self._near.setText(f"{about}{count(near, 'image')} nearby" if near else "no images nearby")
        self._how.setText(how)
        self._how.setVisible(how.startswith("estimate"))

    @property
    def near_text(self) -> str:
        """How many images are near, in words."""
        return self._near.text()

    def show_nearest(self, numbers: Array, images: list[QImage], fade: float) -> None:
        """Show the nearest real images, upright."""
        self.nearest.set_pictures(numbers, images, "no thumbnails in this run")
        self.nearest.set_fade(0.35 + 0.65 * fade)

    def show_contrast(self, values: Array, bounds: tuple[float, float] | None) -> None:
        """Show the histogram of image values and what is black and white."""
        self.contrast.set_values(values, "")
        self.contrast.set_range(bounds)

    def _on_shift(self, _: float) -> None:
        self.shift_moved.emit(self.shift_x.value, self.shift_y.value)


def scale_bar(side: int, pixel_size_angstrom: float | None) -> tuple[float, str]:
    """Return the share of the image's width and the words of a good scale bar; 0 for none."""
    if not pixel_size_angstrom:
        return 0.0, ""
    length, words = scale_bar_of(side / 4, pixel_size_angstrom)
    return length / side, words
