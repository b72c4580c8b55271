"""What is shown when nothing is open: what can be done next."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from tvae_gui.theme import GRID, font, set_role
from tvae_gui.views.controls import muted, panel, title


class StartPage(QWidget):
    """Open, Train, Demo and recent runs.

    Signals: open_wanted(), train_wanted(), demo_wanted(), recent_picked(path).
    """

    open_wanted = pyqtSignal()
    train_wanted = pyqtSignal()
    demo_wanted = pyqtSignal()
    recent_picked = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        frame, column = panel(margins=4 * GRID, spacing=2 * GRID)
        frame.setFixedWidth(560)
        head = QLabel("What do your images have in common?")
        head.setFont(font(strong=True))
        column.addWidget(head)
        words = muted(
            "Open a run and move through its latent space: every place shows the object it stands "
            "for, free of rotation and translation. Or drop a file here."
        )
        words.setWordWrap(True)
        column.addWidget(words)
        column.addLayout(self._buttons())
        column.addWidget(title("Recent runs"))
        self.recent = QListWidget()
        self.recent.setAccessibleName("Recent runs")
        self.recent.itemActivated.connect(self._on_recent)
        self.recent.itemClicked.connect(self._on_recent)
        self._none = muted("None yet. The demo opens in a second and needs no data.")
        column.addWidget(self._none)
        column.addWidget(self.recent)
        self.runs = QVBoxLayout()
        column.addLayout(self.runs)
        whole = QVBoxLayout(self)
        whole.addStretch(2)
        whole.addWidget(frame, 0, Qt.AlignmentFlag.AlignHCenter)
        whole.addStretch(3)
        self.show_recent([])

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
        """List recent runs."""
        self.recent.clear()
        for path in paths:
            place = Path(path)
            name = place.parent.name if place.name == "embeddings.h5" else place.name
            item = QListWidgetItem(f"{name}\n{place.parent}")
            item.setData(Qt.ItemDataRole.UserRole, path)
            item.setSizeHint(QSize(0, 44))
            self.recent.addItem(item)
        self.recent.setVisible(bool(paths))
        self.recent.setFixedHeight(min(len(paths), 6) * 46 + 4)
        self._none.setVisible(not paths)

    def _on_recent(self, item: QListWidgetItem) -> None:
        self.recent_picked.emit(item.data(Qt.ItemDataRole.UserRole))
