"""Layouts of one's own, and the documents and versions behind Help."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PyQt6.QtCore import Qt, QTimer, QUrl
from PyQt6.QtWidgets import QInputDialog, QWidget
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.hands import SHIFT, press
from tvae_core.shipped import documents
from tvae_gui.frame.docs_page import AboutBox, DocsPage, about_words
from tvae_gui.main_window import MainWindow


def titles(window: MainWindow, menu: str) -> list[str]:
    return [action.text() for action in window.commands.menus[menu].actions() if action.text()]


def test_a_layout_is_kept_under_a_name_shown_again_and_forgotten(
    window: MainWindow, make_window: Callable[..., MainWindow], qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("  Mine ", True))
    window.page.docks["probe"].hide()
    window.page.docks["inspector"].setFloating(True)
    window.commands.run("keep layout")
    assert "Layout: Mine" in titles(window, "View")
    assert any(entry.title == "Layout: Mine" for entry in window.commands.entries())
    window.commands.run("layout explore")
    assert window.page.docks["probe"].isVisible()
    window.commands.run("clusters")
    window.commands.run("own layout show Mine")
    settle(qtbot, window)
    assert window.page.docks["probe"].isHidden()
    assert window.page.docks["inspector"].isFloating()
    assert window.cluster_drawer.isVisible()  # a card belongs to the work, not to the layout

    other = make_window()  # another day
    assert "Layout: Mine" in titles(other, "View")
    other.commands.run("own layout forget Mine")
    assert "Layout: Mine" not in titles(other, "View")
    assert other.layouts.names == []
    window.commands.run("layout explore")  # a panel that floats is a window of its own


def test_help_opens_the_documents_and_their_links_lead_on(window: MainWindow, qtbot: QtBot) -> None:
    press(window.plane, Qt.Key.Key_F1, SHIFT)
    page = window.docs_page
    assert page.isVisible()
    assert "The first hour" in page.text.toPlainText()
    page.text.anchorClicked.emit(QUrl("window.md"))
    assert "Drag the probe" in page.text.toPlainText()
    page.text.anchorClicked.emit(QUrl("no-such-page.md"))
    assert "Drag the probe" in page.text.toPlainText()
    page.text.backward()
    assert "The first hour" in page.text.toPlainText()
    page.close()


def test_every_page_can_be_read_in_the_window(qtbot: QtBot) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    reader = DocsPage(parent)
    for page in sorted(documents().glob("*.md")):
        reader.read(page.name)
        first = page.read_text(encoding="utf-8").splitlines()[0].lstrip("# ").replace("`", "")
        assert reader.text.toPlainText().startswith(first)
    reader.close()


def test_about_says_versions_and_leads_to_the_documents(qtbot: QtBot, window: MainWindow) -> None:
    words = about_words()
    for name in ("target-vae", "Python", "Qt", "torch"):
        assert name in words
    box = AboutBox(window)
    QTimer.singleShot(0, box.docs.click)
    assert box.wants_docs()
    box.deleteLater()
