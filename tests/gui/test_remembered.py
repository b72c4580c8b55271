"""What one looked at is there again when the run is opened another day."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.hands import drag
from tvae_core.analysis.invariance import Measure
from tvae_core.analysis.trust import InvarianceReport
from tvae_gui.main_window import MainWindow

Make = Callable[..., MainWindow]
CONTROL = Qt.KeyboardModifier.ControlModifier


def report() -> InvarianceReport:
    nan = float("nan")
    measures = (Measure("turns", 40, 0.02, 0.01, nan, 3.0, 2.0, 0.01, 0.3, 0.2),)
    return InvarianceReport("run", 40, 24, None, 1.0, 2, 2, {"C1": 40}, 0.5, measures, 1.5)


def test_a_report_on_poses_survives_being_written_as_json() -> None:
    again = InvarianceReport.from_dict(report().as_dict())
    assert again.judgements == report().judgements
    assert again.as_dict() == report().as_dict()


def test_plane_colour_filters_probe_verdict_and_cards_come_back(
    window: MainWindow, own_store: Path, make_window: Make, qtbot: QtBot
) -> None:
    window.inspector.plane_box.setFocus()
    QTest.keyClick(window.inspector.plane_box, Qt.Key.Key_Down)  # PCA
    window.plane.setFocus()
    QTest.keyClick(window.plane, Qt.Key.Key_3)
    window.state.set_filter("error", (0.0, 0.05))
    drag(window, [(0.2, 0.1), (0.4, 0.3)])
    dial = window.probe_panel.dial
    QTest.mouseClick(dial, Qt.MouseButton.LeftButton, pos=QPoint(32, 4))
    QTest.keyClick(window.plane, Qt.Key.Key_2, CONTROL)
    window.poses.trust.set_report(report())
    window.cluster_drawer.open_drawer()
    settle(qtbot, window)
    was, colour = window.state.probe, window.state.colour.key
    assert was is not None
    verdict = window.poses.trust.short
    window.close()

    again = make_window()
    assert again.open(own_store)
    settle(qtbot, again)
    state = again.state
    assert state.shown is not None
    assert state.probe is not None
    assert (state.shown.choice.name, state.colour.key) == ("pca", colour)
    assert dict(state.filters) == {"error": (0.0, 0.05)}
    np.testing.assert_allclose(state.probe.z, was.z, atol=1e-6)
    assert state.probe.angle_rad == pytest.approx(was.angle_rad)
    assert state.options.grid == 2
    assert again.probe_panel._grid.currentData() == 2
    assert again.poses.trust.short == verdict != "not tested yet"
    assert again.cluster_drawer.isVisible()
    assert not again.export_drawer.isVisible()


def test_a_run_only_looked_at_writes_nothing(
    make_window: Make, own_store: Path, qtbot: QtBot
) -> None:
    window = make_window()
    assert window.open(own_store)
    settle(qtbot, window)
    window.close()
    assert [p.name for p in own_store.parent.iterdir()] == [own_store.name]


def test_the_panels_stay_where_they_were_put(make_window: Make, own_store: Path) -> None:
    window = make_window()
    assert window.open(own_store)
    dock = window.page.docks["probe"]
    window.page.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
    window.page.docks["selection"].hide()
    window.close()
    again = make_window()
    assert again.open(own_store)
    page = again.page
    assert page.dockWidgetArea(page.docks["probe"]) == Qt.DockWidgetArea.LeftDockWidgetArea
    assert page.docks["selection"].isHidden()
    page.arrange("explore")
    assert page.dockWidgetArea(page.docks["probe"]) == Qt.DockWidgetArea.RightDockWidgetArea
    assert page.docks["selection"].isVisible()


def test_no_card_covers_plane_or_selection(window: MainWindow, qtbot: QtBot) -> None:
    for key, card in window.cards.items():
        if key == "evaluation":
            continue
        window.commands.run(key)
        settle(qtbot, window)
        assert card.isVisible()
        area = card.rect().translated(card.mapToGlobal(QPoint(0, 0)))
        for other in (window.plane, window.gallery):
            assert not area.intersects(other.rect().translated(other.mapToGlobal(QPoint(0, 0))))
        QTest.keyClick(card, Qt.Key.Key_Escape)
        assert not card.isVisible()
