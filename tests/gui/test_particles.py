"""Particles in the window: coloured by their table, exported as the rows they came from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtGui import QStandardItemModel
from pytestqt.qtbot import QtBot

from tests.factories import particle_store
from tests.gui.conftest import settle
from tvae_core.export.registry import KINDS
from tvae_core.particles import read_table
from tvae_gui.main_window import MainWindow

Make = Callable[..., MainWindow]
STAR, CS = ([kind.ending for kind in KINDS].index(ending) for ending in (".star", ".cs"))


@pytest.fixture
def particles(star: Path, tmp_path: Path, make_window: Make, qtbot: QtBot) -> MainWindow:
    (tmp_path / "run").mkdir()
    window = make_window()
    assert window.open(particle_store(tmp_path / "run" / "embeddings.h5", star))
    settle(qtbot, window)
    return window


def test_a_selection_goes_back_as_its_rows_and_the_rest_beside_it(
    particles: MainWindow, star: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    particles.state.select({"kind": "indices", "indices": [3, 5, 8]})
    particles.export.open()
    drawer = particles.export_drawer
    drawer.format.setCurrentIndex(STAR)
    drawer.target.setText(str(tmp_path / "three.star"))
    drawer.rest.setChecked(True)
    drawer.with_pose.setChecked(True)
    drawer.target.textEdited.emit("")
    assert drawer.button.text() == "Export 3 particles"
    rest = tmp_path / "three-rest.star"
    assert f"--rest {rest} --with-pose" in drawer.command
    drawer.button.click()
    qtbot.waitUntil(lambda: bool(drawer.outcome), timeout=10_000)
    expected = f"3 particles → {tmp_path / 'three.star'}, verified; the remaining 197 → {rest}"
    assert drawer.outcome == expected
    written = read_table(tmp_path / "three.star")
    assert list(written.column("rlnAnglePsiOriginal")) == ["-96.50", "-94.50", "-91.50"]
    assert len(read_table(rest)) == 197


def test_a_changed_table_is_said_and_nothing_is_written(
    particles: MainWindow, star: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    star.write_text(star.read_text().replace("-97.50", "-97.51"))
    particles.export.open()
    drawer = particles.export_drawer
    drawer.format.setCurrentIndex(STAR)
    drawer.target.setText(str(tmp_path / "all.star"))
    drawer.target.textEdited.emit("")
    drawer.button.click()
    qtbot.waitUntil(lambda: bool(drawer.outcome), timeout=10_000)
    assert "has changed since the run was embedded" in drawer.outcome
    assert not (tmp_path / "all.star").exists()


def test_the_other_programs_table_is_grey_with_a_reason(particles: MainWindow) -> None:
    particles.export.open()
    model = particles.export_drawer.format.model()
    assert isinstance(model, QStandardItemModel)
    star, cs = model.item(STAR), model.item(CS)
    assert star is not None
    assert cs is not None
    assert star.isEnabled()
    assert not cs.isEnabled()
    assert "can only be written as .star" in cs.toolTip()


def test_a_store_without_a_table_says_why(window: MainWindow) -> None:
    window.export.open()
    drawer = window.export_drawer
    drawer.format.setCurrentIndex(STAR)
    assert not drawer.button.isEnabled()
    assert "embed it again" in drawer.button.toolTip()


def test_the_plane_is_coloured_by_the_original_angle(particles: MainWindow) -> None:
    column = next(c for c in particles.state.columns if c.title == "table: angle psi")
    particles.inspector_presenter.colour_by(column.key)
    assert particles.state.colour.kind == "cyclic"
    values = particles.state.values(column.key)
    np.testing.assert_allclose(values, np.deg2rad(np.arange(200) - 99.5), atol=1e-5)
