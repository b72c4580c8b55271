"""Exporting: which images, as what, where to; the equivalent command; progress and outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QStandardItemModel
from PyQt6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QWidget,
)

from tvae_core.export import registry
from tvae_core.words import count
from tvae_gui.state.export_choice import ExportChoice, file_stem
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

_MOVED = "Only if the original images or their table have moved: their new location"
_NOT_HERE = "Only for images and particles: choose one of those formats above"
_POSE = "Add angle, shift, cluster and confidence as columns; the values they replace are kept"
_ONLY_PARTICLES = "Only for particles: choose a particle table above"
_REST = "Also write the remaining rows to a second file"


class ExportDrawer(Drawer):
    """The export card.

    Signals: changed(ExportChoice), export_wanted(ExportChoice), cancel_wanted().
    """

    changed = pyqtSignal(object)
    export_wanted = pyqtSignal(object)
    cancel_wanted = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Export", parent)
        self._folder, self._run = Path.home(), ""
        self._is_named = False  # whether the user gave the file a name of its own
        self._running = False
        self._reasons: dict[str, str] = {}
        self._form()
        self._command = QPlainTextEdit()
        self._command.setReadOnly(True)
        self._command.setAccessibleName("Equivalent command")
        self._command.setFixedHeight(72)
        copy = tool_button("Copy")
        copy.setToolTip("Copy the command")
        set_role(copy, "quiet")
        copy.clicked.connect(self._on_copy)
        head = row(muted("equivalent command"))
        head.addStretch(1)
        head.addWidget(copy)
        self.column.addLayout(head)
        self.column.addWidget(self._command)
        self._progress = QProgressBar()
        self._progress.setRange(0, 1000)
        self._progress.hide()
        self.foot.addWidget(self._progress)
        self._outcome = muted()
        self._outcome.setWordWrap(True)
        self._outcome.hide()
        self.foot.addWidget(self._outcome)
        self.button = QPushButton("Export")
        set_role(self.button, "primary")
        self.button.clicked.connect(self._on_button)
        self.foot.addWidget(self.button)
        self._on_format()

    def _form(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(8)
        self.source, self.format = QComboBox(), QComboBox()
        self.source.setAccessibleName("Images")
        self.format.setAccessibleName("Format")
        for kind in registry.KINDS:
            self.format.addItem(kind.words, (kind.what, kind.ending))
        self._pose = QComboBox()
        self._pose.addItem("as recorded", False)
        self._pose.addItem("upright, inferred pose removed", True)
        self._size = QComboBox()
        self._size.addItem("original", False)
        self._size.addItem("as the model sees them", True)
        self._pose.setAccessibleName("Pose of the images")
        self._size.setAccessibleName("Size of the images")
        self.target = QLineEdit()
        self.target.setAccessibleName(OUTPUT_FILE)
        browse = tool_button("…")
        browse.setToolTip(CHOOSE_OUTPUT)
        browse.clicked.connect(self._on_browse)
        self.images_at = QLineEdit()
        self.images_at.setAccessibleName(ORIGINAL_LOCATION)
        self.images_at.setPlaceholderText(ORIGINAL_LOCATION)
        self.images_at.setToolTip(_MOVED)
        self.overwrite = QCheckBox(REPLACE)
        self.rest = QCheckBox("also write the others, as …-rest")
        self.with_pose = QCheckBox("add the inferred poses and clusters")
        for words, widget in (
            ("Images", self.source),
            ("Write", self.format),
            ("Pose", self._pose),
            ("Size", self._size),
        ):
            form.addRow(muted(words), widget)
        form.addRow(muted("To"), row(self.target, browse, spacing=4))
        form.addRow(muted("Source"), self.images_at)
        for tick in (self.with_pose, self.rest, self.overwrite):
            form.addRow(muted(""), tick)
        self.column.addLayout(form)
        self._listen()

    def _listen(self) -> None:
        for box in (self.source, self.format, self._pose, self._size):
            box.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            box.currentIndexChanged.connect(self._on_changed)
        self.source.currentIndexChanged.connect(self._on_source)
        self.format.currentIndexChanged.connect(self._on_format)
        self.target.textEdited.connect(self._on_named)
        self.images_at.textEdited.connect(self._on_changed)
        for tick in (self.overwrite, self.rest, self.with_pose):
            tick.toggled.connect(self._on_changed)

    # --- what is shown -----------------------------------------------------------------------
    def show_sources(self, entries: list[tuple[str, Any, int]], chosen: int = 0) -> None:
        """List what can be exported: words, data, number of images."""
        self.source.blockSignals(True)
        self.source.clear()
        for words, data, images in entries:
            stem = file_stem(words, data)
            self.source.addItem(f"{words} ({count(images)})", (data, images, stem))
        self.source.setCurrentIndex(min(chosen, len(entries) - 1))
        self.source.blockSignals(False)
        self._on_source()

    def show_particles(self, reasons: dict[str, str]) -> None:
        """Offer the particle tables; `reasons` says by suffix why one cannot be written."""
        model = self.format.model()
        assert isinstance(model, QStandardItemModel)
        self._reasons = reasons
        for number, kind in enumerate(registry.KINDS):
            item = model.item(number)
            if kind.what == "particles" and item is not None:
                reason = reasons.get(kind.ending, "")
                item.setEnabled(not reason)
                item.setToolTip(reason)
        if reasons.get(self.format.currentData()[1], ""):
            self.format.setCurrentIndex(0)

    def set_folder(self, folder: Path, run: str) -> None:
        """Write into `folder`, under a name of the run and of what is exported."""
        self._folder, self._run, self._is_named = folder, run, False
        self._outcome.setText("")
        self._outcome.hide()
        self._on_source()

    def show_command(self, command: str) -> None:
        """Show the equivalent command."""
        self._command.setPlainText(command)

    @property
    def command(self) -> str:
        """The command shown."""
        return str(self._command.toPlainText())

    def show_progress(self, share: float, words: str = "") -> None:
        """Show how far the export is."""
        self._progress.setValue(round(1000 * share))

    def show_running(self, running: bool, outcome: str = "") -> None:
        """Show that the export runs, or how it ended."""
        self._running = running
        self._progress.setValue(0)
        self._progress.setVisible(running)
        self._outcome.setText(outcome)
        self._outcome.setVisible(bool(outcome))
        self._on_changed()
        self.place()

    @property
    def outcome(self) -> str:
        """How the last export ended."""
        return self._outcome.text()

    @property
    def choice(self) -> ExportChoice | None:
        """What is asked for; None when there is nothing to export."""
        if self.source.currentData() is None:
            return None
        data, _, _ = self.source.currentData()
        return ExportChoice(
            source=data,
            what=self.format.currentData()[0],
            target=Path(self.target.text()).expanduser(),
            upright=bool(self._pose.currentData()),
            model_size=bool(self._size.currentData()),
            overwrite=self.overwrite.isChecked(),
            images_at=self.images_at.text().strip(),
            rest=self.rest.isChecked() and self.rest.isEnabled(),
            with_pose=self.with_pose.isChecked() and self.with_pose.isEnabled(),
        )

    # --- hands -------------------------------------------------------------------------------
    def _on_source(self) -> None:
        """Propose a name that says what is in the file, unless the user gave it one."""
        data = self.source.currentData()
        if data is not None and self._run and not self._is_named:
            name = f"{self._run}-{data[2]}{self.format.currentData()[1]}"
            self.target.setText(str(self._folder / name))
        self._on_rest_possible()

    def _on_named(self) -> None:
        self._is_named = True
        self._on_changed()

    def _on_rest_possible(self) -> None:
        """Offer to write the others where there are any."""
        data = self.source.currentData()
        particles = self.format.currentData()[0] == "particles"
        everything = data is not None and data[0][0] == "all"
        self.rest.setEnabled(particles and not everything)
        why = "All images are exported: there are no others" if everything else _ONLY_PARTICLES
        self.rest.setToolTip(_REST if self.rest.isEnabled() else why)
        self._on_changed()

    def _on_format(self) -> None:
        suffix = self.format.currentData()[1]
        path = Path(self.target.text())
        self.target.setText(str(path.with_suffix(suffix) if path.name else path))
        what = self.format.currentData()[0]
        images, particles = what == "images", what == "particles"
        only_images = "Only for images: choose an image format above"
        for widget, usable, tip, why in (
            (self._pose, images, "Upright, or as in the original files", only_images),
            (self._size, images, "At their original size, or at the model's", only_images),
            (self.images_at, images or particles, _MOVED, _NOT_HERE),
            (self.with_pose, particles, _POSE, _ONLY_PARTICLES),
        ):
            widget.setEnabled(usable)
            widget.setToolTip(tip if usable else why)
        self._on_rest_possible()

    def _on_changed(self) -> None:
        choice = self.choice
        if self._running:
            self.button.setText("Stop")
            self.button.setEnabled(True)
            self.button.setToolTip("Stop; no partial file is left")
            return
        if choice is None:
            return
        _, images, _ = self.source.currentData()
        noun = {"table": "row", "particles": "particle"}.get(choice.what, "image")
        words = "Draw the figure" if choice.what == "figure" else f"Export {count(images, noun)}"
        self.button.setText(words)
        reason = self._reasons.get(self.format.currentData()[1], "") or _why_not(choice, images)
        self.button.setEnabled(not reason)
        self.button.setToolTip(reason or "Write the file and verify it")
        self.changed.emit(choice)

    def _on_button(self) -> None:
        if self._running:
            self.cancel_wanted.emit()
        elif self.choice is not None:
            self.export_wanted.emit(self.choice)

    def _on_browse(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Write to", self.target.text(), options=QFileDialog.Option.DontConfirmOverwrite
        )
        if name:
            self.target.setText(name)
            self._on_named()

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.command)


def _why_not(choice: ExportChoice, images: int) -> str:
    if not images:
        return NO_IMAGES
    if not choice.target.name or (choice.target.is_dir() and choice.what != "images"):
        return "Choose where to write"
    if choice.target.exists() and not choice.overwrite:
        return FILE_EXISTS
    return ""
