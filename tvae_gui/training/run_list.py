"""The known runs, and those that are ticked side by side."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from PyQt6.QtCore import QPoint, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QKeySequence, QShortcut
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QMenu,
    QPushButton,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from tvae_core.runs.listing import RunSummary
from tvae_core.words import count, figure, setting
from tvae_gui.state.run_list import RunList
from tvae_gui.widgets import ink
from tvae_gui.widgets.curve_chart import Curve, CurveChart

_COLUMNS = ("", "Run", "State", "Learned", "Epochs", "Best ELBO", "Changed")
_LEARNED = {
    "all": "content and pose",
    "pose": "pose only",
    "content": "content only",
    "nothing": "nothing",
}
_REFRESH_MS = 3000
_PATH = Qt.ItemDataRole.UserRole


class RunListView(QWidget):
    """A table of runs; those with a dot are drawn over each other below, in the dot's colour.

    Signals
    -------
    run_opened(Path)
        A run was double-clicked, or Enter pressed on it.
    new_run_requested()
    copy_requested(Path)
        A new run with the settings of this one is wanted.
    """

    run_opened = pyqtSignal(object)
    new_run_requested = pyqtSignal()
    copy_requested = pyqtSignal(object)

    def __init__(self, state: RunList) -> None:
        super().__init__()
        self.state = state
        self.table = QTableWidget(0, len(_COLUMNS))
        self.comparison = RunComparison(state)
        self.empty = ink.QuietLabel("No runs yet. Start one, or add a folder that holds runs.")
        self.empty.setWordWrap(False)
        self.new_run = QPushButton("New run…")
        self.add_folder = QPushButton("Add folder…")
        self.new_run.setProperty("role", "primary")
        self.note = ink.QuietLabel("Click the dots of runs to compare them")
        self._space = QShortcut(QKeySequence(Qt.Key.Key_Space), self.table)
        self._space.setContext(Qt.ShortcutContext.WidgetShortcut)
        self._timer = QTimer(self)
        self._lay_out()
        self._connect()
        self._timer.start(_REFRESH_MS)
        self.refresh()

    def refresh(self) -> None:
        """Show the runs as the list has them now."""
        self.table.blockSignals(True)
        chosen = self.current_run()
        self.table.setRowCount(len(self.state.runs))
        for row, run in enumerate(self.state.runs):
            self._fill(row, run)
            if run.path == chosen:
                self.table.selectRow(row)
        self.table.blockSignals(False)
        some = bool(self.state.runs)
        self._split.setVisible(some)
        self.empty.setVisible(not some)
        self.note.setVisible(some)

    def current_run(self) -> Path | None:
        """Return the run of the chosen row."""
        rows = self.table.selectionModel()
        chosen = rows.selectedRows() if rows is not None else []
        item = self.table.item(chosen[0].row(), 0) if chosen else None
        return item.data(_PATH) if item is not None else None

    def let_go(self) -> None:
        """Stop listening to the state."""
        self._timer.stop()
        self.state.changed.disconnect(self.refresh, missing_ok=True)
        self.state.compared_changed.disconnect(self.refresh, missing_ok=True)
        self.comparison.let_go()

    def closeEvent(self, event: object) -> None:
        """Let go of the state."""
        self.let_go()

    def _lay_out(self) -> None:
        self._set_up_table()
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(ink.title("Runs"))
        head.addWidget(self.note, 1)
        head.addStretch(1)
        head.addWidget(self.add_folder)
        head.addWidget(self.new_run)
        self._split = QSplitter(Qt.Orientation.Vertical)
        self._split.addWidget(self.table)
        self._split.addWidget(self.comparison)
        self._split.setStretchFactor(0, 1)
        self._split.setStretchFactor(1, 2)
        self._split.setChildrenCollapsible(False)
        page = QVBoxLayout(self)
        page.setContentsMargins(24, 24, 24, 24)
        page.setSpacing(16)
        page.addLayout(head)
        page.addWidget(self.empty, 1, Qt.AlignmentFlag.AlignCenter)
        page.addWidget(self._split, 1)

    def _set_up_table(self) -> None:
        table = self.table
        table.setHorizontalHeaderLabels(_COLUMNS)
        table.setShowGrid(False)
        table.setFrameShape(QTableWidget.Shape.NoFrame)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.setMinimumHeight(120)
        if (side := table.verticalHeader()) is not None:
            side.hide()
        if (head := table.horizontalHeader()) is not None:
            head.setHighlightSections(False)
            head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            head.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        for column in range(len(_COLUMNS)):
            if (item := table.horizontalHeaderItem(column)) is not None:
                item.setTextAlignment(_side(column))

    def _connect(self) -> None:
        self.table.cellClicked.connect(self._on_cell_clicked)
        self._space.activated.connect(self._on_space_pressed)
        self.table.itemActivated.connect(self._on_item_activated)
        self.table.customContextMenuRequested.connect(self._on_menu_requested)
        self.new_run.clicked.connect(self.new_run_requested)
        self.add_folder.clicked.connect(self._on_add_folder_clicked)
        self._timer.timeout.connect(self._on_timer)
        self.state.changed.connect(self.refresh)
        self.state.compared_changed.connect(self.refresh)

    def _fill(self, row: int, run: RunSummary) -> None:
        changed = datetime.fromtimestamp(run.modified_s).strftime("%d %b %H:%M")
        planned = f" of {count(run.epochs_planned)}" if run.epochs_planned else ""
        epochs = f"{count(run.epochs)}{planned}" if run.epochs else "–"
        learned = "–" if run.verdict is None else _LEARNED.get(run.verdict.learned, "–")
        texts = ("○", run.name, run.state, learned, epochs, figure(run.best_elbo), changed)
        said = "" if run.verdict is None else run.verdict.words
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            item.setTextAlignment(_side(column))
            item.setToolTip(run.reason or said or str(run.path))
            self.table.setItem(row, column, item)
        self._dot(row, run)

    def _dot(self, row: int, run: RunSummary) -> None:
        dot = self.table.item(row, 0)
        if dot is None:
            return
        dot.setData(_PATH, run.path)
        dot.setForeground(ink.muted(self.palette()))
        dot.setToolTip("Compare with others (space)")
        if run.path in self.state.compared:
            dot.setText("●")
            dot.setForeground(ink.series(self.palette(), self.state.compared.index(run.path)))
            dot.setToolTip("Stop comparing (space)")

    def _toggle(self, run: Path) -> None:
        compared = self.state.compared
        if run in compared:
            self.state.compare([path for path in compared if path != run])
        else:
            self.state.compare([*compared, run])

    def _on_cell_clicked(self, row: int, column: int) -> None:
        dot = self.table.item(row, 0)
        if column == 0 and dot is not None:
            self._toggle(dot.data(_PATH))

    def _on_space_pressed(self) -> None:
        if (run := self.current_run()) is not None:
            self._toggle(run)

    def _on_item_activated(self, item: QTableWidgetItem) -> None:
        first = self.table.item(item.row(), 0)
        if first is not None:
            self.run_opened.emit(first.data(_PATH))

    def _on_menu_requested(self, place: QPoint) -> None:
        item = self.table.itemAt(place)
        first = self.table.item(item.row(), 0) if item is not None else None
        if first is None:
            return
        run = first.data(_PATH)
        menu = QMenu(self)
        menu.addAction("Open", lambda: self.run_opened.emit(run))
        menu.addAction("New run with these settings…", lambda: self.copy_requested.emit(run))
        menu.addAction("Remove from the list (files are kept)", lambda: self.state.forget(run))
        viewport = self.table.viewport()
        if viewport is not None:
            menu.exec(viewport.mapToGlobal(place))

    def _on_add_folder_clicked(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "A run, or a folder that holds runs"):
            count = self.state.add_folder(Path(path))
            if not count:
                self.note.setText(f"No runs in {path}")
                self.note.show()

    def _on_timer(self) -> None:
        if self.isVisible():
            self.state.refresh()


class RunComparison(QWidget):
    """ELBO curves of several runs in one chart, and the settings in which the runs differ.

    Signals: none.
    """

    def __init__(self, state: RunList) -> None:
        super().__init__()
        self.state = state
        self.chart = CurveChart("ELBO of the runs", "nats per image, validation where available")
        self.differences = QTableWidget()
        _set_up_differences(self.differences)
        self.same = ink.QuietLabel("These runs have the same settings.")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 16, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.chart, 3)
        self._words = ink.heading("Settings that differ")
        column.addWidget(self._words)
        column.addWidget(self.differences, 2)
        column.addWidget(self.same)
        state.compared_changed.connect(self.refresh)
        state.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Draw the compared runs anew."""
        self.setVisible(bool(self.state.compared))
        if not self.state.compared:
            return
        curves = []
        for index, history in enumerate(self.state.histories()):
            epochs, values = history.history("validation_elbo")
            if not len(values):
                epochs, values = history.history("elbo")
            curves.append(Curve(history.folder.name, epochs, values, index))
        self.chart.set_curves(curves)
        self._show_differences()

    def let_go(self) -> None:
        """Stop listening to the state."""
        self.state.compared_changed.disconnect(self.refresh, missing_ok=True)
        self.state.changed.disconnect(self.refresh, missing_ok=True)

    def _show_differences(self) -> None:
        table, rows = self.differences, self.state.differences()
        several = len(self.state.compared) > 1
        self._words.setVisible(several)
        table.setVisible(several and bool(rows))
        self.same.setVisible(several and not rows)
        table.setRowCount(len(rows))
        table.setColumnCount(1 + len(self.state.compared))
        names = [path.name for path in self.state.compared]
        table.setHorizontalHeaderLabels(["Setting", *names])
        for row, (name, values) in enumerate(rows.items()):
            for column, text in enumerate([name, *(_short(value) for value in values)]):
                item = QTableWidgetItem(text)
                item.setToolTip(text if column == 0 else str(values[column - 1]))
                table.setItem(row, column, item)


def _set_up_differences(table: QTableWidget) -> None:
    table.setFrameShape(QTableWidget.Shape.NoFrame)
    table.setShowGrid(False)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    if (side := table.verticalHeader()) is not None:
        side.hide()
    if (head := table.horizontalHeader()) is not None:
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        head.setHighlightSections(False)
        head.setDefaultSectionSize(200)


def _short(value: object) -> str:
    """Return a setting's value; of a path only its last two parts."""
    text = setting(value)
    return "/".join(Path(text).parts[-2:]) if text.startswith("/") else text


def _side(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignLeft if column < 4 else Qt.AlignmentFlag.AlignRight
    return side | Qt.AlignmentFlag.AlignVCenter
