"""Boxes, ticks, tools and messages agree with what is shown, by keys and mouse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QScrollBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from tests.factories import store_content
from tests.gui.conftest import settle
from tests.gui.hands import drag, send, spot
from tests.gui.material import HingeDecoder, make_hinge_store
from tvae_core.planes import PlaneChoice
from tvae_core.store import write_store
from tvae_gui.main_window import MainWindow
from tvae_gui.probe.probe_presenter import with_pose

Make = Callable[..., MainWindow]
LEFT = Qt.MouseButton.LeftButton
CONTROL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


def roll(widget: QWidget) -> None:
    """Turn the wheel over a widget by two notches."""
    at = QPointF(widget.rect().center())
    event = QWheelEvent(
        at, QPointF(widget.mapToGlobal(at.toPoint())), QPoint(0, 0), QPoint(0, 240),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


def value_of(widget: QWidget) -> Any:
    if isinstance(widget, QComboBox):
        return widget.currentIndex()
    return widget.text() if isinstance(widget, QAbstractSpinBox) else widget.value()  # type: ignore[attr-defined]


def test_invert_obeys_the_filter(window: MainWindow) -> None:
    window.plane.setFocus()
    error = window.state.values("error")
    middle = float(np.median(error))
    window.inspector_presenter.filter_to(0.0, middle)
    passing = int((error <= np.float32(middle)).sum())
    window.use_tool("rectangle")
    drag(window, [(-2.5, -1.5), (-1.0, 0.5)])
    some = window.state.selection.count
    QTest.keyClick(window.plane, Qt.Key.Key_I)
    assert window.state.selection.count == passing - some > 0
    window.state.add_set("others")
    assert window.state.sets[-1].reapplied(window.state).count == passing - some


def test_the_grid_and_its_box_agree(window: MainWindow, qtbot: QtBot) -> None:
    box = window.probe_panel._grid
    for key, times in ((Qt.Key.Key_2, 2), (Qt.Key.Key_4, 4), (Qt.Key.Key_1, 1)):
        QTest.keyClick(window.plane, key, CONTROL)
        assert (box.currentData(), window.state.options.grid) == (times, times)
        settle(qtbot, window)
        assert window.probe.values is not None
        assert window.probe.values.shape[0] == 24 * times


def test_the_real_image_is_laid_over_in_the_pose_of_the_decoded_one(
    window: MainWindow, qtbot: QtBot
) -> None:
    tick: QCheckBox = window.probe_panel._overlay
    QTest.mouseClick(tick, LEFT, pos=QPoint(8, tick.height() // 2))
    assert window.state.options.overlay
    dial = window.probe_panel.dial
    QTest.mouseClick(dial, LEFT, pos=QPoint(32, 4))  # a quarter turn
    settle(qtbot, window)
    store, probe = window.state.store, window.state.probe
    assert store is not None
    assert probe is not None
    assert probe.angle_rad == pytest.approx(np.pi / 2, abs=0.05)
    upright = store.thumbnails("upright", probe.nearest[:1])[0]
    wanted = window.context.tones.thumbnail(with_pose(upright, probe.angle_rad, np.zeros(2)))
    assert window.probe_panel.image.overlay == wanted


def test_the_wheel_over_a_panel_changes_no_number(window: MainWindow, qtbot: QtBot) -> None:
    window.state.set_options(grid=2)
    for open_drawer in (window.export.open, window.cluster_drawer.open_drawer, window.poses.open):
        open_drawer()
    kinds = (QAbstractSlider, QAbstractSpinBox, QComboBox)
    found = [w for kind in kinds for w in window.findChildren(kind)]
    found = [w for w in found if not isinstance(w, QScrollBar) and w.isVisible()]
    assert len(found) > 12
    before = [value_of(w) for w in found]
    for widget in found:
        roll(widget)
    assert [value_of(w) for w in found] == before
    settle(qtbot, window)


def test_the_card_of_an_image_goes_away_when_a_drag_begins(
    window: MainWindow, qtbot: QtBot
) -> None:
    assert window.state.store is not None
    x, y = (float(v) for v in window.state.store.z_mean[5])
    send(window, QEvent.Type.MouseMove, spot(window, x, y), button=Qt.MouseButton.NoButton)
    qtbot.waitUntil(window.hover_card.isVisible, timeout=10_000)
    drag(window, [(x, y), (x + 0.4, y), (x + 0.8, y)], release=False)
    settle(qtbot, window)
    assert not window.hover_card.isVisible()
    send(window, QEvent.Type.MouseButtonRelease, spot(window, x + 0.8, y))


def test_a_mode_button_and_ctrl_shift_subtract(window: MainWindow) -> None:
    everything, some = [(-9.0, -9.0), (9.0, 9.0)], [(-2.5, -1.5), (-1.0, 0.5)]
    window.use_tool("rectangle")
    drag(window, some)
    few = window.state.selection.count
    drag(window, everything)
    drag(window, some, CONTROL | SHIFT)
    assert window.state.selection.count == 600 - few
    menu = window.tools.mode.menu()
    assert menu is not None
    menu.popup(window.mapToGlobal(QPoint(400, 200)))
    for action in menu.actions():
        if action.text() == "subtract":
            QTest.mouseClick(menu, LEFT, pos=menu.actionGeometry(action).center())
    assert window.tools.mode.text() == "subtract"
    drag(window, everything)
    assert window.state.selection.count == 0
    drag(window, some, SHIFT)  # a held key counts for more than the button
    assert window.state.selection.count == few


def test_messages_cover_nothing_and_long_names_widen_nothing(
    make_window: Make, hinge_store: Path, tmp_path: Path
) -> None:
    window = make_window()
    long = tmp_path / ("a_very_long_name_of_a_run_" * 8 + ".h5")
    long.write_bytes(hinge_store.read_bytes())
    assert window.open(long)
    window.messages.notice("Something was written to " + "/a_very_long_folder_name" * 20)
    QApplication.processEvents()
    assert window.minimumSizeHint().width() <= 1100
    assert window.width() == 1280
    bar = window.message_bar
    area = bar.geometry().translated(bar.parentWidget().mapTo(window, QPoint(0, 0)))
    for kind in (QAbstractSlider, QAbstractSpinBox, QComboBox, QCheckBox, QWidget):
        for other in window.findChildren(kind):
            inside = bar.isAncestorOf(other) or other.isAncestorOf(bar) or other is bar
            place = other.rect().translated(other.mapTo(window, QPoint(0, 0)))
            if other.isVisible() and not other.isWindow() and not inside:
                assert not area.intersects(place), type(other).__name__
    assert window.top_bar.heading.toolTip() == long.stem


def test_a_latent_that_says_nothing_is_called_so_on_the_plane(
    make_window: Make, tmp_path: Path, own_store: Path
) -> None:
    content = store_content(images=200, z_dim=2)
    rng = np.random.default_rng(0)
    content.columns["content/mean"] = (0.01 * rng.normal(size=(200, 2))).astype(np.float32)
    content.columns["content/std"] = np.ones((200, 2), np.float32)
    write_store(tmp_path / "dead.h5", content)
    window = make_window(lambda store: HingeDecoder(store.header.side, store.z_dim))
    assert window.open(tmp_path / "dead.h5")
    assert window.plane_note.isVisible()
    assert "z is the same for every image (0.00 nats)" in window.plane_note.text()
    assert "unused" in window.plane.getAxis("bottom").labelText
    assert window.open(own_store)
    assert not window.plane_note.isVisible()
    assert window.plane.getAxis("bottom").labelText == "z1"


def test_the_page_of_keys_fits_and_knows_the_mouse(window: MainWindow) -> None:
    QTest.keyClick(window.plane, Qt.Key.Key_F1)
    page = window.keys_page
    assert page.isVisible()
    assert page.width() <= 760
    words = " ".join(label.text() for label in page.findChildren(QWidget) if hasattr(label, "text"))
    assert "Ctrl+Shift + drag" in words
    assert "Zoom to fit" in words
    QTest.keyClick(page, Qt.Key.Key_Escape)
    assert not page.isVisible()


def test_points_are_as_large_on_a_fine_screen(tmp_path: Path) -> None:
    from tvae_core.colours import colour_map
    from tvae_gui.state.point_index import PointIndex
    from tvae_gui.state.raster import ScatterFrame, Window

    index = PointIndex(np.array([[0.25, 0.75]]))
    lone = ScatterFrame(
        index, "magnitude", np.array([255], np.uint8), colour_map("viridis"), None, None, (0, 0, 0)
    )
    areas = [
        int((lone.draw(Window(0, 1, 0, 1, 100 * k, 100 * k, k)).rgba[..., 3] > 0).sum())
        for k in (1, 2)
    ]
    assert areas[1] == pytest.approx(4 * areas[0], rel=0.25)


def test_gallery_card_and_probe_fit_a_small_screen(window: MainWindow, qtbot: QtBot) -> None:
    for key in ("gallery", "why", "walk"):
        window.commands.run(key)
        settle(qtbot, window)
    window.state.choose_plane(PlaneChoice.of_axes("angle", "error"))
    QApplication.processEvents()
    assert window.minimumSizeHint().width() <= 1280
    assert window.width() == 1280
    inside = window.inspector.widget()
    assert inside is not None
    assert inside.width() <= window.inspector.viewport().width()  # no count is cut


def test_the_images_behind_the_points_follow_the_dimensions_off_the_plane(
    make_window: Make, tmp_path: Path, qtbot: QtBot
) -> None:
    window = make_window()
    assert window.open(make_hinge_store(tmp_path / "h.h5", images=200, side=16, z_dim=4))
    window.state.choose_plane(PlaneChoice("z", 2, 3))
    settle(qtbot, window)
    before = window.plane.grab().toImage()
    slider = window.probe_panel._z[0]._slider
    slider.setFocus()
    QTest.keyClick(slider, Qt.Key.Key_End)  # z1 opens the hinge
    settle(qtbot, window)
    qtbot.wait(100)
    settle(qtbot, window)
    keys = list(window.plane_presenter._exact)
    assert len(keys) >= 2
    first, last = (window.plane_presenter._exact[k] for k in (keys[0], keys[-1]))
    assert not np.allclose(first[0], last[0])
    assert window.plane.grab().toImage() != before
