"""The film strip and the difference under the cursor, by keys and mouse."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPoint, Qt
from PyQt6.QtGui import QImage
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.hands import drag, send, spot
from tests.gui.material import HingeDecoder, make_hinge_store
from tvae_core.export.movies import why_no_mp4
from tvae_gui.main_window import MainWindow

Make = Callable[..., MainWindow]
LEFT = Qt.MouseButton.LeftButton


def walking(window: MainWindow, qtbot: QtBot) -> None:
    window.plane.setFocus()
    QTest.keyClick(window.plane, Qt.Key.Key_W)
    assert window.film_strip.isVisible()
    settle(qtbot, window)
    assert len(window.film_strip.frames.images) == window.film_strip.room


def test_the_strip_follows_the_probe_while_it_is_dragged(window: MainWindow, qtbot: QtBot) -> None:
    walking(window, qtbot)
    before = window.film_strip.frames.images[0].copy()
    drag(window, [(-1.5, -0.5), (-0.5, 1.4)], release=False)
    during = window.film_strip.frames.images[0].copy()
    assert during != before  # still dragging
    send(window, QEvent.Type.MouseButtonRelease, spot(window, -0.5, 1.4))
    settle(qtbot, window)
    assert window.state.probe is not None
    z = window.state.probe.z
    # a click on the last frame puts the probe at the far end of z1, and holds z2
    frames = window.film_strip.frames
    QTest.mouseClick(frames, LEFT, pos=QPoint(frames.width() - 4, 20))
    assert window.state.probe.z[0] > z[0] + 1
    assert window.state.probe.z[1] == z[1]


@pytest.mark.parametrize("z_dim", [1, 8, 32])
def test_there_is_a_walk_along_every_dimension(
    z_dim: int, make_window: Make, tmp_path: Path, qtbot: QtBot
) -> None:
    window = make_window()
    assert window.open(make_hinge_store(tmp_path / "h.h5", images=120, side=16, z_dim=z_dim))
    settle(qtbot, window)
    walking(window, qtbot)
    box = window.film_strip._way
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_End)
    assert box.currentText() == f"z{z_dim}"
    settle(qtbot, window)
    assert len(window.film_strip.frames.images) == window.film_strip.room
    QTest.keyClick(window.plane, Qt.Key.Key_W)
    assert not window.film_strip.isVisible()


def test_a_drawn_path_is_walked_and_saved_as_every_kind(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walking(window, qtbot)
    QTest.keyClick(window.plane, Qt.Key.Key_P)
    for x, y in ((-1.7, -0.5), (0.35, 0.9), (1.7, -0.5)):
        QTest.mouseClick(window.plane.viewport(), LEFT, pos=spot(window, x, y))
    settle(qtbot, window)
    assert window.film_strip.way == "path"
    kinds = ["gif", "strip", "csv"] + ([] if why_no_mp4() else ["mp4"])
    for kind in kinds:
        ending = "png" if kind == "strip" else kind
        target = tmp_path / f"walk.{ending}"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, t=target: (str(t), ""))
        window.film_strip._saves[kind].trigger()
        qtbot.waitUntil(lambda t=target: t.exists(), timeout=20_000)
        settle(qtbot, window)
    assert QImage(str(tmp_path / "walk.png")).width() == 11 * 24
    with open(tmp_path / "walk.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 60
    assert float(rows[0]["z1"]) == pytest.approx(-1.7, abs=0.02)
    assert float(rows[-1]["z1"]) == pytest.approx(1.7, abs=0.02)


def test_holding_d_shows_what_changes_from_the_kept_image(window: MainWindow, qtbot: QtBot) -> None:
    drag(window, [(-1.7, -0.5), (-1.6, -0.5)])
    settle(qtbot, window)
    QTest.keyClick(window.plane, Qt.Key.Key_B)
    assert window.state.probe is not None
    kept = window.state.probe.z.copy()
    QTest.keyPress(window.plane, Qt.Key.Key_D)
    assert window.probe_panel.image.state.startswith("blue −")
    np.testing.assert_array_equal(window.probe.difference(), 0)
    drag(window, [(-1.6, -0.5), (0.35, 0.9)], release=False)
    assert window.probe_panel.image.state.endswith("· preview")
    send(window, QEvent.Type.MouseButtonRelease, spot(window, 0.35, 0.9))
    settle(qtbot, window)
    decoder = HingeDecoder(24)
    truth = decoder.decode(window.state.probe.z)[0] - decoder.decode(kept)[0]
    np.testing.assert_allclose(window.probe.difference(), truth, atol=1e-5)
    QTest.keyRelease(window.plane, Qt.Key.Key_D)
    assert window.probe_panel.image.state == "exact"
