"""The page of an open run: the plane in the middle, panels that move, float, tabify and hide."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import QByteArray, Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent, QShowEvent
from PyQt6.QtWidgets import QDockWidget, QMainWindow, QTabWidget, QVBoxLayout, QWidget

from tvae_gui.theme import GRID
from tvae_gui.widgets.drawer import Drawer

LEFT, RIGHT, FOOT = "inspector", "probe", "selection"
LAYOUTS = {
    "explore": (LEFT, RIGHT, FOOT),
    "sort": (LEFT, FOOT),
    "train": (RIGHT,),
}
_VERSION = 1
_Area = Qt.DockWidgetArea


class ExplorerPage(QMainWindow):
    """Lays out the panels; the first widget of the centre takes the room that is left.

    Signals: arranged(), when a panel was moved, shown or hidden.
    """

    arranged = pyqtSignal()

    def __init__(
        self, left: QWidget, centre: Sequence[QWidget], right: QWidget, foot: QWidget
    ) -> None:
        super().__init__()
        self.setWindowFlags(Qt.WindowType.Widget)
        self.setDockNestingEnabled(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        for area in (_Area.LeftDockWidgetArea, _Area.RightDockWidgetArea):
            self.setTabPosition(area, QTabWidget.TabPosition.North)
        for corner in (Qt.Corner.BottomLeftCorner, Qt.Corner.BottomRightCorner):
            self.setCorner(corner, _Area.BottomDockWidgetArea)
        middle = QWidget()
        stacked = QVBoxLayout(middle)
        stacked.setContentsMargins(0, 0, 0, 0)
        stacked.setSpacing(GRID)
        for place, widget in enumerate(centre):
            stacked.addWidget(widget, int(place == 0))
        self.setCentralWidget(middle)
        self.docks: dict[str, QDockWidget] = {}
        self._cards: list[str] = []
        self._is_own = False  # whether the user arranged the panels
        self._add(LEFT, "Inspector", left, _Area.LeftDockWidgetArea)
        self._add(RIGHT, "Decoded image", right, _Area.RightDockWidgetArea)
        self._add(FOOT, "Selection", foot, _Area.BottomDockWidgetArea)

    def _add(self, key: str, name: str, widget: QWidget, area: Qt.DockWidgetArea) -> QDockWidget:
        dock = QDockWidget(name, self)
        dock.setObjectName(key)
        dock.setAccessibleName(name)
        dock.setWidget(widget)
        self.addDockWidget(area, dock)
        dock.topLevelChanged.connect(lambda _: self._on_arranged())
        dock.dockLocationChanged.connect(lambda _: self.arranged.emit())
        dock.visibilityChanged.connect(lambda _: self.arranged.emit())
        self.docks[key] = dock
        return dock

    def add_card(self, key: str, card: Drawer) -> None:
        """Give a card a panel of its own beside the inspector, hidden until it is opened."""
        dock = self._add(key, card.accessibleName(), card, _Area.LeftDockWidgetArea)
        self.tabifyDockWidget(self.docks[LEFT], dock)
        dock.hide()
        card.live_in(dock)
        self._cards.append(key)

    @property
    def open_cards(self) -> list[str]:
        """Which cards are open."""
        return [key for key in self._cards if not self.docks[key].isHidden()]

    def toggle(self, key: str) -> None:
        """Show a panel that is hidden, and hide one that is not."""
        self.docks[key].setVisible(self.docks[key].isHidden())

    # --- arrangements --------------------------------------------------------------------------
    def arrange(self, name: str) -> None:
        """Put the panels where a layout of `LAYOUTS` has them, and show those it shows."""
        self._is_own = False
        places = {LEFT: _Area.LeftDockWidgetArea, RIGHT: _Area.RightDockWidgetArea,
                  FOOT: _Area.BottomDockWidgetArea}  # fmt: skip
        for key, area in places.items():
            self.docks[key].setFloating(False)
            self.addDockWidget(area, self.docks[key])
            self.docks[key].setVisible(key in LAYOUTS[name])
        for key in self._cards:
            self.docks[key].setFloating(False)
            self.tabifyDockWidget(self.docks[LEFT], self.docks[key])
        self._share_out()

    def kept(self) -> str:
        """Return the arrangement as words that a file can keep."""
        return bytes(self.saveState(_VERSION).toBase64().data()).decode("ascii")

    def restore(self, kept: str) -> None:
        """Arrange the panels as `kept` says; cards stay closed, for they belong to a run."""
        self._is_own = self.restoreState(QByteArray.fromBase64(kept.encode("ascii")), _VERSION)
        for key in self._cards:
            self.docks[key].hide()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Give the side panels their share of the new size."""
        super().resizeEvent(event)
        self._share_out()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Give the side panels their share: before, panels have no size."""
        super().showEvent(event)
        self._share_out()

    def _share_out(self) -> None:
        if self._is_own or not self.isVisible():
            return
        width, height = self.width(), self.height()
        left = int(min(max(232, 0.16 * width), 320))
        right = int(min(max(296, 0.24 * width), 0.6 * height, 640))
        sides = [self.docks[LEFT], self.docks[RIGHT]]
        self.resizeDocks(sides, [left, right], Qt.Orientation.Horizontal)

    def _on_arranged(self) -> None:
        self._is_own = True
        self.arranged.emit()
