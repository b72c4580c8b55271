"""The evaluation card: the table and the pictures of `evaluation.json` beside the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tvae_core.analysis.evaluation import Row
from tvae_core.evaluation.file import NAME, Evaluation
from tvae_core.figures import confusion_figure
from tvae_gui.main_window import MainWindow

ABOUT = {
    "run": "run",
    "system": "target-vae",
    "parameters": 62_155,
    "reference_parameters": 0,
    "split": "test",
    "images": 100,
    "of": 600,
    "truth": "truth.csv",
}


def write_evaluation(folder: Path, **about: object) -> None:
    rows = [
        Row("clustering/ward/z", "Clustering accuracy", "Ward on z", 0.6543, "", "10 clusters"),
        Row("rotation/plain/rmse", "Rotation", "RMSE", 12.34, "deg", "after the best constant"),
    ]
    (folder / "evaluation").mkdir(exist_ok=True)
    file = "evaluation/confusion.png"
    confusion_figure(folder / file, np.array([[3, 1], [0, 4]]), ["a", "b"], overwrite=True)
    figures = [(file, "Clusters against labels"), ("evaluation/gone.png", "A lost picture")]
    Evaluation(ABOUT | about, rows, figures).save(folder)


def cells(window: MainWindow) -> list[tuple[str, str]]:
    table = window.evaluation_drawer.table
    items = [[table.item(row, column) for column in (0, 1)] for row in range(table.rowCount())]
    return [(name.text(), value.text()) for name, value in items if name and value]


def test_a_run_that_was_not_evaluated_says_how(window: MainWindow) -> None:
    window.commands.refresh()
    action = window.commands.action("evaluation")
    assert not action.isEnabled()
    assert "tvae evaluate" in action.toolTip()


def test_the_evaluation_is_shown_beside_the_plane(window: MainWindow, own_store: Path) -> None:
    write_evaluation(own_store.parent)
    window.commands.refresh()
    window.commands.run("evaluation")
    drawer = window.evaluation_drawer
    assert drawer.isVisible()
    assert cells(window) == [
        ("CLUSTERING ACCURACY", ""),
        ("Ward on z", "0.654"),
        ("ROTATION", ""),
        ("RMSE", "12.3 deg"),
    ]
    item = drawer.table.item(3, 0)
    assert item is not None
    assert item.toolTip() == "after the best constant"
    assert [drawer.choice.itemText(i) for i in range(drawer.choice.count())] == [
        "Clusters against labels"
    ]
    assert drawer.picture.has_image
    texts = {label.text() for label in drawer.findChildren(type(drawer._note))}
    assert "100 test images of 600" in texts


def test_an_evaluation_of_an_earlier_training_says_so(window: MainWindow, own_store: Path) -> None:
    write_evaluation(own_store.parent, weights="0" * 64)
    window.commands.run("evaluation")
    assert "earlier training" in window.evaluation_drawer._note.text()


def test_another_store_closes_the_card_and_a_broken_file_is_told(
    window: MainWindow, own_store: Path, hinge_store: Path, qtbot: QtBot
) -> None:
    write_evaluation(own_store.parent)
    window.commands.run("evaluation")
    window.open(hinge_store)
    settle(qtbot, window)
    assert not window.evaluation_drawer.isVisible()
    window.open(own_store)
    settle(qtbot, window)
    (own_store.parent / NAME).write_text("{}")
    window.commands.run("evaluation")
    assert not window.evaluation_drawer.isVisible()
    assert "evaluat" in window.message_bar.text
