"""Whatever is grey says why, in every state of the window."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QMenu,
    QScrollBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from tvae_gui.main_window import MainWindow
from tvae_gui.training.train_dialog import TrainDialog

_CONTROLS = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit)


def silent(window: QWidget) -> Iterator[str]:
    """Give the grey controls and menu entries that do not say why."""
    for kind in _CONTROLS:
        for widget in window.findChildren(kind):
            parts_of = isinstance(widget.parentWidget(), QAbstractSpinBox | QComboBox)
            if isinstance(widget, QScrollBar) or parts_of or not widget.isVisible():
                continue
            if not widget.isEnabled() and not widget.toolTip():
                yield f"{type(widget).__name__} {widget.accessibleName() or widget.objectName()}"
    for menu in window.findChildren(QMenu):
        for action in menu.actions():
            plain = action.text().replace("&", "")
            if not action.isEnabled() and action.toolTip() in ("", plain, plain.rstrip("…")):
                yield plain


def test_with_nothing_open(make_window: Callable[..., MainWindow]) -> None:
    window = make_window()
    window.commands.refresh()
    assert not window.top_bar.export_button.isEnabled()
    assert list(silent(window)) == []
    window.top_bar.export_button.setToolTip("")
    assert len(list(silent(window))) == 1


@pytest.mark.parametrize("drawer", ["cluster_drawer", "export"])
def test_with_a_store_open(window: MainWindow, drawer: str) -> None:
    window.cluster_drawer.open_drawer() if drawer == "cluster_drawer" else window.export.open()
    window.commands.refresh()
    assert list(silent(window)) == []
    for number in range(window.export_drawer.format.count()):
        window.export_drawer.format.setCurrentIndex(number)
        assert list(silent(window)) == []
    window.cluster_drawer.choose("hdbscan", 3)
    assert list(silent(window)) == []


def test_with_a_path_of_one_point(window: MainWindow) -> None:
    window.path_state.add_anchor(*np.zeros(2))
    window.commands.refresh()
    assert list(silent(window)) == []


def test_in_the_dialog_of_a_new_run(make_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    window = make_window()
    window.training.open_dialog()
    (dialog,) = (w for w in window.findChildren(TrainDialog) if w.isVisible())
    assert list(silent(dialog)) == []
