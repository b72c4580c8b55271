"""Sets combine by drag and by menu, and are applied to another run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QMimeData, QPoint, QPointF, Qt
from PyQt6.QtGui import QDropEvent
from PyQt6.QtWidgets import QApplication, QMenu

from tests.gui.hands import CTRL, click, press
from tests.gui.material import make_hinge_store
from tvae_core.sidecar import load_sidecar
from tvae_core.store import EmbeddingStore
from tvae_gui.main_window import MainWindow


@pytest.fixture
def sets(window: MainWindow) -> MainWindow:
    for name, rows in (("one", range(0, 100)), ("two", range(60, 160))):
        window.state.select_indices(rows)
        window.state.add_set(name)
    window.state.stack.clear()
    window.inspector.ensureWidgetVisible(window.inspector.sets)
    return window


def choose(words: str) -> None:
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    (action,) = [a for a in menu.actions() if a.text() == words]
    click(menu, menu.actionGeometry(action).center())


def drop(window: MainWindow, source: int, target: int) -> None:
    tree = window.inspector.sets
    tree.setCurrentItem(tree.topLevelItem(source))
    at = tree.visualItemRect(tree.topLevelItem(target)).center()
    event = QDropEvent(
        QPointF(at), Qt.DropAction.MoveAction, QMimeData(), Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    tree.dropEvent(event)


@pytest.mark.parametrize(
    ("words", "name", "images"),
    [
        ("“one” or “two”", "one or two", 160),
        ("“one” and “two”", "one and two", 40),
        ("“one” but not “two”", "one but not two", 60),
    ],
)
def test_a_set_dropped_onto_another_is_combined(
    sets: MainWindow, words: str, name: str, images: int
) -> None:
    drop(sets, 0, 1)
    choose(words)
    assert [(s.name, s.count) for s in sets.state.sets][2:] == [(name, images)]
    press(sets, Qt.Key.Key_Z, CTRL)
    assert [s.name for s in sets.state.sets] == ["one", "two"]


def test_the_menu_inverts_and_combines(sets: MainWindow) -> None:
    at = sets.inspector.sets.mapToGlobal(QPoint(5, 5))
    sets.sets.open_menu("one", at)
    choose("Invert")
    sets.sets.open_menu("two", at)
    choose("“two” and “not one”")
    assert [(s.name, s.count) for s in sets.state.sets][2:] == [
        ("not one", 500), ("two and not one", 60)
    ]  # fmt: skip


def test_a_rule_is_applied_to_another_run(window: MainWindow, tmp_path: Path) -> None:
    other = make_hinge_store(tmp_path / "other.h5", images=300, side=16, seed=5)
    rule = {"kind": "range", "column": "z1", "low": 1.0, "high": None}
    window.state.select(rule)
    window.state.add_set("open")
    window.sets.ask_run = lambda: str(other)
    said: list[str] = []
    window.messages.said.connect(lambda _, text, __: said.append(text))
    window.sets.carry("open")
    with EmbeddingStore(other) as store:
        (made,) = load_sidecar(store).sets
        np.testing.assert_array_equal(made.mask, store.z_mean[:, 0] >= 1.0)
    assert (made.name, made.rule) == ("open", rule)
    assert said == [f"“open” holds {made.count} images of other.h5."]
    window.state.select_indices([1, 2])
    window.state.add_set("picked")
    window.sets.carry("picked")
    assert "found in another run by their content, which is not known" in said[-1]
