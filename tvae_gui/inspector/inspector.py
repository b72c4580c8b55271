"""The inspector: what is coloured and filtered, which axes, clusters and named sets."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from PyQt6.QtCore import QPoint, Qt, pyqtSignal
from PyQt6.QtGui import QIcon, QPixmap
from PyQt6.QtWidgets import (
    QApplication,
    QComboBox,
    QHeaderView,
    QLabel,
    QMenu,
    QScrollArea,
    QSizePolicy,
    QTreeWidgetItem,
    QWidget,
)

from tvae_core.columns import Column
from tvae_core.planes import PlaneChoice
from tvae_core.selection import NamedSet
from tvae_core.words import count
from tvae_gui.inspector.set_tree import SetTree
from tvae_gui.state.scatter_frame import Legend
from tvae_gui.theme import colour, set_role
from tvae_gui.widgets.controls import muted, panel, row, title, tool_button
from tvae_gui.widgets.histogram import RangeHistogram
from tvae_gui.widgets.legend import LegendView

Array = NDArray[Any]
MOST_AXES = 64
_FIRST_OTHER = "error"  # the y axis of two axes that were not chosen yet: every run has it


class Inspector(QScrollArea):
    """The left panel.

    Signals: colour_chosen(key), filter_column_chosen(key), filter_changed(low, high),
    filter_cleared(), plane_chosen(PlaneChoice), umap_wanted(), clusters_wanted(), poses_wanted(),
    filter_settled(), class_picked(number, adds), set_picked(name, how), set_menu(name, position),
    deleted_wanted(position), sets_dropped(source, target, position).
    """

    colour_chosen = pyqtSignal(str)
    filter_column_chosen = pyqtSignal(str)
    filter_changed = pyqtSignal(float, float)
    filter_cleared = pyqtSignal()
    plane_chosen = pyqtSignal(object)
    umap_wanted = pyqtSignal()
    clusters_wanted = pyqtSignal()
    poses_wanted = pyqtSignal()
    class_picked = pyqtSignal(int, bool)
    set_picked = pyqtSignal(str, str)
    set_menu = pyqtSignal(str, QPoint)
    deleted_wanted = pyqtSignal(QPoint)
    sets_dropped = pyqtSignal(str, str, QPoint)
    filter_settled = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Inspector")
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._frame, self._column = panel(margins=12, spacing=6)
        self._build_colour()
        self._build_filter()
        self._build_axes()
        self._build_clusters()
        self._build_poses()
        self._build_sets()
        self._column.addStretch(1)
        self.setWidget(self._frame)
        self.setMinimumWidth(224)

    # --- parts -------------------------------------------------------------------------------
    def _build_colour(self) -> None:
        self.colour_box = self._combo("Colour by (keys 1 to 9)")
        self.colour_box.activated.connect(
            lambda: self.colour_chosen.emit(self.colour_box.currentData())
        )
        self.legend = LegendView()
        self.legend.class_picked.connect(self.class_picked)
        self._section("Colour", self.colour_box, self.legend)

    def _build_filter(self) -> None:
        self.filter_box = self._combo("Filter by")
        self.filter_box.activated.connect(
            lambda: self.filter_column_chosen.emit(self.filter_box.currentData())
        )
        self.histogram = RangeHistogram()
        self.histogram.range_changed.connect(self.filter_changed)
        self.histogram.range_cleared.connect(self.filter_cleared)
        self.histogram.range_settled.connect(self.filter_settled)
        self._filter_words = muted()
        self._filter_words.setMinimumWidth(1)
        self._clear = tool_button("Show all")
        set_role(self._clear, "quiet")
        self._clear.clicked.connect(lambda: self.filter_cleared.emit())
        foot = row(self._filter_words)
        foot.setStretch(0, 1)
        foot.addWidget(self._clear)
        self._section("Filter", self.filter_box, self.histogram)
        self._column.addLayout(foot)

    def _build_axes(self) -> None:
        self.plane_box = self._combo("Plane")
        self.plane_box.activated.connect(self._on_plane)
        self.x_box, self.y_box = self._combo("x axis"), self._combo("y axis")
        for box in (self.x_box, self.y_box):
            box.activated.connect(self._on_axes)
            box.setMinimumContentsLength(2)  # two side by side do not widen the panel
            box.setMinimumWidth(64)
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._how = muted()
        self._how.setWordWrap(True)
        self._section("Axes", self.plane_box)
        self._column.addLayout(row(self.x_box, self.y_box))
        self._column.addWidget(self._how)

    def _build_clusters(self) -> None:
        self.cluster_button = tool_button("Find…")
        self.cluster_button.setToolTip("Group the images by k-means, mixture, Ward or HDBSCAN")
        self.cluster_button.clicked.connect(lambda: self.clusters_wanted.emit())
        self._cluster_words = _beside_a_button("none yet")
        self._section("Clusters", first_gap=True)
        line = row(self._cluster_words)
        line.setStretch(0, 1)
        line.addWidget(self.cluster_button)
        self._column.addLayout(line)

    def _build_poses(self) -> None:
        self.poses_button = tool_button("Check…")
        self.poses_button.setToolTip("Can the poses be trusted? Symmetry and mirror image (T)")
        self.poses_button.clicked.connect(lambda: self.poses_wanted.emit())
        self._poses_words = _beside_a_button("not tested yet")
        self._section("Poses", first_gap=True)
        line = row(self._poses_words)
        line.setStretch(0, 1)
        line.addWidget(self.poses_button)
        self._column.addLayout(line)

    def _build_sets(self) -> None:
        self.sets = SetTree()
        self.sets.dropped_onto.connect(self.sets_dropped)
        self.sets.setColumnCount(2)
        self.sets.setHeaderHidden(True)
        self.sets.setRootIsDecorated(False)
        self.sets.setIndentation(0)
        head = self.sets.header()
        assert head is not None
        head.setStretchLastSection(False)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        head.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.sets.setAccessibleName("Named sets")
        self.sets.setToolTip("Click to select, Shift+click to add, Ctrl+Shift+click to subtract")
        self.sets.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.sets.customContextMenuRequested.connect(self._on_set_menu)
        self.sets.itemClicked.connect(self._on_set_clicked)
        self._no_sets = muted("Select images, then save them as a set with Ctrl+S")
        self._no_sets.setWordWrap(True)
        self.deleted_button = tool_button("Recently deleted")
        set_role(self.deleted_button, "quiet")
        self.deleted_button.setToolTip("Sets deleted since the run was last opened, or before that")
        self.deleted_button.clicked.connect(self._on_deleted)
        self._section("Sets", self._no_sets, self.sets, self.deleted_button)
        self.sets.hide()
        self.deleted_button.hide()

    def _section(self, name: str, *widgets: QWidget, first_gap: bool = False) -> None:
        if self._column.count():
            self._column.addSpacing(4)
        self._column.addWidget(title(name))
        for widget in widgets:
            self._column.addWidget(widget)

    def _combo(self, name: str) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName(name)
        box.setToolTip(name)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(6)
        box.setMaxVisibleItems(24)
        return box

    # --- what is shown -----------------------------------------------------------------------
    def show_columns(self, columns: list[Column], chosen: str, filtered: str) -> None:
        """List what can be coloured and filtered by."""
        self._fill(self.colour_box, [(c.title, c.key) for c in columns], chosen)
        numbers = [(c.title, c.key) for c in columns if c.kind in ("magnitude", "cyclic")]
        self._fill(self.filter_box, numbers, filtered)

    def show_legend(self, legend: Legend) -> None:
        """Show what the colours mean."""
        at = self.colour_box.findData(legend.column.key)
        self.colour_box.setCurrentIndex(at)
        self.legend.show_legend(legend)

    def show_filter(self, shown: int, total: int, filtered: bool) -> None:
        """Say how many images pass."""
        self._clear.setEnabled(filtered)
        self._clear.setToolTip("Remove all filters" if filtered else "No filter is set")
        words = f"{count(shown)} of {count(total)}" if filtered else "all shown"
        self._filter_words.setText(words)

    def show_planes(
        self, z_dim: int, planes: list[str], choice: PlaneChoice, how: str, columns: list[Column]
    ) -> None:
        """List the planes and axes; `columns` hold numbers that an axis can have."""
        entries: list[tuple[str, Any]] = [("latent axes" if z_dim > 1 else "latent axis", "z")]
        entries += [(name.upper(), name) for name in planes]
        entries.append(("any two axes", "axes"))
        if "umap" not in planes:
            entries.append(("compute UMAP…", "compute umap"))
        self._fill(self.plane_box, entries, choice.kind)
        axes = [(f"z{d + 1}", f"z{d + 1}") for d in range(min(z_dim, MOST_AXES))]
        axes += [(f"{name.upper()} {n}", f"{name} {n}") for name in planes for n in (1, 2)]
        known = {key for _, key in axes}
        axes += [(c.title, c.key) for c in columns if c.key not in known]
        chosen = (choice.x, choice.y)
        if choice.kind == "z":
            chosen = (f"z{choice.first + 1}", f"z{choice.second + 1}")
        for box, key in zip((self.x_box, self.y_box), chosen, strict=True):
            self._fill(box, axes, key)
            box.setVisible(choice.kind == "axes" or (choice.kind == "z" and z_dim > 2))
        self._how.setText(how)

    def show_clusters(self, words: str) -> None:
        """Say which clustering there is."""
        self._cluster_words.setText(words)

    def show_poses(self, words: str) -> None:
        """Say whether the poses can be trusted."""
        self._poses_words.setText(words)

    def show_sets(self, sets: list[NamedSet]) -> None:
        """List the named sets."""
        self.sets.clear()
        for named in sets:
            item = QTreeWidgetItem([named.name, count(named.count)])
            item.setIcon(0, _swatch(named.colour))
            item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setToolTip(0, named.note or count(named.count, "image"))
            self.sets.addTopLevelItem(item)
        self.sets.setVisible(bool(sets))
        self._no_sets.setVisible(not sets)
        self.sets.setFixedHeight(min(len(sets), 8) * 28 + 4)

    def show_deleted(self, how_many: int) -> None:
        """Offer the sets recently deleted."""
        self.deleted_button.setText(f"Recently deleted ({how_many})…")
        self.deleted_button.setVisible(how_many > 0)

    def _fill(self, box: QComboBox, entries: list[tuple[str, Any]], chosen: Any) -> None:
        box.blockSignals(True)
        box.clear()
        for words, data in entries:
            box.addItem(words, data)
        box.setCurrentIndex(max(0, box.findData(chosen)))
        box.blockSignals(False)

    # --- hands -------------------------------------------------------------------------------
    def _on_plane(self) -> None:
        kind = self.plane_box.currentData()
        if kind == "compute umap":
            self.umap_wanted.emit()
        elif kind == "z":
            self.plane_chosen.emit(PlaneChoice("z", 0, 1))
        elif kind == "axes":
            self.plane_chosen.emit(PlaneChoice.of_axes("z1", _FIRST_OTHER))
        else:
            self.plane_chosen.emit(PlaneChoice(kind))

    def _on_axes(self) -> None:
        first, second = self.x_box.currentData(), self.y_box.currentData()
        if first != second:
            self.plane_chosen.emit(PlaneChoice.of_axes(first, second))

    def _on_set_clicked(self, item: QTreeWidgetItem) -> None:
        held = QApplication.keyboardModifiers()
        adds = bool(held & Qt.KeyboardModifier.ShiftModifier)
        takes = adds and bool(held & Qt.KeyboardModifier.ControlModifier)
        how = "subtract" if takes else "union" if adds else "replace"
        self.set_picked.emit(item.text(0), how)

    def _on_deleted(self) -> None:
        below = self.deleted_button.rect().bottomLeft()
        self.deleted_wanted.emit(self.deleted_button.mapToGlobal(below))

    def _on_set_menu(self, at: QPoint) -> None:
        item = self.sets.itemAt(at)
        if item is not None:
            self.set_menu.emit(item.text(0), self.sets.mapToGlobal(at))


def menu_at(parent: QWidget, actions: list[Any], at: QPoint) -> None:
    """Show a menu of actions that goes away by itself."""
    menu = QMenu(parent)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    menu.addActions(actions)
    menu.popup(at)


def _swatch(hex_colour: str) -> QIcon:
    pixmap = QPixmap(12, 12)
    pixmap.fill(colour(hex_colour))
    return QIcon(pixmap)


def _beside_a_button(words: str) -> QLabel:
    """Return grey words that go on to another line where a button leaves no room for them."""
    label = muted(words)
    label.setWordWrap(True)
    label.setMinimumWidth(1)
    return label
