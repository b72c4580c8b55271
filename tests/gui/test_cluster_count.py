"""The clusters card proposes a number, shows what speaks for others, and takes a click on one."""

from __future__ import annotations

from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtTest import QTest
from pytestqt.qtbot import QtBot

from tvae_gui.cards.clusters.cluster_drawer import AUTO_COUNT
from tvae_gui.main_window import MainWindow


def test_a_proposed_number_is_drawn_and_another_can_be_picked(
    window: MainWindow, qtbot: QtBot
) -> None:
    drawer = window.cluster_drawer
    drawer.open_drawer()
    assert not drawer.chart.isVisible()
    drawer.choose("ward", AUTO_COUNT)  # UMAP takes its time
    window.clusters.run("ward", AUTO_COUNT, False)
    qtbot.waitUntil(lambda: window.state.clusters is not None, timeout=30_000)
    proposal = drawer.chart.proposal
    assert proposal is not None
    assert window.state.clusters is not None
    assert len(window.state.clusters.names) == proposal.count
    assert drawer.chart.isVisible()

    plot = drawer.chart.plot
    qtbot.waitUntil(lambda: plot.height() > 50)
    view = plot.getPlotItem().vb
    qtbot.waitUntil(lambda: view.viewRange()[0][0] > 0)
    at = view.mapViewToScene(QPointF(5, 0.5))
    place: QPoint = plot.mapFromScene(at)
    with qtbot.waitSignal(drawer.chart.count_picked) as picked:
        QTest.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert picked.args == [5]
    with qtbot.waitSignal(drawer.run_wanted) as wanted:
        drawer._on_run()
    assert wanted.args[1] == 5
    qtbot.waitUntil(lambda: not drawer.chart.isVisible(), timeout=30_000)
