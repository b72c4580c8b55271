"""Two selections compared, opened by its key and chosen with the mouse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from tests.factories import store_content
from tests.gui.conftest import settle
from tests.gui.hands import click, press
from tests.gui.material import HingeDecoder
from tvae_core.store import write_store
from tvae_gui.main_window import MainWindow


def test_a_set_and_the_rest_differ_in_what_made_the_set(window: MainWindow, qtbot: QtBot) -> None:
    z = window.state.values("z1")
    window.state.select({"kind": "range", "column": "z1", "low": 1.0, "high": None})
    window.state.add_set("open")
    press(window, Qt.Key.Key_D, Qt.KeyboardModifier.ShiftModifier)
    settle(qtbot, window)
    drawer = window.compare_drawer
    assert drawer.isVisible()
    assert drawer.table.item(0, 0).text() == "z1"
    assert drawer.table.item(0, 1).text() == "+1.00"
    medians = [float(np.median(z[z >= 1])), float(np.median(z[z < 1]))]
    shown = [float(drawer.table.item(0, c).text().replace("−", "-")) for c in (2, 3)]
    np.testing.assert_allclose(shown, medians, rtol=0.01)  # three figures
    assert drawer.pictures[0].caption.text() == f"{int((z >= 1).sum())} images"
    images = [picture.pixmap.toImage() for picture in drawer.pictures]
    assert not any(image.isNull() for image in images)
    assert images[0] != images[1]
    click(drawer.table.viewport(), drawer.table.visualItemRect(drawer.table.item(0, 0)).center())
    assert window.state.colour.key == "z1"


def test_with_nothing_to_compare_it_says_so(window: MainWindow, qtbot: QtBot) -> None:
    press(window, Qt.Key.Key_D, Qt.KeyboardModifier.ShiftModifier)
    settle(qtbot, window)
    assert "nothing to compare" in window.compare_drawer._note.text()


def test_a_dimension_that_says_nothing_comes_last_and_says_so(
    make_window: Callable[..., MainWindow], tmp_path: Path, qtbot: QtBot
) -> None:
    content = store_content(images=200, z_dim=2)
    rng = np.random.default_rng(0)
    content.columns["content/mean"] = (rng.normal(size=(200, 2)) * [0.01, 1]).astype(np.float32)
    content.columns["content/std"] = np.tile(np.float32([1, 0.1]), (200, 1))
    write_store(tmp_path / "half.h5", content)
    window = make_window(lambda store: HingeDecoder(store.header.side, store.z_dim))
    assert window.open(tmp_path / "half.h5")
    window.state.select({"kind": "range", "column": "z1", "low": 0.0, "high": None})
    window.state.add_set("half")
    press(window, Qt.Key.Key_D, Qt.KeyboardModifier.ShiftModifier)
    settle(qtbot, window)
    table = window.compare_drawer.table
    names = [table.item(row, 0).text() for row in range(table.rowCount())]
    assert names[-1] == "z1 (unused)"
    assert "z2" in names
