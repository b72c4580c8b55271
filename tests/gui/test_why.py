"""Why is this image here: one card with all there is to see of an image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from pytestqt.qtbot import QtBot

from tests.core.engine.runs import tiny_run, write_images
from tests.gui.conftest import settle
from tvae_core.engine.training.train import train
from tvae_core.engine.using.embed import embed
from tvae_core.images_of import open_prepared_of
from tvae_core.work.why import Attention, why
from tvae_gui.cards.why.why_presenter import glow
from tvae_gui.jobs.decode_job import engine_decoder
from tvae_gui.main_window import MainWindow

Make = Callable[..., MainWindow]
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("why")
    made = tiny_run(folder / "run", write_images(folder), "train.epochs=1")
    for _ in train(made):
        pass
    if not made.store.exists():
        for _ in embed(made):
            pass
    return made.path


def test_attention_is_a_distribution_over_shifts_and_rotations(run: Path) -> None:
    found = why(run / "embeddings.h5", 3)
    assert found.attention is not None
    assert found.attention.shift.sum() == pytest.approx(1, abs=1e-4)
    assert found.attention.rotation.sum() == pytest.approx(1, abs=1e-4)


def test_the_glow_lies_where_the_model_looks() -> None:
    shift = np.zeros((5, 5), np.float32)
    shift[0, 4] = 1.0  # top right: two cells right, two up
    image = glow(np.zeros((21, 21)), Attention(shift, np.ones(1), 3.0))
    assert image.pixelColor(10 + 6, 10 - 6).red() > 100
    assert image.pixelColor(10 - 6, 10 + 6).red() == 0


def test_y_explains_the_image_at_the_probe_with_a_real_model(
    run: Path, make_window: Make, qtbot: QtBot
) -> None:
    window = make_window(engine_decoder)
    assert window.open(run)
    settle(qtbot, window)
    window.plane.setFocus()
    QTest.keyClick(window.plane, Qt.Key.Key_Y)
    card = window.why_drawer
    assert card.isVisible()
    settle(qtbot, window)
    assert all(picture.image is not None for picture in card.pictures.values())
    state, store = window.state, window.state.store
    assert store is not None
    assert state.probe is not None
    number = window.why.number
    assert number == state.probe.nearest[0]
    with open_prepared_of(store) as images:
        raw = images.read(np.array([number]))[0, 0]
    found = why(Path(store.path), number)
    np.testing.assert_allclose(found.raw, raw, atol=1e-6)
    np.testing.assert_allclose(
        found.attention.rotation if found.attention else 0,
        store.column("posterior/rotation")[number], atol=1e-4,
    )  # fmt: skip
    error = state.values("error")
    assert f"{100 * (error < error[number]).mean():.0f} % of images" in card.text
    # a click on a neighbour explains that one
    assert state.nearness is not None
    _, found_near, _ = state.nearness.around(store.z_mean[number], 6)
    QTest.mouseClick(card.nearest, LEFT, pos=QPoint(20, 20))
    assert window.why.number == next(n for n in found_near if n != number)
    settle(qtbot, window)


def test_without_the_images_thumbnails_are_shown_and_it_is_said(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.state.select_indices([7])
    QTest.keyClick(window.plane, Qt.Key.Key_Y)
    settle(qtbot, window)
    card = window.why_drawer
    assert window.why.number == 7
    assert card.pictures["residual"].image is not None
    assert card.pictures["where: q(t)"].image is None
    assert "Where the model looks cannot be shown" in card.text
