"""What is written on the screen says what is shown: colours, ranges, units, criteria, buttons."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QAbstractButton, QWidget
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.hands import CTRL, click, press, ring
from tests.gui.hands import drag as drag_on_plane
from tests.gui.hands import spot as spot_on_plane
from tvae_core.colours import CLASS_COLOURS, UNASSIGNED_COLOUR, rgb_of
from tvae_core.images.registry import readable
from tvae_gui.cards.average.frc_chart import CRITERION, FrcChart, RingCurve
from tvae_gui.frame.message_bar import MessageBar
from tvae_gui.main_window import MainWindow
from tvae_gui.state.made_state import MARKS
from tvae_gui.state.scatter_frame import table_of
from tvae_gui.widgets.curve_chart import CurveChart
from tvae_gui.widgets.image_panel import scale_bar_of

Key = Qt.Key
LESS, MORE = (64, 148, 255), (255, 158, 44)


def in_sight(widget: QWidget) -> bool:
    """Return whether the whole of a widget is on its window, cut by nothing it lies in."""
    return widget.isVisible() and widget.visibleRegion().boundingRect() == widget.rect()


def test_marks_have_no_colour_of_a_cluster() -> None:
    taken = [rgb_of(text) for text in (*CLASS_COLOURS, UNASSIGNED_COLOUR)]
    marks = [rgb_of(text) for text in MARKS.values()]
    for mark in marks:
        others = [*taken, *(other for other in marks if other != mark)]
        assert min(np.linalg.norm(np.subtract(mark, other)) for other in others) > 25


def test_marks_of_an_older_run_take_the_colours_of_marks(
    make_window: Callable[..., MainWindow], own_store: Path, qtbot: QtBot
) -> None:
    first = make_window()
    assert first.open(own_store)
    first.state.mark_images(np.array([1, 2]), "kept")
    first.state.change_set("kept", "colour", colour=CLASS_COLOURS[0])
    first.close()
    second = make_window()
    assert second.open(own_store)
    settle(qtbot, second)
    again = second.state.named_set("kept")
    assert again is not None
    assert (again.colour, again.count) == (MARKS["kept"], 2)


def test_density_has_one_direction_in_both_themes(window: MainWindow) -> None:
    density = window.state.columns[0]
    assert density.kind == "density"
    pictures = []
    for theme in ("dark", "light"):
        window.apply_theme(theme)
        pictures.append(table_of(window.state, density).copy())
    np.testing.assert_array_equal(*pictures)


def test_residual_tiles_are_signed_and_the_foot_says_how_far(
    window: MainWindow, qtbot: QtBot
) -> None:
    press(window, Key.Key_G, CTRL)
    page = window.gallery_page
    page.picture_box.textActivated.emit("residual")
    settle(qtbot, window)
    assert re.search(r"residual: blue −[\d.]+, orange \+[\d.]+", page.words.text())
    tiles = window.sorting._looks(np.arange(4))
    colours = {int(tiles.table[level]) & 0xFFFFFF for level in (0, 255)}
    assert colours == {(r << 16) | (g << 8) | b for r, g, b in (LESS, MORE)}
    page.picture_box.textActivated.emit("raw")
    assert "residual" not in page.words.text()


def test_residuals_say_their_range_wherever_they_are(window: MainWindow, qtbot: QtBot) -> None:
    window.state.select({"kind": "range", "column": "z1", "low": 1.0, "high": None})
    settle(qtbot, window)
    assert re.fullmatch(r"residual ±[\d.]+", window.gallery.residual.words)
    image = window.gallery.residual.image
    assert image is not None
    pixel = image.pixelColor(0, 0)
    assert abs(pixel.red() - pixel.blue()) < 60  # nothing there: near the dark middle, not mid-grey
    assert pixel.lightness() < 100
    press(window.plane, Key.Key_Y)
    settle(qtbot, window)
    assert re.fullmatch(r"residual ±[\d.]+", window.why_drawer.pictures["residual"].words)
    window.commands.run("compare")
    settle(qtbot, window)
    assert re.fullmatch(r"difference ±[\d.]+", window.compare_drawer.pictures[2].caption.text())


@pytest.mark.parametrize(
    ("most_px", "pixel", "words"),
    [(40, 3.0, "100 Å"), (400, 3.0, "1,000 Å"), (40, 0.02, "0.5 Å"), (90, 6500, "50 µm")],
)
def test_lengths_are_in_angstrom(most_px: float, pixel: float, words: str) -> None:
    assert scale_bar_of(most_px, pixel)[1] == words


def test_the_criterion_of_the_ring_correlation_is_named_at_its_line(qtbot: QtBot) -> None:
    chart = FrcChart()
    qtbot.addWidget(chart)
    frequency = np.linspace(0.05, 0.5, 10)
    chart.show_curves([RingCurve("a", frequency, 1 - frequency, "#3f90da")], 3.0)
    assert chart.criterion.label.toPlainText() == CRITERION
    assert chart.criterion.value() == pytest.approx(0.143)


def test_curves_of_a_run_name_their_axis_and_unit(qtbot: QtBot) -> None:
    chart = CurveChart("KL", "nats", narrow=True)
    qtbot.addWidget(chart)
    from tvae_gui.widgets.curve_chart import Curve

    chart.set_curves([Curve("angle", np.arange(1.0, 9.0), np.arange(8.0))])
    assert chart.plot.getAxis("bottom").labelText == "epoch"
    assert chart._unit.text() == "nats"


@pytest.mark.parametrize(
    ("card", "words"), [("export", "Export "), ("averages", "Average "), ("field", "Open an image")]
)
def test_the_button_of_a_card_stays_in_sight_on_a_small_screen(
    window: MainWindow, qtbot: QtBot, card: str, words: str
) -> None:
    window.resize(1280, 720)
    window.state.select({"kind": "range", "column": "z1", "low": 1.0, "high": None})
    settle(qtbot, window)
    window.commands.run(card)
    settle(qtbot, window)
    found = [
        b for b in window.cards[card].findChildren(QAbstractButton) if b.text().startswith(words)
    ]
    assert found
    assert in_sight(found[0])


def test_the_selection_takes_a_line_until_there_is_one(window: MainWindow, qtbot: QtBot) -> None:
    assert window.gallery.height() <= 44
    tall = window.plane.height()
    press(window.plane, Key.Key_L)
    settle(qtbot, window)
    drawing = window.plane.height()
    assert drawing < tall
    drag_on_plane(window, ring(0.35, 0.9, 0.8, 0.6), release=False)
    assert window.plane.height() == drawing  # nothing moves under a hand that draws
    drag_on_plane(window, ring(0.35, 0.9, 0.8, 0.6))
    settle(qtbot, window)
    assert window.gallery.average.isVisible()
    assert window.state.selection.count > 0
    press(window.plane, Key.Key_V)
    assert window.gallery.average.isVisible()
    window.state.clear_selection()
    settle(qtbot, window)
    assert window.gallery.height() <= 44
    assert window.plane.height() == tall


def test_a_path_puts_the_probe_on_its_first_frame_and_names_the_start(
    window: MainWindow, qtbot: QtBot
) -> None:
    press(window.plane, Key.Key_P)
    for x, y in ((-1.5, -0.4), (0.3, 0.8), (1.6, -0.5)):
        click(window.plane.viewport(), spot_on_plane(window, x, y))
    press(window.plane, Key.Key_V)
    settle(qtbot, window)
    assert window.path_state.exists
    probe = window.state.probe
    assert probe is not None
    np.testing.assert_allclose(probe.z[:2], window.path_state.places()[0], atol=0.05)
    press(window.plane, Key.Key_W)
    settle(qtbot, window)
    assert window.film_strip.frames._at == 0


def test_long_lists_in_a_message_are_folded_until_asked_for(qtbot: QtBot) -> None:
    bar = MessageBar()
    qtbot.addWidget(bar)
    endings = f"{' '.join(f'.e{n}' for n in range(27))} -ubyte idx3-byte .tar.gz"
    said = f"A text file, which is not read — notes.txt. These are: {endings}, or a folder."
    bar.show_message("error", said)
    assert bar.text == said
    assert bar.shown.endswith("These are: .e0 .e1 .e2 .e3 and 26 more, or a folder.")
    more = next(b for b in bar.findChildren(QAbstractButton) if b.text() == "Show all")
    assert more.isVisible()
    click(more)
    assert bar.shown == said
    assert not more.isVisible()
    bar.show_message("notice", "Kept .mrcs and .star as they are.")
    assert bar.shown == bar.text
    assert not more.isVisible()


def test_what_is_read_is_folded_as_it_is_said_today(qtbot: QtBot) -> None:
    bar = MessageBar()
    qtbot.addWidget(bar)
    bar.show_message("error", f"Not read. These are: {readable()}, runs, stores and CSV tables.")
    assert len(bar.shown) < 140
    assert bar.shown.endswith("more, or a folder of pictures, runs, stores and CSV tables.")
    assert bar.shown.count("more") == 1


def test_the_words_over_a_difference_fit_on_a_small_screen(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.resize(1280, 720)
    settle(qtbot, window)
    press(window.plane, Key.Key_B)
    QTest.keyPress(window.plane, Key.Key_D)
    image = window.probe_panel.image
    assert image.state.startswith("blue −")
    words = image.fontMetrics().horizontalAdvance(f"●  {image.state}")
    assert words < image.width() - 16
    QTest.keyRelease(window.plane, Key.Key_D)


def test_windows_of_runs_grow_with_a_large_window(
    make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window = make_window()
    window.resize(2560, 1440)
    window.training.open_runs()
    runs = window.training._list
    assert runs is not None
    assert runs.width() >= 0.7 * window.width()
    assert runs.height() >= 0.7 * window.height()
    runs.close()
    window.training.open_dialog()
    dialog = next(iter(window.training._dialogs))
    assert dialog.width() >= 0.7 * window.width()
    dialog.close()
