"""The documents, read in a window of their own; and what an About says."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from PyQt6.QtCore import PYQT_VERSION_STR, QT_VERSION_STR, QUrl
from PyQt6.QtGui import (
    QDesktopServices,
    QImage,
    QKeySequence,
    QTextBlockFormat,
    QTextCursor,
    QTextDocument,
)
from PyQt6.QtWidgets import QDialog, QMessageBox, QTextBrowser, QVBoxLayout, QWidget

from tvae_core.shipped import documents
from tvae_gui.theme import GRID
from tvae_gui.widgets.controls import row, tool_button

FIRST, WINDOW = "index.md", "window.md"
_PACKAGES = ("torch", "numpy", "pyqtgraph")
_LINE_PER_CENT = 125.0


class DocsPage(QDialog):
    """Shows the pages of `docs/`; their links lead on, those to the web to the browser.

    Signals: none.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Documentation")
        self.setModal(False)
        self.text = _Pages()
        self.text.anchorClicked.connect(self._follow)
        bar = []
        for words, act, keys in (
            ("Back", self.text.backward, "Alt+Left"),
            ("Forward", self.text.forward, "Alt+Right"),
            ("Start", lambda: self.read(FIRST), "Alt+Home"),
            ("The window", lambda: self.read(WINDOW), ""),
        ):
            button = tool_button(words)
            button.setShortcut(QKeySequence(keys))
            button.clicked.connect(lambda _=False, act=act: act())
            bar.append(button)
        line = row(*bar)
        line.addStretch(1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(GRID, GRID, GRID, GRID)
        whole.addLayout(line)
        whole.addWidget(self.text)
        self.resize(880, 720)

    def read(self, name: str = FIRST) -> None:
        """Open a page by its name."""
        self._open(documents() / name)
        self.show()
        self.raise_()

    def _open(self, page: Path) -> None:
        kind = QTextDocument.ResourceType.MarkdownResource
        self.text.setSource(QUrl.fromLocalFile(str(page)), kind)
        self.text.set_apart()

    def _follow(self, link: QUrl) -> None:
        target = self.text.source().resolved(link)
        path = Path(target.toLocalFile())
        if target.isLocalFile() and path.suffix == ".md" and path.is_file():
            self._open(path)
            if target.fragment():
                self.text.scrollToAnchor(target.fragment())
        elif target.scheme() in ("http", "https"):
            QDesktopServices.openUrl(target)


class _Pages(QTextBrowser):
    """Text whose pictures are no wider than it.

    Signals: none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Page")
        self.setOpenLinks(False)
        self.sourceChanged.connect(lambda _: self.set_apart())  # Back and Forward come here

    def set_apart(self) -> None:
        """Give lines and paragraphs of the page room: Markdown comes without any."""
        document = self.document()
        if document is None:
            return
        document.setDocumentMargin(3 * GRID)
        kind = QTextBlockFormat.LineHeightTypes.ProportionalHeight
        proportional = int(kind.value)  # type: ignore[call-overload]
        block = document.begin()
        while block.isValid():
            shape = block.blockFormat()
            shape.setLineHeight(_LINE_PER_CENT, proportional)
            if block.textList() is None:
                shape.setTopMargin(2 * GRID if shape.headingLevel() else 0)
                shape.setBottomMargin(GRID)
            QTextCursor(block).setBlockFormat(shape)
            block = block.next()

    def loadResource(self, kind: int, name: QUrl) -> Any:
        """Load pictures at the width there is."""
        found = super().loadResource(kind, name)
        if kind != int(QTextDocument.ResourceType.ImageResource.value):
            return found
        image = QImage(self.source().resolved(name).toLocalFile())
        room = max(200, self.viewport().width() - 8 * GRID)  # type: ignore[union-attr]
        return image if image.width() <= room else image.scaledToWidth(room)


def about_words() -> str:
    """Return the versions of the program and of what it stands on."""
    lines = [f"target-vae {_version('target-vae')}", f"Python {platform.python_version()}"]
    lines += [f"Qt {QT_VERSION_STR}, PyQt {PYQT_VERSION_STR}"]
    lines += [f"{name} {_version(name)}" for name in _PACKAGES]
    return "\n".join([*lines, f"{platform.system()} {platform.machine()}"])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


class AboutBox(QMessageBox):
    """What the program is, its versions, and the way to its documents.

    Signals: none.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("About TARGET-VAE")
        self.setText(
            "Content, rotation and shift of every image, learned without labels, and a window to "
            "explore them."
        )
        self.setInformativeText(about_words())
        self.docs = self.addButton("Documentation", QMessageBox.ButtonRole.HelpRole)
        self.setDefaultButton(self.addButton(QMessageBox.StandardButton.Close))

    def wants_docs(self) -> bool:
        """Show it, and return whether the documents are asked for."""
        self.exec()
        return self.clickedButton() is self.docs
