"""Originals behind the thumbnails of a gallery, on a shown window with keys, wheel and mouse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.core.work.test_originals import COUNT, SIDE, SMALL, soft_images, store_of
from tests.gui.conftest import settle
from tests.gui.hands import CTRL, press
from tests.gui.material import HingeDecoder
from tvae_core.errors import ImageFileError
from tvae_core.work.originals import Originals
from tvae_gui.main_window import MainWindow

Key = Qt.Key
TILE = 60  # pixels, drawn of thumbnails of 16


@pytest.fixture
def images() -> Any:
    return soft_images()


@pytest.fixture
def gallery(
    tmp_path: Path, images: Any, make_window: Callable[..., MainWindow], qtbot: QtBot
) -> MainWindow:
    """A window with the gallery of twelve images of 65 px open, in tiles of their own size."""
    window = make_window(lambda store: HingeDecoder(store.header.side, store.z_dim))
    assert window.open(store_of(tmp_path, images, f"data.downsample_px={SMALL}"))
    settle(qtbot, window)
    window.gallery_state.set_looks(picture="raw", tile_px=TILE)
    return window


def drawn(window: MainWindow, place: int) -> Any:
    """Return the grey levels (h, w) that the screen shows of an image."""
    grid = window.gallery_page.grid
    image = grid.viewport().grab().toImage()
    where = grid.place_of(place)
    return np.array(
        [
            [image.pixelColor(where.x() + x, where.y() + y).red() for x in range(4, TILE - 4)]
            for y in range(4, TILE - 4)
        ],
        dtype=float,
    )


def first_drawn(window: MainWindow, place: int, qtbot: QtBot) -> Any:
    """Return the first picture that is shown of an image; thumbnails, too, may take a moment."""
    seen: list[Any] = []

    def is_there() -> bool:
        seen.append(drawn(window, place))
        return bool(seen[-1].std() > 5)

    qtbot.waitUntil(is_there)
    return seen[-1]


def painted(window: MainWindow, qtbot: QtBot) -> None:
    """Wait until the page is painted and all it asked for has come."""
    window.gallery_page.grid.viewport().repaint()
    settle(qtbot, window)


def detail(levels: Any) -> float:
    """Return how much neighbours differ: what a thumbnail enlarged does not have."""
    return float(np.abs(np.diff(levels, axis=1)).mean())


def test_thumbnails_come_at_once_and_originals_behind_them(
    gallery: MainWindow, images: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    press(gallery, Key.Key_G, CTRL)
    at_once = first_drawn(gallery, 3, qtbot)
    painted(gallery, qtbot)
    behind = drawn(gallery, 3)
    assert detail(behind) > 2 * detail(at_once)
    assert abs(behind.mean() - at_once.mean()) < 3  # of 255: nothing jumps
    with Originals(tmp_path / "embeddings.h5") as originals:
        own = originals.read("raw", np.array([3]), 64)[0].astype(float)
    rows = np.round((np.arange(4, TILE - 4) + 0.5) * 64 / TILE - 0.5).astype(int)
    low, high = gallery.context.tones.thumbnails
    shown = np.clip((own[np.ix_(rows, rows)] - low) / (high - low), 0, 1) * 255
    assert np.corrcoef(shown.ravel(), behind.ravel())[0, 1] > 0.9


def test_upright_originals_are_turned_as_their_thumbnails(
    gallery: MainWindow, qtbot: QtBot
) -> None:
    press(gallery, Key.Key_G, CTRL)
    gallery.gallery_page.picture_box.textActivated.emit("upright")
    at_once = first_drawn(gallery, 5, qtbot)
    painted(gallery, qtbot)
    behind = drawn(gallery, 5)
    assert detail(behind) > 1.2 * detail(at_once)
    soft = [np.mean(part.reshape(13, 4, 13, 4), axis=(1, 3)).ravel() for part in (at_once, behind)]
    assert np.corrcoef(*soft)[0, 1] > 0.9


def test_small_tiles_and_decoded_ones_read_no_originals(gallery: MainWindow, qtbot: QtBot) -> None:
    asked: list[Any] = []
    gallery.context.originals.ask = lambda *what: asked.append(what)  # type: ignore[method-assign]
    press(gallery, Key.Key_G, CTRL)
    gallery.gallery_state.set_looks(picture="decoded")
    painted(gallery, qtbot)
    gallery.gallery_page.grid.devicePixelRatioF = lambda: 0.25  # type: ignore[method-assign]
    gallery.gallery_state.set_looks(picture="raw")
    painted(gallery, qtbot)
    assert asked == []
    gallery.gallery_page.grid.devicePixelRatioF = lambda: 0.5  # type: ignore[method-assign]
    gallery.gallery_state.set_looks(picture="raw")
    painted(gallery, qtbot)
    assert [what[:2] for what in asked] == [("raw", 32)]  # a finer screen needs them


def test_what_scrolls_out_of_view_is_not_read(gallery: MainWindow, qtbot: QtBot) -> None:
    reads: list[list[int]] = []
    job = gallery.context.originals
    ask, drop = job.ask, job.drop
    dropped: list[bool] = []
    job.ask = lambda kind, side, n: (reads.append(n.tolist()), ask(kind, side, n))  # type: ignore[method-assign, assign]
    job.drop = lambda: (dropped.append(True), drop())  # type: ignore[method-assign, assign]
    gallery.gallery_state.set_looks(tile_px=256)
    press(gallery, Key.Key_G, CTRL)
    painted(gallery, qtbot)
    grid = gallery.gallery_page.grid
    first, dropped[:] = grid.in_view.tolist(), []
    assert reads == [first]
    assert len(first) < COUNT
    press(grid, Key.Key_End)
    assert dropped  # at once, before the new view has rested
    painted(gallery, qtbot)
    assert set(reads[1]) == set(grid.in_view.tolist()) - set(first)


@pytest.mark.parametrize("fault", ["changed", "gone"])
def test_a_source_that_is_not_what_it_was_leaves_thumbnails_and_is_told_once(
    gallery: MainWindow, images: Any, tmp_path: Path, qtbot: QtBot, fault: str
) -> None:
    if fault == "gone":
        (tmp_path / "images.npy").unlink()
    else:
        images[3] += 5
        np.save(tmp_path / "images.npy", images)
    said: list[str] = []
    gallery.messages.said.connect(lambda level, text, _: said.append(f"{level}: {text}"))
    press(gallery, Key.Key_G, CTRL)
    before = [drawn(gallery, place) for place in (2, 3)]
    painted(gallery, qtbot)
    after = [drawn(gallery, place) for place in (2, 3)]
    np.testing.assert_array_equal(after[1], before[1])
    assert np.array_equal(after[0], before[0]) == (fault == "gone")
    assert len(said) == 1
    assert said[0].startswith("notice: Thumbnails stay in place of originals: ")
    assert ("image 3" if fault == "changed" else "no such file") in said[0]
    press(gallery, Key.Key_G, CTRL)
    press(gallery, Key.Key_G, CTRL)
    painted(gallery, qtbot)
    assert len(said) == 1


def test_images_that_come_back_are_shown_when_the_gallery_is_opened_again(
    gallery: MainWindow, images: Any, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "images.npy").unlink()
    press(gallery, Key.Key_G, CTRL)
    painted(gallery, qtbot)
    soft = drawn(gallery, 1)
    np.save(tmp_path / "images.npy", images)
    press(gallery, Key.Key_G, CTRL)
    press(gallery, Key.Key_G, CTRL)
    painted(gallery, qtbot)
    assert detail(drawn(gallery, 1)) > 2 * detail(soft)


def test_a_slow_source_holds_nothing_up_and_the_window_closes(
    gallery: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    may_go, reading = threading.Event(), threading.Event()

    def slow(*_: Any) -> Any:
        reading.set()
        may_go.wait(20)
        raise ImageFileError("a disk that was taken away", "images.npy", "")

    monkeypatch.setattr(Originals, "read", slow)
    press(gallery, Key.Key_G, CTRL)
    qtbot.waitUntil(reading.is_set, timeout=10_000)
    grid = gallery.gallery_page.grid
    press(grid, Key.Key_K)
    press(grid, Key.Key_X)
    assert gallery.gallery_page.words.text() == "1 kept · 1 rejected · 10 undecided"
    assert drawn(gallery, 3).std() > 5
    may_go.set()
    painted(gallery, qtbot)
    QApplication.processEvents()
    assert grid.place_at(grid.place_of(2).center() + QPoint(1, 1)) == 2
    assert SIDE > SMALL
