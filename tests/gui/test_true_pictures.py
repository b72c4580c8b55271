"""What the plane, the probe and the cards say is true, on every plane and for every size of z."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.hands import drag
from tests.gui.material import make_hinge_store
from tvae_core.store import Plane
from tvae_gui.main_window import MainWindow
from tvae_gui.state import nearness

Make = Callable[..., MainWindow]
LEFT = Qt.MouseButton.LeftButton


def choose(box: QComboBox, words: str) -> None:
    """Choose an entry of a box with the keyboard."""
    box.setFocus()
    at = box.findText(words, Qt.MatchFlag.MatchFixedString)
    assert at >= 0, [box.itemText(k) for k in range(box.count())]
    QTest.keyClick(box, Qt.Key.Key_Home)
    for _ in range(at):
        QTest.keyClick(box, Qt.Key.Key_Down)
    assert box.currentIndex() == at


def whitened(z: Any, place: Any) -> Any:
    away = z.astype(np.float64) - place
    inverse = np.linalg.pinv(np.atleast_2d(np.cov(z.T)))
    return np.sqrt(np.einsum("ni,ij,nj->n", away, inverse, away))


def is_true(window: MainWindow) -> None:
    """Compare what is said of the probe with distances in the full z."""
    state = window.state
    assert state.store is not None
    assert state.probe is not None
    assert state.nearness is not None
    z, probe = state.store.z_mean, state.probe
    distance = whitened(z, probe.z)
    worst = np.sort(distance)[len(probe.nearest) - 1]
    assert distance[probe.nearest].max() <= worst * 1.001
    low, high = (int((distance <= state.nearness.radius * k).sum()) for k in (0.999, 1.001))
    assert low <= probe.near <= high
    said = window.probe_panel.near_text.replace(",", "").split()[0]
    assert said == (str(probe.near) if probe.near else "no")
    assert window.plane.probe.at == probe.xy


@pytest.mark.parametrize("z_dim", [1, 2, 8, 32])
def test_near_is_measured_in_the_full_z_on_every_plane(
    z_dim: int, make_window: Make, tmp_path: Path, qtbot: QtBot
) -> None:
    path = make_hinge_store(tmp_path / "hinge.h5", images=300, side=16, z_dim=z_dim)
    window = make_window()
    assert window.open(path)
    umap = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32) * 20 + 90
    window.state.add_plane("umap", Plane(umap))
    rng = np.random.default_rng(1)
    window.state.join_columns({"defocus": rng.normal(size=300) * 4e3 + 2e4})
    settle(qtbot, window)
    box = window.inspector.plane_box
    for words in ("latent axes" if z_dim > 1 else "latent axis", "PCA", "any two axes", "UMAP"):
        choose(box, words)
        if words == "any two axes":
            choose(window.inspector.x_box, "defocus")
            choose(window.inspector.y_box, "entropy of q(t, r)")
            assert window.plane.getAxis("bottom").labelText == "defocus"
        x0, x1, y0, y1 = window.state.extent
        places = [(x0 + s * (x1 - x0), y0 + s * (y1 - y0)) for s in (0.3, 0.5, 0.45)]
        drag(window, places)
        is_true(window)
        window.plane.setFocus()
        QTest.keyClick(window.plane, Qt.Key.Key_Right)
        is_true(window)
        window.probe.on_z_moved(z_dim - 1, 25.0)  # far off all data
        is_true(window)
        assert window.state.support_share == 0.0
        drag(window, places)
    # the nearest image of all, clicked, is where the probe then stands
    QTest.mouseClick(window.probe_panel.nearest, LEFT, pos=QPoint(20, 20))
    is_true(window)
    probe = window.state.probe
    assert probe is not None
    assert probe.xy == pytest.approx(umap[probe.nearest[0]], abs=1e-3)


def test_what_is_near_is_exact_once_a_drag_over_very_many_images_rests(
    make_window: Make, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearness, "_QUICK", 0)  # as if there were a million
    monkeypatch.setattr(nearness, "_SOME", 50)
    window = make_window()
    assert window.open(make_hinge_store(tmp_path / "hinge.h5", images=400, side=16, z_dim=8))
    settle(qtbot, window)
    estimates: list[bool] = []
    window.state.probe_moved.connect(
        lambda: estimates.append(window.state.probe is not None and window.state.probe.estimated)
    )
    x0, x1, y0, y1 = window.state.extent
    drag(window, [(x0 + s * (x1 - x0), y0 + s * (y1 - y0)) for s in (0.3, 0.5, 0.45)])
    assert estimates[-1]
    settle(qtbot, window)
    assert window.state.probe is not None
    assert not window.state.probe.estimated
    is_true(window)


def test_pca_comes_first_where_z_has_more_than_two(
    make_window: Make, tmp_path: Path, qtbot: QtBot
) -> None:
    window = make_window()
    assert window.open(make_hinge_store(tmp_path / "hinge.h5", images=100, side=16, z_dim=8))
    assert window.inspector.plane_box.currentText() == "PCA"
    assert window.state.shown is not None
    assert window.state.shown.choice.name == "pca"
    is_true(window)


def test_the_name_of_an_export_says_what_is_in_it(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    window.state.select_indices(range(40))
    window.state.add_set("half open / good")
    window.state.clear_selection()
    QTest.keyClick(window.plane, Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier)
    drawer = window.export_drawer
    assert drawer.isVisible()
    formats = [drawer.format.itemText(k) for k in range(drawer.format.count())]
    choose(drawer.format, next(w for w in formats if w.endswith(", CSV")))
    for words, stem, images in (
        ("all images (600)", "embeddings-all.csv", 600),
        ("half open / good (40)", "embeddings-half-open-good.csv", 40),
    ):
        choose(drawer.source, words)
        target = Path(drawer.target.text())
        assert target.name == stem
        QTest.mouseClick(drawer.button, LEFT)
        qtbot.waitUntil(lambda: "verified" in drawer.outcome, timeout=10_000)
        assert len(target.read_text().splitlines()) == images + 1
    # a name given by hand is kept
    drawer.target.setFocus()
    drawer.target.selectAll()
    QTest.keyClicks(drawer.target, str(tmp_path / "mine.csv"))
    choose(drawer.source, "all images (600)")
    assert Path(drawer.target.text()) == tmp_path / "mine.csv"
