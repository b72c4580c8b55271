"""The New run window: images, settings, estimates, command, Start."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PyQt6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from tvae_core.presets import presets
from tvae_gui.state.config_form import RECOMMENDED
from tvae_gui.state.new_run import NewRunState
from tvae_gui.training.config_form import ConfigForm
from tvae_gui.training.image_look import ImageLookView
from tvae_gui.training.preflight_panel import PreflightPanel
from tvae_gui.widgets import ink
from tvae_gui.widgets.controls import grown
from tvae_gui.widgets.file_filters import image_filters


class TrainDialog(QDialog):
    """Makes a new run; not modal, so the plane beside it stays in use.

    Signals
    -------
    run_requested(Path, RunConfig)
        Start was pressed: make this folder and train this config in it.
    """

    run_requested = pyqtSignal(object, object)

    def __init__(self, state: NewRunState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self.setWindowTitle("New run")
        self.setAcceptDrops(True)
        self.setModal(False)
        self._make_widgets()
        self._lay_out()
        self._connect()
        self._on_look_changed()
        self._on_checked()
        self.resize(grown(1180, 740, parent))

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Accept files."""
        data = event.mimeData() if event is not None else None
        if event is not None and data is not None and data.hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Take the first file that was dropped."""
        data = event.mimeData() if event is not None else None
        paths = [url.toLocalFile() for url in data.urls()] if data is not None else []
        if paths and paths[0]:
            self.state.choose_images(paths[0])

    def done(self, result: int) -> None:
        """Let go of the state; every way of closing comes through here."""
        self._disconnect()
        super().done(result)

    def _make_widgets(self) -> None:
        self.path = QLineEdit()
        self.path.setPlaceholderText("Stack, table or folder")
        self.path.setAccessibleName("Images")
        self.path.setToolTip("A file of images, a particle table, or a folder of pictures")
        self.choose = QPushButton("Choose…")
        self.look = ImageLookView()
        self.preset = QComboBox()
        fill_presets(self.preset)
        self.preset.setToolTip("Starting values; choosing others resets the form")
        self.preset.setAccessibleName("Starting values")
        self.about = ink.QuietLabel()
        self.reset = QPushButton("Reset all")
        self.form = ConfigForm(self.state.form)
        self.preflight = PreflightPanel()
        self.name, self.folder = QLineEdit(), QLineEdit(str(self.state.folder))
        self.folder.setReadOnly(True)
        self.choose_folder = QPushButton("Choose…")
        self.command = QLineEdit()
        self.command.setReadOnly(True)
        self.command.setAccessibleName("Command")
        self.command.setToolTip("Runs the same training from a shell")
        self.copy = QPushButton("Copy")
        self.reason = ink.QuietLabel()
        self.cancel, self.start = QPushButton("Close"), QPushButton("Start training")
        self.start.setDefault(True)
        self.start.setProperty("role", "primary")
        for button in (self.choose, self.reset, self.choose_folder, self.copy, self.cancel):
            button.setAutoDefault(False)

    def _lay_out(self) -> None:
        columns = QHBoxLayout()
        columns.setSpacing(32)
        columns.addLayout(self._images_column(), 9)
        columns.addLayout(self._settings_column(), 11)
        columns.addWidget(self._preflight_column(), 8)
        page = QVBoxLayout(self)
        page.setContentsMargins(24, 24, 24, 24)
        page.setSpacing(16)
        page.addLayout(columns, 1)
        page.addLayout(self._foot())

    def _images_column(self) -> QVBoxLayout:
        line = QHBoxLayout()
        line.setSpacing(8)
        line.addWidget(self.path, 1)
        line.addWidget(self.choose)
        column = QVBoxLayout()
        column.setSpacing(8)
        column.addWidget(ink.title("Images"))
        column.addLayout(line)
        column.addSpacing(8)
        column.addWidget(self.look, 1)
        return column

    def _settings_column(self) -> QVBoxLayout:
        line = QHBoxLayout()
        line.setSpacing(8)
        line.addWidget(QLabel("Start from"))
        line.addWidget(self.preset, 1)
        line.addWidget(self.reset)
        column = QVBoxLayout()
        column.setSpacing(8)
        column.addWidget(ink.title("Settings"))
        column.addLayout(line)
        column.addWidget(self.about)
        column.addWidget(self.form, 1)
        return column

    def _preflight_column(self) -> QScrollArea:
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self.preflight)
        return area

    def _foot(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(8)
        grid.addWidget(QLabel("Run name"), 0, 0)
        grid.addWidget(self.name, 0, 1)
        grid.addWidget(QLabel("in"), 0, 2)
        grid.addWidget(self.folder, 0, 3)
        grid.addWidget(self.choose_folder, 0, 4)
        grid.addWidget(QLabel("Command"), 1, 0)
        grid.addWidget(self.command, 1, 1, 1, 3)
        grid.addWidget(self.copy, 1, 4)
        grid.addLayout(self._buttons(), 2, 0, 1, 5)
        grid.setColumnStretch(1, 2)
        grid.setColumnStretch(3, 5)
        return grid

    def _buttons(self) -> QHBoxLayout:
        line = QHBoxLayout()
        line.setSpacing(8)
        self.reason.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        line.addWidget(self.reason, 1)
        line.addWidget(self.cancel)
        line.addWidget(self.start)
        return line

    def _connect(self) -> None:
        self.path.editingFinished.connect(self._on_path_edited)
        self.choose.clicked.connect(self._on_choose_clicked)
        self.preset.activated.connect(self._on_preset_chosen)
        self.reset.clicked.connect(self.state.form.reset_all)
        self.preflight.mend_requested.connect(self.state.mend)
        self.name.textEdited.connect(self.state.rename)
        self.choose_folder.clicked.connect(self._on_choose_folder_clicked)
        self.copy.clicked.connect(self._on_copy_clicked)
        self.cancel.clicked.connect(self.close)
        self.start.clicked.connect(self._on_start_clicked)
        self.look.outside_allowed.connect(self._on_outside_allowed)
        self.state.look_changed.connect(self._on_look_changed)
        self.state.checked.connect(self._on_checked)

    def _disconnect(self) -> None:
        self.form.let_go()
        self.state.look_changed.disconnect(self._on_look_changed, missing_ok=True)
        self.state.checked.disconnect(self._on_checked, missing_ok=True)

    def _on_outside_allowed(self) -> None:
        self.state.allow_outside()

    def _on_look_changed(self) -> None:
        state = self.state
        self.path.setText(state.form.data_path)
        if state.look is not None:
            self.look.show_look(state.look)
        elif state.look_error is not None:
            self.look.show_error(state.look_error)
        elif state.is_looking:
            self.look.show_waiting()
        else:
            self.look.show_nothing()

    def _on_checked(self) -> None:
        state = self.state
        self.preflight.show_preflight(state.preflight)
        for edit, text in ((self.name, state.name), (self.folder, str(state.folder))):
            if edit.text().strip() != text:
                edit.setText(text)
        self.command.setText(state.command)
        self.command.setCursorPosition(0)
        self.preset.setCurrentIndex(self.preset.findData(state.form.preset))
        self.about.setText(state.about)
        changed = len(state.form.changed_keys())
        ink.explain(
            self.reset,
            f"Reset all settings to {self.preset.currentText()}",
            "" if changed or state.form.problems() else "All settings are the starting values.",
        )
        ink.explain(self.start, "Start the run as a separate process", state.why_not)
        self.reason.setText(state.why_not)

    def _on_preset_chosen(self, index: int) -> None:
        self.state.form.choose_preset(str(self.preset.itemData(index)))

    def _on_path_edited(self) -> None:
        if self.path.text().strip() != self.state.form.data_path:
            self.state.choose_images(self.path.text().strip())

    def _on_choose_clicked(self) -> None:
        menu = QMenu(self)
        menu.addAction("A stack or table…", self._choose_file)
        menu.addAction("A folder of images…", self._choose_images_folder)
        menu.exec(self.choose.mapToGlobal(self.choose.rect().bottomLeft()))

    def _choose_file(self) -> None:
        start = self.state.form.data_path
        path, _ = QFileDialog.getOpenFileName(self, "Choose images", start, image_filters())
        if path:
            self.state.choose_images(path)

    def _choose_images_folder(self) -> None:
        start = self.state.form.data_path
        if path := QFileDialog.getExistingDirectory(self, "Choose a folder of images", start):
            self.state.choose_images(path)

    def _on_choose_folder_clicked(self) -> None:
        start = str(self.state.folder)
        if path := QFileDialog.getExistingDirectory(self, "Where runs are kept", start):
            self.state.move(Path(path))

    def _on_copy_clicked(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.state.command)
            self.copy.setText("Copied")

    def _on_start_clicked(self) -> None:
        if not self.state.why_not:
            self.run_requested.emit(self.state.run, self.state.form.config())
            self.close()


def fill_presets(box: QComboBox) -> None:
    """Offer the recommendation, then the presets in their groups, each with what it is for."""
    box.addItem("Recommended for these images", RECOMMENDED)
    box.setItemData(0, "Chosen from a look at the images", Qt.ItemDataRole.ToolTipRole)
    for group, members in groupby(presets(), key=lambda preset: preset.group):
        box.insertSeparator(box.count())
        box.addItem(group[:1].upper() + group[1:])
        head = box.model().item(box.count() - 1)  # type: ignore[union-attr]
        head.setEnabled(False)
        for preset in members:
            box.addItem(preset.name, preset.name)
            box.setItemData(box.count() - 1, preset.about, Qt.ItemDataRole.ToolTipRole)
