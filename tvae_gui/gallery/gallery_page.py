"""The page of the gallery: what is listed, in which order and how, the grid, and how far one is."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QPushButton,
    QSlider,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from tvae_core.words import count
from tvae_gui.gallery.class_grid import ClassGrid
from tvae_gui.gallery.image_grid import ImageGrid
from tvae_gui.state.class_state import GROUPINGS
from tvae_gui.state.gallery_state import LARGEST_PX, PICTURES, SMALLEST_PX, Subject
from tvae_gui.theme import GRID, set_role
from tvae_gui.widgets.controls import ElidedLabel, tool_button


class GalleryPage(QWidget):
    """A header, the grid and a foot.

    Signals: subject_chosen(Subject), sort_chosen(key, descending), picture_chosen(name),
    size_chosen(pixels), mark_wanted(mark or ""), select_wanted(), halves_wanted(),
    classes_wanted(on), grouping_chosen(name).
    """

    subject_chosen = pyqtSignal(object)
    sort_chosen = pyqtSignal(str, bool)
    picture_chosen = pyqtSignal(str)
    size_chosen = pyqtSignal(int)
    mark_wanted = pyqtSignal(str)
    select_wanted = pyqtSignal()
    halves_wanted = pyqtSignal()
    classes_wanted = pyqtSignal(bool)
    grouping_chosen = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Gallery")
        self.grid = ImageGrid()
        self.classes = ClassGrid()
        self.pages = QStackedWidget()
        self.pages.addWidget(self.grid)
        self.pages.addWidget(self.classes)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(GRID)
        whole.addLayout(self._head())
        whole.addWidget(self.pages, 1)
        whole.addLayout(self._foot())
        self.show_classes(False)

    def _head(self) -> QHBoxLayout:
        self.subject_box = _combo("Images listed", 12)
        self.subject_box.activated.connect(
            lambda: self.subject_chosen.emit(self.subject_box.currentData())
        )
        self.grouping_box = _combo("Classes shown", 8)
        self.grouping_box.addItems(GROUPINGS)
        self.grouping_box.textActivated.connect(self.grouping_chosen)
        self.view = QToolButton()
        self.view.setCheckable(True)
        self.view.setText("Classes")
        self.view.setAccessibleName("Classes as cards")
        self.view.setToolTip("One card for each cluster or set, or images (C)")
        self.view.clicked.connect(self.classes_wanted)
        self.sort_box = _combo("Sort by", 10)
        self.sort_box.activated.connect(self._on_sort)
        self.direction = QToolButton()
        self.direction.setCheckable(True)
        self.direction.setText("↑")
        self.direction.setAccessibleName("Largest first")
        self.direction.setToolTip("Smallest first; click for largest first")
        self.direction.clicked.connect(self._on_sort)
        self.picture_box = _combo("Picture of each image", 6)
        self.picture_box.addItems(PICTURES)
        self.picture_box.textActivated.connect(self.picture_chosen)
        self.size_slider = QSlider(Qt.Orientation.Horizontal)
        self.size_slider.setRange(SMALLEST_PX, LARGEST_PX)
        self.size_slider.setFixedWidth(72)
        self.size_slider.setAccessibleName("Size of the images")
        self.size_slider.setToolTip("Size of the images (+ and −, Ctrl+wheel)")
        self.size_slider.valueChanged.connect(self.size_chosen)
        line = QHBoxLayout()
        line.setSpacing(GRID)
        line.addWidget(self.view)
        line.addWidget(self.subject_box, 1)
        line.addWidget(self.grouping_box, 1)
        for widget in (self.sort_box, self.direction, self.picture_box):
            line.addWidget(widget)
        line.addWidget(self.size_slider)
        return line

    def _foot(self) -> QVBoxLayout:
        """Return how far the pass is, on a line of its own, over the buttons."""
        self.words = ElidedLabel()
        set_role(self.words, "small")
        foot, line = QVBoxLayout(), QHBoxLayout()
        foot.setSpacing(4)
        foot.addWidget(self.words)
        foot.addLayout(line)
        line.setSpacing(4)
        for name, mark, tip in (
            ("Keep  K", "kept", "Keep the chosen images, or the current one"),
            ("Reject  X", "rejected", "Reject the chosen images, or the current one"),
            ("Take back  U", "", "Take the marks of the chosen images back, or the last mark"),
        ):
            button = tool_button(name)
            button.setToolTip(tip)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the keyboard stays with the images
            button.clicked.connect(lambda _=False, m=mark: self.mark_wanted.emit(m))
            line.addWidget(button)
        self.select = tool_button("Select")
        self.select.setToolTip("Make the chosen images the selection of the plane")
        self.select.clicked.connect(lambda: self.select_wanted.emit())
        self.halves = QPushButton("Export kept and rejected…")
        self.halves.clicked.connect(lambda: self.halves_wanted.emit())
        line.addWidget(self.select)
        line.addStretch(1)
        line.addWidget(self.halves)
        return foot

    # --- what is shown -------------------------------------------------------------------------
    def show_classes(self, on: bool) -> None:
        """Show the cards of classes, or images."""
        self.pages.setCurrentWidget(self.classes if on else self.grid)
        self.view.setChecked(on)
        self.grouping_box.setVisible(on)
        for widget in (self.subject_box, self.sort_box, self.direction, self.picture_box,
                       self.size_slider, self.select):  # fmt: skip
            widget.setVisible(not on)

    def show_grouping(self, name: str) -> None:
        """Show whether the cards are clusters or sets."""
        self.grouping_box.setCurrentText(name)

    def show_subjects(self, subjects: Sequence[tuple[str, Subject, int]], chosen: Subject) -> None:
        """List what can be listed, with the number of images of each."""
        self.subject_box.blockSignals(True)
        self.subject_box.clear()
        for number, (words, subject, images) in enumerate(subjects):
            self.subject_box.addItem(f"{words} ({count(images)})", subject)
            if subject == chosen:
                self.subject_box.setCurrentIndex(number)
        self.subject_box.blockSignals(False)

    def show_sorts(self, sorts: Sequence[tuple[str, str]], chosen: str, descending: bool) -> None:
        """List what can be sorted by: words and key."""
        self.sort_box.blockSignals(True)
        self.sort_box.clear()
        for words, key in sorts:
            self.sort_box.addItem(words, key)
        self.sort_box.setCurrentIndex(max(0, self.sort_box.findData(chosen)))
        self.sort_box.blockSignals(False)
        self.direction.setChecked(descending)
        self.direction.setText("↓" if descending else "↑")
        tip = "Largest first; click for smallest first"
        self.direction.setToolTip(tip if descending else "Smallest first; click for largest first")

    def show_looks(self, picture: str, tile_px: int) -> None:
        """Show which picture of each image is drawn, and how large."""
        self.picture_box.setCurrentText(picture)
        self.size_slider.blockSignals(True)
        self.size_slider.setValue(tile_px)
        self.size_slider.blockSignals(False)
        self.grid.set_tile_px(tile_px)

    def show_words(self, words: str, why_no_halves: str) -> None:
        """Say how far the pass is, and whether the halves can be exported."""
        self.words.setText(words)
        self.words.setToolTip(words)
        self.halves.setEnabled(not why_no_halves)
        self.halves.setToolTip(
            why_no_halves or "Write the kept and the rejected particles as two tables"
        )

    def _on_sort(self) -> None:
        self.sort_chosen.emit(self.sort_box.currentData(), self.direction.isChecked())


def _combo(name: str, letters: int) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(name)
    box.setToolTip(name)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(letters)
    box.setMaxVisibleItems(24)
    box.setMinimumWidth(88)  # beside a card on a screen of 1280 pixels
    return box
