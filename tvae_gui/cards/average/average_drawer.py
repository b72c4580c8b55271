"""Class averages: of which images, how, what came of it, and where to save it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QIcon, QImage, QPixmap
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHeaderView,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from tvae_core.words import count
from tvae_gui.cards.average.frc_chart import FrcChart
from tvae_gui.theme import set_role
from tvae_gui.widgets.controls import muted, row, tool_button
from tvae_gui.widgets.drawer import Drawer
from tvae_gui.words import (
    CHOOSE_OUTPUT,
    FILE_EXISTS,
    NO_IMAGES,
    ORIGINAL_LOCATION,
    OUTPUT_FILE,
    REPLACE,
)

_PICTURE = 56
_MEAN, _DEVIATION, _NAME, _SIZE, _RESOLUTION = range(5)
_REALIGN = (
    "The model may choose a different zero of angle and position for each content. This drift is "
    "measured on decoded images and removed before averaging."
)
CORRECTIONS = (
    ("not corrected", "none"),
    ("phases flipped", "flip"),
    ("weighted", "wiener"),
)


@dataclass(frozen=True)
class AverageChoice:
    """What the drawer asks for. `source` is the data of the entry chosen."""

    source: Any
    correction: str
    model_size: bool
    realign: bool
    images_at: str


@dataclass(frozen=True)
class AverageRow:
    """One class as it is shown: pictures, name, number of images, resolution in words."""

    mean: QImage
    deviation: QImage
    name: str
    images: int
    resolution: str


class AverageDrawer(Drawer):
    """The card of class averages.

    Signals: average_wanted(AverageChoice), cancel_wanted(), save_wanted(Path, overwrite),
    rows_picked(numbers).
    """

    average_wanted = pyqtSignal(object)
    cancel_wanted = pyqtSignal()
    save_wanted = pyqtSignal(object, bool)
    rows_picked = pyqtSignal(list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Class averages", parent)
        self._running = False
        self._form()
        self.button = QPushButton("Average")
        set_role(self.button, "primary")
        self.button.clicked.connect(self._on_button)
        self._progress = QProgressBar()
        self._progress.setRange(0, 1000)
        self._progress.hide()
        self._words = muted()
        self._words.setWordWrap(True)
        self.column.addWidget(self._words)
        self.table = self._build_table()
        self.column.addWidget(self.table, 100)  # before the room below the card
        self.chart = FrcChart()
        self.column.addWidget(self.chart)
        self._saving()
        self.show_rows([])

    def _form(self) -> None:
        form = self._rows = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(6)
        self.source, self.correction, self._size = QComboBox(), QComboBox(), QComboBox()
        for words, key in CORRECTIONS:
            self.correction.addItem(words, key)
        self.correction.setToolTip(
            "Flipping and weighting need the CTF values of a .star or .cs table"
        )
        self._size.addItem("original size", False)
        self._size.addItem("model's size", True)
        self._size.setToolTip("As in their files, or as the model sees them")
        self.realign = QCheckBox("correct the drift of the zero pose")
        self.realign.setToolTip(_REALIGN)
        self.images_at = QLineEdit()
        self.images_at.setAccessibleName("Where the original images are now")
        self.images_at.setPlaceholderText(ORIGINAL_LOCATION)
        self.images_at.setToolTip("Only if the original images have moved: their new location")
        for name, box in (("Of", self.source), ("CTF", self.correction), ("Size", self._size)):
            box.setAccessibleName(name)
            box.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
        form.addRow(muted("Of"), self.source)
        form.addRow(muted("CTF"), row(self.correction, self._size, spacing=4))
        form.addRow(muted("Source"), self.images_at)
        form.addRow(muted(""), self.realign)
        self.column.addLayout(form)
        self.source.currentIndexChanged.connect(self._grey)

    def _build_table(self) -> QTableWidget:
        table = QTableWidget(0, 5)
        table.setHorizontalHeaderLabels(["mean", "deviation", "name", "images", "FRC"])
        if (item := table.horizontalHeaderItem(_RESOLUTION)) is not None:
            item.setToolTip("Resolution at which two random halves still agree (FRC 0.143)")
        table.setAccessibleName("Averages")
        table.setShowGrid(False)
        table.setWordWrap(False)
        table.setIconSize(QSize(_PICTURE, _PICTURE))
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        head, side = table.horizontalHeader(), table.verticalHeader()
        assert head is not None
        assert side is not None
        side.hide()
        side.setDefaultSectionSize(_PICTURE + 6)
        head.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        widths = {_MEAN: _PICTURE + 8, _DEVIATION: _PICTURE + 8, _SIZE: 52, _RESOLUTION: 56}
        for column, width in widths.items():
            table.setColumnWidth(column, width)
        table.itemSelectionChanged.connect(lambda: self.rows_picked.emit(self.picked()))
        return table

    def _saving(self) -> None:
        self.target = QLineEdit()
        self.target.setAccessibleName(OUTPUT_FILE)
        self.target.textChanged.connect(self._grey)
        self._browse = tool_button("…")
        self._browse.setToolTip(CHOOSE_OUTPUT)
        self._browse.clicked.connect(self._on_browse)
        self.overwrite = QCheckBox(REPLACE)
        self.overwrite.toggled.connect(self._grey)
        self.save = QPushButton("Save .mrcs + .star")
        self.save.clicked.connect(
            lambda: self.save_wanted.emit(self._target(), self.overwrite.isChecked())
        )
        self.foot.addWidget(self._progress)
        self.foot.addLayout(row(self.target, self._browse, spacing=4))
        self.foot.addWidget(self.overwrite)
        self.foot.addLayout(row(self.button, self.save, spacing=4))

    # --- what is shown -----------------------------------------------------------------------
    def show_sources(self, entries: list[tuple[str, Any, int]], chosen: int = 0) -> None:
        """List what can be averaged: words, data, number of images."""
        self.source.clear()
        for words, data, images in entries:
            self.source.addItem(f"{words} ({count(images)})", (data, images))
        self.source.setCurrentIndex(min(chosen, len(entries) - 1))
        self._grey()

    def show_source_row(self, visible: bool) -> None:
        """Ask where the original images are, or not."""
        self._rows.setRowVisible(self.images_at, visible)

    def show_target(self, path: Path) -> None:
        """Write to `path` unless the user says otherwise."""
        self.target.setText(str(path))

    def show_correction(self, key: str) -> None:
        """Choose what is done with the CTF."""
        self.correction.setCurrentIndex([k for _, k in CORRECTIONS].index(key))

    def show_progress(self, share: float, words: str = "") -> None:
        """Show how far the work is."""
        self._progress.setValue(round(1000 * share))
        if words:
            self._words.setText(words)

    def show_running(self, running: bool, words: str = "") -> None:
        """Show that the work goes on, or how it ended."""
        self._running = running
        self._progress.setValue(0)
        self._progress.setVisible(running)
        self._words.setText(words)
        self._words.setVisible(bool(words) or running)
        self._grey()
        self.place()

    @property
    def is_running(self) -> bool:
        """Whether the card shows that a job runs."""
        return self._running

    def show_command(self, command: str) -> None:
        """Tell the command that does the same, as the tip of the button."""
        self.save.setStatusTip(command)
        if command:
            self.save.setToolTip(f"Write and verify the files. The same as a command: {command}")

    def show_rows(self, rows: list[AverageRow]) -> None:
        """List averages."""
        self.table.setRowCount(len(rows))
        for number, shown in enumerate(rows):
            self._fill(number, shown)
        visible = bool(rows)
        for widget in (self.table, self.chart, self.target, self._browse):
            widget.setVisible(visible)
        self.overwrite.setVisible(visible)
        self.save.setVisible(visible)
        tall = _PICTURE + 6
        self.table.setMinimumHeight(tall + 30)  # on a low screen it shrinks, not the form
        self.table.setMaximumHeight(len(rows) * tall + 32)  # as many as there is room for
        self._grey()
        self.place()

    def _fill(self, number: int, shown: AverageRow) -> None:
        made = [QTableWidgetItem() for _ in range(5)]
        for column, image in ((_MEAN, shown.mean), (_DEVIATION, shown.deviation)):
            side = QSize(_PICTURE, _PICTURE)
            smooth = image.scaled(
                side,
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
            made[column].setIcon(QIcon(QPixmap.fromImage(smooth)))
        made[_NAME].setText(shown.name)
        made[_NAME].setToolTip(shown.name)
        made[_SIZE].setText(count(shown.images))
        made[_RESOLUTION].setText(shown.resolution)
        for column in (_SIZE, _RESOLUTION):
            made[column].setTextAlignment(
                Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            )
        for column, item in enumerate(made):
            self.table.setItem(number, column, item)

    @property
    def words(self) -> str:
        """How the work stands or ended."""
        return self._words.text()

    @property
    def choice(self) -> AverageChoice | None:
        """What is asked for; None when there is nothing."""
        if self.source.currentData() is None:
            return None
        return AverageChoice(
            source=self.source.currentData()[0],
            correction=str(self.correction.currentData()),
            model_size=bool(self._size.currentData()),
            realign=self.realign.isChecked(),
            images_at=self.images_at.text().strip(),
        )

    def picked(self) -> list[int]:
        """Return the rows that are picked."""
        return sorted({index.row() for index in self.table.selectedIndexes()})

    def _target(self) -> Path:
        return Path(self.target.text()).expanduser()

    def _grey(self) -> None:
        if not hasattr(self, "save"):
            return  # still being built
        if self._running:
            self.button.setText("Stop")
            self.button.setEnabled(True)
            self.button.setToolTip("Stop averaging")
        else:
            data = self.source.currentData()
            images = data[1] if data is not None else 0
            self.button.setText(f"Average {count(images, 'image')}")
            self.button.setEnabled(images > 0)
            self.button.setToolTip("" if images else NO_IMAGES)
        reason = self._why_not_save()
        self.save.setEnabled(not reason)
        if reason:
            self.save.setToolTip(reason)

    def _why_not_save(self) -> str:
        if self._running:
            return "Wait until averaging has finished"
        target = self._target()
        if target.suffix.lower() != ".mrcs":
            return "The file name must end in .mrcs"
        there = [p for p in (target, target.with_suffix(".star")) if p.exists()]
        if there and not self.overwrite.isChecked():
            return FILE_EXISTS
        return ""

    # --- hands -------------------------------------------------------------------------------
    def _on_button(self) -> None:
        if self._running:
            self.cancel_wanted.emit()
        elif self.choice is not None:
            self.average_wanted.emit(self.choice)

    def _on_browse(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Write to", self.target.text(), options=QFileDialog.Option.DontConfirmOverwrite
        )
        if name:
            self.target.setText(str(Path(name).with_suffix(".mrcs")))
