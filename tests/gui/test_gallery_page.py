"""The gallery with keys and the mouse on a shown window."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.factories import particle_store
from tests.gui.conftest import settle
from tests.gui.hands import CTRL, SHIFT, click, press
from tvae_core.particles import read_table
from tvae_gui.gallery.image_grid import ImageGrid
from tvae_gui.main_window import MainWindow

Key = Qt.Key


@pytest.fixture
def grid(window: MainWindow, qtbot: QtBot) -> ImageGrid:
    press(window, Key.Key_G, CTRL)
    settle(qtbot, window)
    made = window.gallery_page.grid
    assert made.isVisible()
    assert QApplication.focusWidget() is made
    return made


def marked(window: MainWindow, name: str) -> list[int]:
    named = window.state.named_set(name)
    return [] if named is None else np.flatnonzero(named.mask).tolist()


def colours_at(grid: ImageGrid, place: int) -> set[str]:
    image = grid.grab().toImage()
    middle = grid.place_of(place).center()
    x, y = middle.x(), middle.y()
    return {image.pixelColor(x + dx, y + dy).name() for dx in (-9, 0, 9) for dy in (0, 9)}


def test_a_pass_without_the_mouse(window: MainWindow, grid: ImageGrid) -> None:
    for key in (Key.Key_K, Key.Key_X, Key.Key_X, Key.Key_K, Key.Key_Right, Key.Key_K):
        press(grid, key)
    assert (marked(window, "kept"), marked(window, "rejected")) == ([0, 3, 5], [1, 2])
    press(grid, Key.Key_U)
    assert marked(window, "kept") == [0, 3]
    press(grid, Key.Key_Z, CTRL)
    press(grid, Key.Key_Z, CTRL)
    assert marked(window, "kept") == [0, 3]
    assert window.gallery_page.words.text() == "2 kept · 2 rejected · 596 undecided"
    assert not window.cluster_drawer.isVisible()  # K is the gallery's here


def test_arrows_page_keys_and_the_mouse_move_and_choose(
    window: MainWindow, grid: ImageGrid
) -> None:
    gallery = window.gallery_state
    press(grid, Key.Key_Down)
    assert gallery.current == grid.columns
    press(grid, Key.Key_End)
    assert gallery.number == 599
    assert grid.viewport().rect().contains(grid.place_of(599))
    press(grid, Key.Key_Home)
    for _ in range(2):
        press(grid, Key.Key_Right, SHIFT)
    assert np.flatnonzero(gallery.chosen).tolist() == [0, 1, 2]
    click(grid.viewport(), grid.place_of(9).center())
    click(grid.viewport(), grid.place_of(12).center(), SHIFT)
    click(grid.viewport(), grid.place_of(10).center(), CTRL)
    assert np.flatnonzero(gallery.chosen).tolist() == [9, 11, 12]
    press(grid, Key.Key_X)
    assert marked(window, "rejected") == [9, 11, 12]
    press(grid, Key.Key_A, CTRL)
    assert gallery.chosen.all()
    press(grid, Key.Key_Escape)
    assert not gallery.chosen.any()
    size = gallery.tile_px
    press(grid, Key.Key_Plus)
    assert gallery.tile_px > size


@pytest.mark.parametrize("picture", ["raw", "upright", "decoded", "residual"])
def test_every_picture_is_drawn(
    window: MainWindow, grid: ImageGrid, qtbot: QtBot, picture: str
) -> None:
    window.gallery_page.picture_box.setCurrentText(picture)
    window.gallery_page.picture_box.textActivated.emit(picture)
    settle(qtbot, window)
    assert all(len(colours_at(grid, place)) > 1 for place in (0, 5, grid.columns + 1))


def test_pictures_are_those_of_the_numbers_listed(window: MainWindow, grid: ImageGrid) -> None:
    window.sorting.choose_sort("error", True)
    numbers = window.gallery_state.order[:20]
    tiles = window.sorting._looks(numbers)
    assert window.state.store is not None
    np.testing.assert_array_equal(tiles.levels, window.state.store.thumbnails("upright", numbers))
    assert tiles.there.all()


def test_the_gallery_points_to_the_plane_and_the_plane_to_the_gallery(
    window: MainWindow, grid: ImageGrid, qtbot: QtBot
) -> None:
    window.resize(1900, 900)
    settle(qtbot, window)
    assert window.plane.isVisible()
    assert grid.isVisible()
    click(grid.viewport(), grid.place_of(7).center())
    assert window.state.shown is not None
    np.testing.assert_allclose(window.plane.lit.at, window.state.shown.xy[7], rtol=1e-6)
    before = grid.grab().toImage()
    window.sorting.on_hovered_on_plane(
        type("Answer", (), {"indices": np.array([3])})()  # what the hover of the plane answers
    )
    assert grid.grab().toImage() != before
    press(window, Key.Key_G, CTRL)
    assert not grid.isVisible()
    assert window.plane.lit.at is None


def test_what_is_chosen_becomes_the_selection(window: MainWindow, grid: ImageGrid) -> None:
    click(grid.viewport(), grid.place_of(4).center())
    click(grid.viewport(), grid.place_of(8).center(), SHIFT)
    click(window.gallery_page.select)
    assert window.state.selection.indices.tolist() == [4, 5, 6, 7, 8]


def test_the_window_stays_as_small_as_a_laptop(window: MainWindow, grid: ImageGrid) -> None:
    window.resize(1280, 720)
    QApplication.processEvents()
    assert (window.width(), window.height()) == (1280, 720)


def test_both_halves_go_out_with_two_clicks(
    star: Path, tmp_path: Path, make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    (tmp_path / "run").mkdir()
    window = make_window()
    assert window.open(particle_store(tmp_path / "run" / "embeddings.h5", star))
    settle(qtbot, window)
    press(window, Key.Key_G, CTRL)
    settle(qtbot, window)
    grid = window.gallery_page.grid
    assert not window.gallery_page.halves.isEnabled()
    for key in (Key.Key_X, Key.Key_Right, Key.Key_X, Key.Key_X):
        press(grid, key)
    target = tmp_path / "kept.star"
    asked: list[Path] = []
    window.halves.ask = lambda proposed, _: (asked.append(proposed), target)[1]
    click(window.gallery_page.halves)
    beside = tmp_path / "kept-rejected.star"
    said: list[str] = []
    window.messages.said.connect(lambda _, text, __: said.append(text))
    qtbot.waitUntil(lambda: bool(said), timeout=20_000)
    assert asked == [tmp_path / "run" / "kept.star"]
    assert said == [f"197 kept → {target}; 3 rejected → {beside}, verified."]
    assert [float(v) for v in read_table(beside).column("rlnAnglePsi")] == [-99.5, -97.5, -96.5]
    assert len(read_table(target)) == 197
    for key in (Key.Key_K, Key.Key_K):
        press(grid, key)
    said.clear()
    click(window.gallery_page.halves)
    qtbot.waitUntil(lambda: bool(said), timeout=20_000)
    assert said == [
        f"2 kept → {target}; 3 rejected → {beside}, verified; 195 unmarked are in neither."
    ]


def test_damaged_thumbnails_are_told_and_the_window_lives(
    make_window: Callable[..., MainWindow], own_store: Path, qtbot: QtBot
) -> None:
    window = make_window()
    assert window.open(own_store)
    os.truncate(own_store, 4096)
    press(window, Key.Key_G, CTRL)
    qtbot.waitUntil(lambda: "end early" in window.message_bar.text, timeout=10_000)
    assert window.isVisible()
