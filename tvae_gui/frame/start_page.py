"""What is shown when nothing is open: what can be done next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtCore import QModelIndex, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QFontMetrics, QPainter
from PyQt6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from tvae_core.runs.listing import RunSummary
from tvae_core.runs.status import RunStatus
from tvae_core.words import count
from tvae_gui.theme import GRID, SMALL_PX, colour, font, set_role
from tvae_gui.widgets.controls import muted, panel, title

_MOST_RUNS = 12
_ENTRY_PX = 44


class StartPage(QWidget):
    """Open, Train, Demo, what was open last, and the runs with how they are going.

    Signals: open_wanted(), train_wanted(), demo_wanted(), recent_picked(path), run_picked(Path).
    """

    open_wanted = pyqtSignal()
    train_wanted = pyqtSignal()
    demo_wanted = pyqtSignal()
    recent_picked = pyqtSignal(str)
    run_picked = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        frame, column = panel(margins=4 * GRID, spacing=2 * GRID)
        frame.setFixedWidth(640)
        head = QLabel("What do your images have in common?")
        head.setFont(font(strong=True))
        column.addWidget(head)
        words = muted(
            "Open a run to explore its latent space: each point shows the object it represents, "
            "with rotation and translation removed. You can also drop a file here."
        )
        words.setWordWrap(True)
        column.addWidget(words)
        column.addLayout(self._buttons())
        self.recent, self._none = QListWidget(), muted("Nothing yet. The demo needs no data.")
        self.runs, self._no_runs = QListWidget(), muted("No runs yet. Train one on your images.")
        lists = QHBoxLayout()
        lists.setSpacing(3 * GRID)
        for name, view, words in (
            ("Recently explored", self.recent, self._none),
            ("Training runs", self.runs, self._no_runs),
        ):
            lists.addLayout(_named_list(name, view, words), 1)
            view.itemActivated.connect(self._on_picked)
            view.itemClicked.connect(self._on_picked)
        column.addLayout(lists)
        whole = QVBoxLayout(self)
        whole.addStretch(2)
        middle = QHBoxLayout()  # not an alignment, which forgets how high wrapped words are
        middle.addStretch(1)
        middle.addWidget(frame)
        middle.addStretch(1)
        whole.addLayout(middle)
        whole.addStretch(3)
        self.show_recent([])
        self.show_runs([])

    def _buttons(self) -> QHBoxLayout:
        self.open_button = QPushButton("Open a run…")
        set_role(self.open_button, "primary")
        self.open_button.clicked.connect(lambda: self.open_wanted.emit())
        self.train_button = QPushButton("Train on images…")
        self.train_button.clicked.connect(lambda: self.train_wanted.emit())
        self.demo_button = QPushButton("Explore the demo")
        self.demo_button.clicked.connect(lambda: self.demo_wanted.emit())
        made = QHBoxLayout()
        made.setSpacing(GRID)
        for button in (self.open_button, self.train_button, self.demo_button):
            button.setMinimumHeight(36)
            made.addWidget(button, 1)
        return made

    def set_reasons(self, train: str, demo: str) -> None:
        """Grey Train or Demo out with the reason why; empty words enable them."""
        for button, reason in ((self.train_button, train), (self.demo_button, demo)):
            button.setEnabled(not reason)
            button.setToolTip(reason)

    def show_recent(self, paths: list[str]) -> None:
        """List the stores that were open last."""
        self.recent.clear()
        for path in paths:
            place = Path(path)
            name = place.parent.name if place.name == "embeddings.h5" else place.name
            self.recent.addItem(_entry(name, str(place.parent), path, path))
        _fit(self.recent, self._none)

    def show_runs(self, runs: Sequence[RunSummary]) -> None:
        """List the runs with how they are going."""
        self.runs.clear()
        for run in runs[:_MOST_RUNS]:
            self.runs.addItem(_entry(run.name, _state_words(run), str(run.path), run))
        _fit(self.runs, self._no_runs)

    def _on_picked(self, item: QListWidgetItem) -> None:
        what = item.data(Qt.ItemDataRole.UserRole)
        if not isinstance(what, RunSummary):
            self.recent_picked.emit(what)
        elif what.status is RunStatus.FINISHED and what.has_store:
            self.recent_picked.emit(str(what.path))
        else:
            self.run_picked.emit(what.path)


class _TwoLines(QStyledItemDelegate):
    """Draws a name, and below it quieter words that give way in their middle."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """Return the height of two lines."""
        return QSize(0, _ENTRY_PX)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Draw the ground of the style and the two lines."""
        if painter is None:
            return
        name, _, words = str(index.data()).partition("\n")
        self.initStyleOption(option, index)
        option.text = ""
        if (style := QApplication.style()) is not None:
            style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        place = option.rect.adjusted(GRID // 2, 4, -GRID // 2, -4)
        half = place.height() // 2
        lines = (
            (name, font(), "text", place.adjusted(0, 0, 0, -half)),
            (words, font(SMALL_PX), "muted", place.adjusted(0, half, 0, 0)),
        )
        for text, face, ink, room in lines:
            painter.setFont(face)
            painter.setPen(colour(ink))
            middle = Qt.TextElideMode.ElideMiddle
            shown = QFontMetrics(face).elidedText(text, middle, room.width())
            painter.drawText(room, int(Qt.AlignmentFlag.AlignVCenter), shown)


def _named_list(name: str, view: QListWidget, words: QLabel) -> QVBoxLayout:
    view.setAccessibleName(name)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.setItemDelegate(_TwoLines(view))
    column = QVBoxLayout()
    column.setSpacing(GRID)
    column.addWidget(title(name))
    column.addWidget(words)
    column.addWidget(view)
    column.addStretch(1)
    return column


def _entry(name: str, words: str, tip: str, data: object) -> QListWidgetItem:
    item = QListWidgetItem(f"{name}\n{words}")
    item.setToolTip(tip)
    item.setData(Qt.ItemDataRole.UserRole, data)
    return item


def _fit(view: QListWidget, words: QLabel) -> None:
    view.setVisible(view.count() > 0)
    view.setFixedHeight(min(view.count(), 6) * _ENTRY_PX + 4)
    words.setVisible(not view.count())


def _state_words(run: RunSummary) -> str:
    if not run.epochs:
        return run.state
    return f"{run.state} · epoch {count(run.epochs)} of {count(run.epochs_planned)}"
