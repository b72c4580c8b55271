"""Finding clusters, and the table of those found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QIcon, QImage, QPixmap
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QWidget,
)

from tvae_core.analysis.cluster_count import Proposal
from tvae_core.colours import UNASSIGNED, UNASSIGNED_COLOUR
from tvae_core.words import count
from tvae_gui.cards.clusters.confusion_table import ConfusionTable
from tvae_gui.cards.clusters.count_chart import CountChart
from tvae_gui.state.made import Clusters
from tvae_gui.theme import colour, set_role
from tvae_gui.widgets.controls import muted, row, tool_button
from tvae_gui.widgets.drawer import Drawer
from tvae_gui.words import CLUSTER_METHODS

AUTO_COUNT = 1  # the lowest of the box, where it reads "auto"
_HOW_MANY = (
    "Number of clusters: type a number or use the arrow keys.\n"
    "auto: as many as there are groups with a gap between them"
)
_FINDS_NUMBER = "HDBSCAN chooses the number of clusters itself"
_PICTURE = 40
UNASSIGNED_NUMBER = -1
_DECODED, _AVERAGE, _NAME, _SIZE = range(4)


_LEFT, _RIGHT = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
_ALIGNED = (_LEFT, _LEFT, _LEFT, _RIGHT)  # as what stands below


class ClusterDrawer(Drawer):
    """Method, number and space; then each cluster with decoded centre, average, name and size.

    When the run has labels, a table shows how the clusters share them.

    Signals: run_wanted(method, count, on_plane), cancel_wanted(), renamed(number, name),
    merge_wanted(numbers), split_wanted(number), recolour_wanted(number),
    cluster_picked(numbers), averages_wanted(), clear_wanted(), clustering_wanted(name).
    """

    run_wanted = pyqtSignal(str, int, bool)
    cancel_wanted = pyqtSignal()
    renamed = pyqtSignal(int, str)
    merge_wanted = pyqtSignal(list)
    split_wanted = pyqtSignal(int)
    recolour_wanted = pyqtSignal(int)
    cluster_picked = pyqtSignal(list)
    averages_wanted = pyqtSignal()
    clear_wanted = pyqtSignal()
    clustering_wanted = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Clusters", parent)
        self._choices()
        self._progress = QProgressBar()
        self._progress.setRange(0, 0)
        self._progress.hide()
        self.column.addWidget(self._progress)
        self._note = muted()
        self._note.setWordWrap(True)
        self.column.addWidget(self._note)
        self.chart = CountChart()
        self.chart.count_picked.connect(self._count.setValue)
        self.column.addWidget(self.chart)
        self.which = QComboBox()
        self.which.setAccessibleName("Clustering shown")
        self.which.setToolTip("Which clustering is shown; `tvae cluster --name` adds others")
        self.which.textActivated.connect(self.clustering_wanted.emit)
        self.column.addWidget(self.which)
        self.table = self._build_table()
        self.column.addWidget(self.table)
        self.column.addLayout(self._edits())
        self.average = QPushButton("Class averages…")
        self.average.setToolTip("Average the original images of each cluster, and save them")
        self.average.clicked.connect(lambda: self.averages_wanted.emit())
        self.column.addWidget(self.average)
        self.confusion = ConfusionTable()
        self.column.addWidget(self.confusion)
        self._filling, self._clusters = False, 0
        self._labels: NDArray[Any] | None = None
        self.show_clusters(None, [])

    def _choices(self) -> None:
        self._method, self._space = QComboBox(), QComboBox()
        for words, key in CLUSTER_METHODS:
            self._method.addItem(words, key)
        self._method.setAccessibleName("Method")
        self._method.currentIndexChanged.connect(self._on_method)
        self._space.setAccessibleName("Where clusters are looked for")
        self._count = QSpinBox()
        self._count.setAccessibleName("Number of clusters")
        self._count.setRange(AUTO_COUNT, 200)
        self._count.setSpecialValueText("auto")
        self._count.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self._count.setToolTip(_HOW_MANY)
        self._count.setAccessibleName("Number of clusters")
        self._space.addItem("in z", False)
        self._space.addItem("on the plane", True)
        self._space.setToolTip("All dimensions of z, or only the two that are shown")
        self._run = QPushButton("Find")
        set_role(self._run, "primary")
        self._run.clicked.connect(self._on_run)
        self.column.addLayout(row(self._method, self._count, spacing=4))
        self.column.addLayout(row(self._space, self._run, spacing=4))

    def choose(self, method: str, how_many: int) -> None:
        """Fill in what Find will do."""
        self._method.setCurrentIndex(self._method.findData(method))
        self._count.setValue(how_many)

    def _build_table(self) -> QTableWidget:
        table = QTableWidget(0, 4)
        table.setHorizontalHeaderLabels(["decoded", "average", "name", "images"])
        tips = ("Cluster centre, decoded", "Average of its images, upright", "", "")
        for column, tip in enumerate(tips):
            if (item := table.horizontalHeaderItem(column)) is not None:
                item.setToolTip(tip)
                item.setTextAlignment(_ALIGNED[column] | Qt.AlignmentFlag.AlignVCenter)
        table.setAccessibleName("Clusters found")
        table.setShowGrid(False)
        table.setIconSize(QSize(_PICTURE, _PICTURE))
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        head, side = table.horizontalHeader(), table.verticalHeader()
        assert head is not None
        assert side is not None
        side.hide()
        side.setDefaultSectionSize(_PICTURE + 6)
        head.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        for column in (_DECODED, _AVERAGE, _SIZE):  # neither a head nor a count is cut
            head.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        table.itemChanged.connect(self._on_item_changed)
        table.itemSelectionChanged.connect(self._on_picked)
        return table

    def _edits(self) -> QHBoxLayout:
        self._buttons = {}
        made = QHBoxLayout()
        made.setSpacing(4)
        for key, tip, act in (
            ("Merge", "Merge the selected clusters", self._on_merge),
            ("Split", "Split the selected cluster in two", self._on_split),
            ("Colour…", "Change the colour of the selected cluster", self._on_recolour),
            ("Remove", "Remove this clustering", self.clear_wanted.emit),
        ):
            button = tool_button(key)
            set_role(button, "quiet")
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, a=act: a())
            self._buttons[key] = (button, tip)
            made.addWidget(button)
        made.addStretch(1)
        return made

    # --- what is shown -----------------------------------------------------------------------
    def show_clusters(
        self, clusters: Clusters | None, sizes: list[int], unassigned: int = 0
    ) -> None:
        """List the clusters, and last the images that are in none, if there are any."""
        self._filling = True
        labels = None if clusters is None else clusters.labels
        if labels is not self._labels:  # rows of other clusters: none of them was chosen
            self.table.clearSelection()
            self._labels = labels
        self._clusters = 0 if clusters is None else len(clusters.names)
        self.table.setRowCount(self._clusters + bool(unassigned))
        if clusters is not None:
            for number, name in enumerate(clusters.names):
                self._fill(number, name, clusters.colours[number], sizes[number])
        if unassigned:
            self._fill(self._clusters, UNASSIGNED, UNASSIGNED_COLOUR, unassigned)
        self._filling = False
        self.table.setVisible(clusters is not None)
        self.average.setVisible(clusters is not None)
        rows = min(self.table.rowCount(), 5)
        self.table.setFixedHeight(rows * (_PICTURE + 6) + 34)
        self._note.setText("" if clusters is None else clusters.note)
        self._note.setVisible(bool(self._note.text()))
        self._grey()
        self.place()

    def show_proposal(self, proposal: Proposal | None) -> None:
        """Show what speaks for other numbers of clusters, where the number was not given."""
        self.chart.show_proposal(proposal)
        self.place()

    def show_clusterings(self, names: list[str], shown: str) -> None:
        """List the clusterings of the run, where there is more than the one that is shown."""
        self.which.clear()
        self.which.addItems(names)
        self.which.setCurrentIndex(self.which.findText(shown))
        self.which.setVisible(len(names) > 1 or (bool(names) and not shown))

    def show_centres(self, images: list[QImage]) -> None:
        """Show what the decoder makes of each centre."""
        self._put_images(_DECODED, images)

    def show_averages(self, images: list[QImage | None]) -> None:
        """Show the upright average of each cluster."""
        self._put_images(_AVERAGE, images)

    def _put_images(self, column: int, images: Sequence[QImage | None]) -> None:
        self._filling = True
        for number, image in enumerate(images[: self._clusters]):
            item = self.table.item(number, column)
            if item is not None and image is not None:
                item.setIcon(QIcon(QPixmap.fromImage(image)))
        self._filling = False

    def show_running(self, running: bool, words: str = "") -> None:
        """Show that the work goes on; the button stops it."""
        self._progress.setRange(0, 0)
        self._progress.setVisible(running)
        self._run.setText("Stop" if running else "Find")
        if words:
            self._note.setText(words)
            self._note.show()
        self.place()

    def show_progress(self, share: float, words: str = "") -> None:
        """Show how far it is, where the method says so."""
        self._progress.setRange(0, 1000)
        self._progress.setValue(round(1000 * share))

    @property
    def find_button(self) -> QPushButton:
        """The button that looks for clusters, and stops looking."""
        return self._run

    def button(self, name: str) -> QToolButton:
        """Return the button of an edit: Merge, Split, Colour… or Remove."""
        return self._buttons[name][0]

    @property
    def is_running(self) -> bool:
        """Whether the card shows that a job runs."""
        return not self._progress.isHidden()

    @property
    def note(self) -> str:
        """What is said below the choices."""
        return self._note.text()

    def _fill(self, number: int, name: str, ink: str, size: int) -> None:
        swatch = QPixmap(10, 10)
        swatch.fill(colour(ink))
        made = [QTableWidgetItem() for _ in range(4)]
        made[_NAME].setText(name)
        made[_NAME].setIcon(QIcon(swatch))
        fixed = [_DECODED, _AVERAGE, _SIZE]
        if number < self._clusters:
            made[_NAME].setToolTip("Double-click to rename")
        else:
            fixed.append(_NAME)
        made[_SIZE].setText(count(size))
        made[_SIZE].setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for column in fixed:
            made[column].setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
        for column, item in enumerate(made):
            self.table.setItem(number, column, item)

    def _grey(self) -> None:
        picked = len(self._picked())
        if UNASSIGNED_NUMBER in self._picked():
            picked = 0  # no cluster: it cannot be merged, split or coloured
        reasons = {
            "Merge": "" if picked > 1 else "Select two or more clusters first (Ctrl+click)",
            "Split": "" if picked == 1 else "Select one cluster first",
            "Colour…": "" if picked == 1 else "Select one cluster first",
            "Remove": "" if self.table.rowCount() else "There are no clusters yet",
        }
        for key, (button, tip) in self._buttons.items():
            button.setEnabled(not reasons[key])
            button.setToolTip(reasons[key] or tip)

    # --- hands -------------------------------------------------------------------------------
    def _picked(self) -> list[int]:
        rows = sorted({index.row() for index in self.table.selectedIndexes()})
        return [row if row < self._clusters else UNASSIGNED_NUMBER for row in rows]

    def _on_method(self) -> None:
        finds = self._method.currentData() == "hdbscan"
        self._count.setEnabled(not finds)
        self._count.setToolTip(_FINDS_NUMBER if finds else _HOW_MANY)

    def _on_run(self) -> None:
        if self._run.text() == "Stop":
            self.cancel_wanted.emit()
        else:
            method, space = self._method.currentData(), self._space.currentData()
            self.run_wanted.emit(method, self._count.value(), space)

    def _on_item_changed(self, item: QTableWidgetItem) -> None:
        if not self._filling and item.column() == _NAME:
            self.renamed.emit(item.row(), item.text())

    def _on_picked(self) -> None:
        self._grey()
        if not self._filling and self._picked():
            self.cluster_picked.emit(self._picked())

    def _on_merge(self) -> None:
        self.merge_wanted.emit(self._picked())

    def _on_split(self) -> None:
        self.split_wanted.emit(self._picked()[0])

    def _on_recolour(self) -> None:
        self.recolour_wanted.emit(self._picked()[0])
