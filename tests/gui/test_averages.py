"""From clusters or a selection to class averages on disk."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from tests.core.export.test_class_averages import COUNT, PIXEL, make_store
from tests.gui.conftest import settle
from tvae_core.images.opening import open_stack
from tvae_core.particles import read_table
from tvae_gui.cards.average.average_drawer import AverageDrawer
from tvae_gui.main_window import MainWindow


def ask(drawer: AverageDrawer, qtbot: QtBot) -> None:
    """Press the button and wait until it is ready again."""
    drawer.button.click()
    qtbot.waitUntil(lambda: drawer.button.text() != "Stop", timeout=20_000)


@pytest.fixture
def particles(tmp_path: Path, make_window: Callable[..., MainWindow], qtbot: QtBot) -> MainWindow:
    """A window on particles with their stack and table, downsampled twice for the model."""
    window = make_window()
    assert window.open(make_store(tmp_path, scale=2.0, snr=1.0))
    settle(qtbot, window)
    return window


def test_clusters_are_averaged_shown_and_saved(
    particles: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    window, drawer = particles, particles.average_drawer
    window.clusters.run("k-means", 2, False)
    qtbot.waitUntil(lambda: window.state.clusters is not None, timeout=30_000)
    settle(qtbot, window)
    window.cluster_drawer.averages_wanted.emit()
    assert drawer.isVisible()
    assert drawer.source.currentText() == f"each of 2 clusters ({COUNT})"
    drawer.show_correction("flip")
    ask(drawer, qtbot)
    assert drawer.words.startswith("Original size, 64 px of 3.00 Å")
    assert drawer.table.rowCount() == 2
    assert window.state.clusters is not None
    sizes = np.bincount(window.state.clusters.labels)
    for row in range(2):
        mean, images, resolution = (drawer.table.item(row, n) for n in (0, 3, 4))
        assert mean is not None
        assert not mean.icon().isNull()
        assert images is not None
        assert images.text() == str(sizes[row])
        assert resolution is not None
        assert resolution.text().endswith(" Å")
    assert [curve.name for curve in drawer.chart.curves] == ["cluster 1", "cluster 2"]
    drawer.table.selectRow(1)
    assert [curve.name for curve in drawer.chart.curves] == ["cluster 2"]

    target = tmp_path / "classes.mrcs"
    drawer.target.setText(str(target))
    drawer.save.click()
    qtbot.waitUntil(lambda: "verified" in drawer.words, timeout=20_000)
    table = read_table(target.with_suffix(".star"))
    assert table.numbers("rlnGroupNrParticles").tolist() == sizes.tolist()
    assert window.averages.averaged is not None
    with open_stack(target) as stack:
        assert stack.pixel_size_angstrom == pytest.approx(PIXEL)
        np.testing.assert_array_equal(
            stack.read([0, 1]), [a.mean for a in window.averages.averaged.averages]
        )
    drawer.save.click()  # there is one of that name now
    assert "replace existing files" in drawer.save.toolTip()


def test_the_command_shown_writes_the_same(
    particles: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    window, drawer = particles, particles.average_drawer
    window.state.select({"kind": "indices", "indices": list(range(0, 90, 3))})
    window.sets.ask = lambda *_: "every third"
    window.commands.run("keep")
    window.session.save()
    window.averages.open_set("every third")
    drawer.show_correction("wiener")
    ask(drawer, qtbot)
    assert window.averages.averaged is not None
    assert window.averages.request is not None
    shown = shlex.split(drawer.save.statusTip())
    assert shown == window.averages.request.command()
    words = [str(tmp_path / "by command.mrcs") if w == drawer.target.text() else w for w in shown]
    # in a process of its own, as a user would: tqdm leaves a thread behind
    done = subprocess.run(
        [sys.executable, "-m", "tvae_core.cli.main", *words[1:]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with open_stack(tmp_path / "by command.mrcs") as stack:
        mean = window.averages.averaged.averages[0].mean
        np.testing.assert_array_equal(stack.read([0])[0], mean)


def test_a_selection_is_realigned_by_what_the_model_decodes(
    particles: MainWindow, qtbot: QtBot
) -> None:
    window, drawer = particles, particles.average_drawer
    window.state.select({"kind": "indices", "indices": list(range(40))})
    window.commands.run("averages")
    assert drawer.source.currentText() == "the selection (40)"
    ask(drawer, qtbot)
    assert window.averages.averaged is not None
    before = window.averages.averaged.averages[0].mean
    drawer.realign.setChecked(True)
    ask(drawer, qtbot)
    after = window.averages.averaged.averages[0].mean
    assert not np.allclose(before, after, atol=1e-3)


def test_where_the_images_are_gone_thumbnails_are_averaged_and_it_is_said(
    window: MainWindow, qtbot: QtBot
) -> None:
    drawer = window.average_drawer
    window.commands.run("averages")
    ask(drawer, qtbot)
    assert "averages of the run's thumbnails, 24 px of 2.40 Å" in drawer.words
    drawer.show_correction("flip")
    ask(drawer, qtbot)
    assert "thumbnails have no CTF" in drawer.words
    drawer.images_at.setText("nowhere.star")
    ask(drawer, qtbot)
    assert "nowhere.star" in drawer.words


def test_closing_the_run_while_it_averages_leaves_nothing(
    particles: MainWindow, qtbot: QtBot
) -> None:
    window, drawer = particles, particles.average_drawer
    window.averages.open()
    drawer.button.click()
    window.close_run()
    qtbot.waitUntil(lambda: not window.jobs.running, timeout=20_000)
    assert not drawer.isVisible()
    assert window.averages.averaged is None
