"""The plane and the page beside it: one at a time where it is narrow, halves where it is wide."""

from __future__ import annotations

from PyQt6.QtCore import QSize
from PyQt6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from tvae_gui.frame.stage import BOTH_PX, FIELD, GALLERY, Stage


class Shy(QWidget):
    """Asks for no room, as a picture does."""

    def sizeHint(self) -> QSize:
        return QSize(10, 10)


def test_what_stands_side_by_side_begins_with_a_half_each(qtbot: QtBot) -> None:
    plane, gallery, field = QWidget(), QWidget(), Shy()
    stage = Stage(plane, gallery, field)
    qtbot.addWidget(stage)
    stage.resize(BOTH_PX + 300, 500)
    stage.show()
    for name, page in ((FIELD, field), (GALLERY, gallery)):
        stage.show_page(name)
        assert plane.isVisible()
        assert page.isVisible()
        assert abs(page.width() - plane.width()) <= 10
    stage.setSizes([900, 500, 0])
    widths = plane.width(), gallery.width()
    stage.resize(BOTH_PX + 300, 600)
    assert (plane.width(), gallery.width()) == widths  # as the hand left it
    stage.resize(BOTH_PX - 100, 500)
    assert not plane.isVisible()
    stage.show_plane()
    assert plane.isVisible()
    assert not gallery.isVisible()
